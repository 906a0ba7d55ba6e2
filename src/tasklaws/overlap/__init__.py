"""The overlap experiment: sets of items that differ in overlap alone, and corpora that differ in Zipf exponent."""
