"""Cells: stages of one rung that are run anywhere, kept in a store under the hash of all that determines them."""
