"""Other tools' results, turned into one table of points."""
