"""What to run or ask next, that an interval narrows most."""
