"""Tables as files have them: ours, in one byte-stable form, and those that people give, in theirs."""
