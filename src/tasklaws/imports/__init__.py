"""Results as other tools leave them, turned into one table of points."""
