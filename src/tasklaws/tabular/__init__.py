"""Anybody's tables: how columns may be called, numbers and dates be written, and rows and columns be laid out."""
