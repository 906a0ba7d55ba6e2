"""How sharply a score rises along a ladder, and whether more sharply than a smooth rise would.

BIG-bench's breakthroughness and the emergence score divide the whole rise by the root median squared difference of
neighbours (Srivastava et al. 2022, appendix B; Schaeffer et al. 2023): over a handful of rungs that median is mostly
noise, 0 where the small rungs are all at 0, and blind to uneven gaps between sizes. `excess_share` needs no median.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from tasklaws.core.arrays import Array

REPLICATES = 4_000
_SLOPE = 2 * np.log(49)  # logits of a rise from 2% to 98%


@dataclass(frozen=True)
class Jump:
    """The sharpest gap of a curve: between points `place` and `place` + 1."""

    place: int
    share: float  # of the whole rise
    excess: float
    p_value: float  # of a jump as sharp in a smooth rise


def shares(y: Array) -> Array:
    """The share of the whole rise (largest minus smallest value) made in each gap; (..., rungs) to (..., rungs - 1).

    0 where nothing rises; negative where a gap falls.
    """
    rise = np.ptp(y, axis=-1, keepdims=True)
    return np.asarray(np.diff(y, axis=-1) / np.where(rise > 0, rise, np.inf))


def excess_share(x: Array, y: Array) -> Array:
    """(share - width) / (1 - width) of each gap, its width being its share of the range of x (ln size).

    0 for a straight rise, 1 for a step that lies in this gap; it does not change with the units of x or y.
    """
    width = np.diff(x) / np.ptp(x)
    return np.asarray((shares(y) - width) / (1 - width))


def smooth_rise(x: Array, y: Array, place: int) -> Array:
    """The steepest rise that counts as smooth, set to y by least squares: a logistic that needs the ladder's whole
    range of x to go from 2% to 98%, steepest in the gap `place`."""
    curve = expit(_SLOPE * (x - x[place : place + 2].mean()) / np.ptp(x))
    return np.asarray(np.polynomial.Polynomial.fit(curve, y, 1)(curve))


def sharpest_jump(x: Array, y: Array, trials: Array, rng: np.random.Generator) -> Jump:
    """The sharpest gap of the success rates `y`, each of so many independent `trials`, against a smooth rise.

    p is the share of curves drawn from `smooth_rise`, with binomial noise, whose sharpest gap, wherever it lies,
    has at least this excess share.
    """
    excess = excess_share(x, y)
    place = int(np.argmax(excess))
    counts = np.maximum(np.round(trials), 1).astype(int)
    drawn = rng.binomial(counts, np.clip(smooth_rise(x, y, place), 0, 1), (REPLICATES, len(x))) / counts
    sharper = excess_share(x, drawn).max(axis=1) >= excess[place] - 1e-9
    p_value = (1 + int(sharper.sum())) / (REPLICATES + 1)
    return Jump(place, float(shares(y)[place]), float(excess[place]), p_value)
