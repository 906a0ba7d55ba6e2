"""Scoring rules: how good probabilities were, given what happened."""

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array

SMALLEST = 1e-9
"""Probabilities are kept this far from 0 and 1, so that one surprise costs at most 21 nats."""


def log_loss(scores: Array, probabilities: Array) -> float:
    """Mean cross entropy in nats of scores in [0, 1]."""
    p = np.clip(probabilities, SMALLEST, 1 - SMALLEST)
    return float(-(scores * np.log(p) + (1 - scores) * np.log1p(-p)).mean())


def concordance(scores: Array, probabilities: Array) -> tuple[float, int]:
    """Pairs of a solved and an unsolved item in which the solved has the higher probability (ties half), and all
    pairs."""
    solved: NDArray[np.bool_] = scores >= 0.5
    high, low = probabilities[solved][:, None], probabilities[~solved][None]
    return float((high > low).sum() + (high == low).sum() / 2), int(high.size * low.size)
