"""Where every result comes from: the chain of dvc.lock, and whether the files still are what it says."""
