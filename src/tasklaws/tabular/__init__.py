"""Anybody's tables: what columns may be called, how numbers are written and cells laid out; and the points in them."""
