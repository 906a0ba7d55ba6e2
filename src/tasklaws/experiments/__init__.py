"""Experiments beside the ladder: item sets that differ in overlap alone, corpora that differ in Zipf exponent."""
