"""How wide a task's forecast should be: by what is known of the task, by other ladders, and by earlier tests.

An earlier test is a rung of the same ladder forecast from the rungs before it. All values are on the panel's link
scale, by task, shape (tasks,)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import betainc, ndtr, ndtri

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel
from tasklaws.forecast.priors import width_coefficients
from tasklaws.forecast.weighing import weighted_quantile
from tasklaws.stats.links import Link
from tasklaws.stats.predictive import Predictive
from tasklaws.stats.proportions import neighbour_scatter
from tasklaws.stats.scores import LEVEL

# Errors have more of both small and large than a normal: two normals of one mean, which hold LEVEL as one of sd 1 does.
_SHARES, _SPREADS = np.array([0.75, 0.25]), np.array([0.748, 1.645])
_BELIEF = 20.0  # weight of the belief that widths are right as other ladders say
_DRIFT_BELIEF = 10.0  # and that forecasts of all tasks are neither too low nor too high
_DRIFT_TASKS = 20  # so many tasks of a test, or more, tell it as well as can be
_OWN_BELIEF = 3.0  # and that a task's own errors are as large as forecast
_LEAST_SCATTER = 0.004
_POINT_FADING = 0.92  # weight of a point's distance from its neighbours for each rung that it is older
_MOST_MISSED = 100  # items that the model after one that solved all may miss
_LIMITS = np.log([1 / 5, 5])  # by what factor, at most, a task's width is changed


@dataclass(frozen=True, eq=False)
class Test:
    """What an earlier test showed: its `weight`, the `residual` of what came from the forecast, and its `width`."""

    weight: float
    residual: Array
    width: Array


def predictive(link: Link, mean: Array, width: Array) -> Predictive:
    """The distribution of a forecast whose 90% interval is that of a normal with this `mean` and sd `width`."""
    sd = width[:, None] * _SPREADS
    return Predictive(link, np.broadcast_to(_SHARES, sd.shape), np.repeat(mean[:, None], len(_SHARES), axis=1), sd)


def drift(tests: Sequence[Test]) -> float:
    """By how much the ladder's tasks were forecast too low: the weighted mean over `tests` of the median residual of
    their tasks, shrunk towards 0. The fewer tasks a test has, the less it counts."""
    total, weights = 0.0, _DRIFT_BELIEF
    for test in tests:
        known = test.residual[np.isfinite(test.residual)]
        if len(known):
            weight = test.weight * min(len(known) / _DRIFT_TASKS, 1.0)
            total += weight * float(np.median(known))
            weights += weight
    return total / weights


def features(known: Panel, sd: Array, noise: Array, gap: float, tests: Sequence[Test]) -> Array:
    """What tells how far a task's forecast may be off, (tasks, 6): 1, and the logarithms of

    the combination's own sd (with the sampling `noise` of the target); that noise; how large the task's earlier
    residuals were in their widths (root mean square, shrunk towards 1); how far its known values lie from the lines
    between their neighbours (`neighbour_scatter`, later ones counting more); and 1 + `gap`."""
    squares, weight = np.full((2, len(sd)), _OWN_BELIEF)
    for test in tests:
        ratio = (test.residual / test.width) ** 2
        there = np.isfinite(ratio)
        squares += test.weight * np.where(there, ratio, 0.0)
        weight += test.weight * there
    wobble = np.hypot(_wobble(known, noise), _LEAST_SCATTER)
    gaps = np.full(len(sd), 1 + gap)
    columns = [np.hypot(sd, noise), noise, np.sqrt(squares / weight), wobble, gaps]
    return np.stack([np.ones(len(sd)), *(np.log(column) for column in columns)], axis=1)


def _wobble(known: Panel, noise: Array) -> Array:
    """How far known values lie from the lines between their neighbours, root mean square; `noise` of fewer than three
    values."""
    found = noise.copy()
    for row, z in enumerate(known.link.of(known.value, np.inf)):
        there = np.isfinite(z)
        squares = neighbour_scatter(known.size[there], z[there])
        if len(squares):
            found[row] = np.sqrt(np.average(squares, weights=_POINT_FADING ** np.arange(len(squares))[::-1]))
    return found


def task_scale(known: Panel, sd: Array, noise: Array, gap: float, tests: Sequence[Test]) -> Array:
    """By what factor each task's own width, hypot(sd, noise), is to be changed, as the ladders say from which the
    coefficients of `features` were learned: exp(features b) / hypot(sd, noise)."""
    found = features(known, sd, noise, gap, tests)
    return np.exp(np.clip(found @ width_coefficients() - found[:, 1], *_LIMITS))


def ladder_scale(tests: Sequence[Test]) -> float:
    """The factor that would have made intervals hold 90% of the earlier tests of all tasks, shrunk towards 1."""
    usual = predictive_sizes()
    sizes, weights = [usual], [np.full(len(usual), _BELIEF / len(usual))]
    for test in tests:
        off = np.abs(test.residual) / test.width
        off = off[np.isfinite(off)]
        sizes.append(off)
        weights.append(np.full(len(off), test.weight))
    reached = weighted_quantile(np.concatenate(sizes), np.concatenate(weights), LEVEL)
    return reached / weighted_quantile(usual, weights[0], LEVEL)


def least_width(known: Panel) -> Array:
    """The least width of each task's forecast, (tasks,): 0, but of a task at the ceiling what its items leave possible.

    Where the last models solved all of N items together, how many of n the next one misses is beta-binomial (Jeffreys'
    prior; here the negative binomial that it tends to): no more than k with probability I(1/2, k + 1; N / (N + n)).
    The 90% interval holds the least k of at least 95%, where that is not 0."""
    found = np.zeros(len(known.tasks))
    at_end = known.link.of(np.array([1.0]), np.inf)
    for row in np.flatnonzero(known.asked & (not known.loss)):
        there = np.isfinite(known.value[row])
        solved_all, items = known.value[row][there][::-1] == 1, known.items[row][there][::-1]
        if solved_all[0]:
            n_items = float(np.median(items))
            together = float(items[np.logical_and.accumulate(solved_all)].sum())
            unlikely = betainc(0.5, np.arange(1, _MOST_MISSED), together / (together + n_items)) < (1 + LEVEL) / 2
            if unlikely[0]:
                reached = known.link.of(np.array([1 - (unlikely.sum() + 0.5) / n_items]), np.inf)
                found[row] = float((at_end - reached)[0]) / ndtri((1 + LEVEL) / 2)
    return found


@cache
def predictive_sizes() -> Array:
    """Fifty evenly spaced quantiles of the distance from the mean, in widths, under `predictive`."""
    grid = np.linspace(0.0, 8.0, 1601)
    inside = (_SHARES * (2 * ndtr(grid[:, None] / _SPREADS) - 1)).sum(axis=1)
    return np.interp((np.arange(50) + 0.5) / 50, inside, grid)
