"""Scoring rules: how good probabilities were, given what happened."""

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array

_SMALLEST = 1e-9  # probabilities are kept this far from 0 and 1, so that one surprise costs at most 21 nats


def cross_entropy(scores: Array, probabilities: Array) -> Array:
    """Nats of each score in [0, 1]: -s ln p - (1 - s) ln(1 - p)."""
    p = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-(scores * np.log(p) + (1 - scores) * np.log1p(-p)))


def log_loss(scores: Array, probabilities: Array) -> float:
    """Mean cross entropy in nats."""
    return float(cross_entropy(scores, probabilities).mean())


def concordance(scores: Array, probabilities: Array) -> tuple[float, int]:
    """Pairs of a solved and an unsolved item in which the solved has the higher probability (ties half), and all
    pairs."""
    solved: NDArray[np.bool_] = scores >= 0.5
    high, low = probabilities[solved][:, None], probabilities[~solved][None]
    return float((high > low).sum() + (high == low).sum() / 2), int(high.size * low.size)
