"""People: their attempts at items, real or simulated, and what the attempts say of each item."""
