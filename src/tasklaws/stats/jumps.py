"""Is it a step? And if not, how sharply does a score rise along a ladder?

`find_step` is the one rule for a step: two levels with one jump between them, which explain what the rungs show
better than any smooth rise does. A verdict is `discontinuous`, the report says `step`, and the mirage check speaks of a
step where it finds one, and nowhere else. How sharp a rise is, is a number (`excess_share`), with a test against a rise
that takes the whole ladder (`sharpest_jump`): a sharp rise may well take several rungs, and then it is no step.

BIG-bench's breakthroughness and the emergence score divide the whole rise by the root median squared difference of
neighbours (Srivastava et al. 2022, appendix B; Schaeffer et al. 2023): over a handful of rungs that median is mostly
noise, 0 where the small rungs are all at 0, and blind to uneven gaps between sizes. `excess_share` needs no median."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, expit

from tasklaws.core.arrays import Array

REPLICATES = 4_000
_SLOPE = 2 * np.log(49)  # logits of a rise from 2% to 98%
LEAST_SIZES = 4  # of different size: fewer show no shape
SIGNIFICANCE = 0.05
_SPLIT = 0.9  # share of the variance between rungs that two levels explain: more than of any straight rise (3/4)
SIGMA = 3.0  # a difference counts when it exceeds its noise this many times
_STEEPEST = np.array([0.5, 1.0])  # logits from one rung to the next up to which a logistic counts as smooth
_BETTER = 2.0  # by how much chi-squared of a step must be lower than that of a smooth rise


@dataclass(frozen=True)
class FoundStep:
    """One jump between the neighbouring sizes `before` and `after` (as given: ln size), which explains `share` of the
    variance between rungs; `rise` (on the scale of z) is negative where the curve falls."""

    before: float
    after: float
    share: float
    rise: float


def find_step(size: Array, z: Array, variance: Array) -> FoundStep | None:
    """The step that a curve makes; None where it makes none.

    `size` (points) is ln size, `z` the value on a scale on which `variance`, that of its sampling, hardly depends on
    the value (arcsine for a score, log for a loss; `stats.links`). Points of one size are averaged. Two levels must
    explain 90% of the variance that sampling leaves, their difference exceed its noise SIGMA times, half of it lie
    between two neighbours, and a logistic between any two levels that rises over several rungs fit worse by a
    chi-squared of 2. Of true steps of 0.3 and more (500 items) 95-100% are found, of smooth rises 0-5% are called steps
    (docs/log.md). Curves of fewer than LEAST_SIZES sizes, or whose rungs differ no more than sampling makes them, have
    none."""
    sizes, means = mean_by_size(size, z)
    count = len(means)
    if count < LEAST_SIZES or np.ptp(z) < 1e-12 or sampling_p_value(z, variance) > SIGNIFICANCE:
        return None
    noise = float(variance.mean())
    total = float(((means - means.mean()) ** 2).sum()) - noise * (count - 1)
    best: tuple[float, int, float] = (0.0, 0, 0.0)
    for place in range(1, count):
        jump = float(means[place:].mean() - means[:place].mean())
        best = max(best, (place * (count - place) / count * jump**2, place, jump))
    between, place, jump = best
    levels = np.repeat([means[:place].mean(), means[place:].mean()], [place, count - place])
    within = float(((means - levels) ** 2).sum())
    spread = np.sqrt(max(within / (count - 2), noise))
    nearest = abs(means[place] - means[place - 1])
    if total <= 0 or between < _SPLIT * total or abs(jump) < SIGMA * spread or nearest < abs(jump) / 2:
        return None
    if _smooth_misfit(sizes, means) - within < _BETTER * spread**2:
        return None
    return FoundStep(float(sizes[place - 1]), float(sizes[place]), min(between / total, 1.0), jump)


def sampling_p_value(z: Array, variance: Array) -> float:
    """How likely sampling alone makes points differ as much (chi-squared about their weighted mean)."""
    weight = 1 / np.maximum(variance, 1e-18)
    statistic = float((weight * (z - np.average(z, weights=weight)) ** 2).sum())
    return float(chdtrc(len(z) - 1, statistic))


def mean_by_size(size: Array, z: Array) -> tuple[Array, Array]:
    """The different sizes, small to large, and the mean of z at each."""
    sizes, inverse = np.unique(size, return_inverse=True)
    return sizes, np.bincount(inverse, z) / np.bincount(inverse)


def _smooth_misfit(sizes: Array, means: Array) -> float:
    """Least sum of squares that a logistic between any two levels leaves which rises over several rungs."""
    place = (sizes - sizes[0]) / np.median(np.diff(sizes))
    middles = np.linspace(place[0] - 2, place[-1] + 2, 4 * len(place))
    curves = expit(_STEEPEST[:, None, None] * (place - middles[:, None])).reshape(-1, len(place))
    curves = curves - curves.mean(axis=1, keepdims=True)
    rest = means - means.mean()
    return float((rest**2).sum() - ((curves @ rest) ** 2 / (curves**2).sum(axis=1)).max())


@dataclass(frozen=True)
class Jump:
    """The sharpest gap of a curve: between points `place` and `place` + 1."""

    place: int
    share: float  # of the whole rise
    excess: float
    p_value: float  # of a jump as sharp in a smooth rise


def gap_shares(y: Array) -> Array:
    """The share of the whole rise (largest minus smallest value) made in each gap; (..., rungs) to (..., rungs - 1).

    0 where nothing rises; negative where a gap falls."""
    rise = np.ptp(y, axis=-1, keepdims=True)
    return np.asarray(np.diff(y, axis=-1) / np.where(rise > 0, rise, np.inf))


def excess_share(x: Array, y: Array) -> Array:
    """(share - width) / (1 - width) of each gap, its width being its share of the range of x (ln size).

    0 for a straight rise, 1 for a step that lies in this gap; it does not change with the units of x or y."""
    width = np.diff(x) / np.ptp(x)
    return np.asarray((gap_shares(y) - width) / (1 - width))


def smooth_rise(x: Array, y: Array, place: int) -> Array:
    """The steepest rise that counts as smooth, set to y by least squares: a logistic that needs the ladder's whole
    range of x to go from 2% to 98%, steepest in the gap `place`."""
    curve = expit(_SLOPE * (x - x[place : place + 2].mean()) / np.ptp(x))
    return np.asarray(np.polynomial.Polynomial.fit(curve, y, 1)(curve))


def sharpest_jump(x: Array, y: Array, trials: Array, rng: np.random.Generator, place: int | None = None) -> Jump:
    """The sharpest gap of the success rates `y`, each of so many independent `trials`, against a smooth rise; where the
    gap is known, that at `place`.

    p is the share of curves drawn from `smooth_rise`, with binomial noise, whose sharpest gap, wherever it lies,
    has at least this excess share."""
    excess = excess_share(x, y)
    place = int(np.argmax(excess)) if place is None else place
    counts = np.maximum(np.round(trials), 1).astype(int)
    drawn = rng.binomial(counts, np.clip(smooth_rise(x, y, place), 0, 1), (REPLICATES, len(x))) / counts
    sharper = excess_share(x, drawn).max(axis=1) >= excess[place] - 1e-9
    p_value = (1 + int(sharper.sum())) / (REPLICATES + 1)
    return Jump(place, float(gap_shares(y)[place]), float(excess[place]), p_value)
