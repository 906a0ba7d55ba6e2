"""Overlap of tasks: how many independent tasks a set is worth, and what that does to its curve along a ladder."""
