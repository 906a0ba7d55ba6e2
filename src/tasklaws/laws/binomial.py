"""The number of items behind a score, where only its standard error is known."""

import numpy as np

from tasklaws.laws.law import Array


def binomial_items(value: Array, stderr: Array) -> Array:
    """How many right-or-wrong items a share p with a standard error is worth: p (1 - p) / stderr^2, at least 1.

    NaN where that says nothing: either is unknown, stderr is 0, or p is 0 or 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        items = value * (1 - value) / stderr**2
    return np.where(np.isfinite(items) & (items > 0), np.maximum(items, 1.0), np.nan)
