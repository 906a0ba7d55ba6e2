"""What a ladder will cost to train, fetch and ask, said before anything is spent."""
