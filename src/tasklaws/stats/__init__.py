"""Statistics that several parts share, each method once."""
