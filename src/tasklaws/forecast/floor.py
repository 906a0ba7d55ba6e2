"""Leaving the floor: at chance now is not at chance later. And a step seen once: it may be all there is.

A forecast from the floor is a mixture: the task stays, near where the engine sees it, or it has left by then, with a
rise that has a long tail and grows with the gap. How likely that is, other ladders say (floor.json, made by
tools/make_floor.py). Where the last rung alone jumped, a curve drawn through it rises further and further; up to half
of the forecast is that the task stays where it is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, expit, ndtri

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel, size_column
from tasklaws.forecast.priors import floor_coefficients
from tasklaws.stats.jumps import SIGNIFICANCE
from tasklaws.stats.predictive import Predictive

LEAVES = 0.1  # a score so far above the floor has left it
_LEAST_RATE = 0.01  # where a guess scores nothing, solving one item in a hundred is still the floor
_SMALLEST_GAP = 0.05  # decades
_STEEPEST_TREND = 3.0  # sigma of a trend, beyond which it says no more
# How known rungs and chance place a task that stays: rungs that all score alike are one answer to every item.
_ALIKE_RUNGS = 0.7  # of a distinct score
_CHANCE = 1.0  # chance counts as so many distinct scores for each decade
# Its variance far away: that share of the engine's, that share of all sampling of the items, that much for each decade.
_OF_WIDTH, _OF_SAMPLING, _BY_DECADE = 0.25, 0.37, 2.3e-4
_NEAR_FLOOR = 0.4  # decades over which the engine's own variance gives way to that
# How far a task that left has risen, as a share of the room above the floor: a lognormal of this median at one decade,
# growing with that power of the gap.
_RISE, _RISE_GROWS, _RISE_SPREAD = 0.19, 0.8, 0.64
# Normals that stand for it: their shares, and their places and width in spreads of the rise's logarithm.
_SHARES = np.array([0.05, 0.15, 0.2, 0.2, 0.2, 0.15, 0.05])
_PLACES = ndtri(np.cumsum(_SHARES) - _SHARES / 2)
_OVERLAP = 0.35
_SMALLEST_SD = 0.02
# A jump of the last rung alone: that far above all earlier ones at least, and that many sigma of their sampling.
_JUMP, _SIGMAS = 0.08, 3.0
_BEFORE = 3  # rungs at least
_STAYS, _SOON = 0.5, 0.3  # share of a far forecast that is that it stays; decades at which it is half as much
_VARIANCE = 0.15**2  # of the place where it stays, for each decade, _SOON counting too
_COUNTS = {"three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "fifteen": 15, "twenty": 20, "fifty": 50}
_GROWS = {  # what there is more of further ahead, by what places the models
    "n_params": "parameters",
    "train_flops": "compute",
    "date": "usual growth of compute",
    "n_tokens": "training tokens",
    "step": "training steps",
    "loss": "compute that such a loss takes",
}


class AtFloor(NamedTuple):
    """Where curves' best rungs stand: the `floor`, by how many sigma of sampling they lie above, and whether all rungs
    are `at` it, or so `far_below` that the floor itself is in doubt."""

    floor: Array
    sigma: Array
    at: NDArray[np.bool_]
    far_below: NDArray[np.bool_]


def standing(best: ArrayLike, mean: ArrayLike, n_rungs: ArrayLike, items: ArrayLike, chance: ArrayLike) -> AtFloor:
    """Whether all known scores of a task, of `n_rungs` the `best` and the `mean`, are at the floor, elementwise: none
    is above chance by an exact one-sided binomial test of so many `items`, Bonferroni over rungs; where so few items
    could never be, all rungs together are not. Where a guess scores nothing, or what it scores is unknown, the floor is
    0, and the test is against one item in a hundred."""
    best, items, n_rungs = (np.asarray(part, dtype=float) for part in (best, items, n_rungs))
    floor = np.where(np.asarray(chance) > 0, chance, 0.0)  # NaN: unknown
    rate, limit = np.maximum(floor, _LEAST_RATE), SIGNIFICANCE / n_rungs
    solved = np.clip(items * best, 1e-9, items)
    above = betainc(solved, items - solved + 1, rate)  # the chance of as many or more
    below = 1 - betainc(solved + 1, np.maximum(items - solved, 1e-9), rate)
    sigma = (best - floor) / np.sqrt(rate * (1 - rate) / items)
    all_items, all_solved = items * n_rungs, np.clip(items * n_rungs * np.asarray(mean), 1e-9, items * n_rungs)
    together = betainc(all_solved, all_items - all_solved + 1, rate)
    at = np.where(rate**items > limit, together > SIGNIFICANCE, above > limit)
    return AtFloor(floor, sigma, at, (floor > 0) & (below < limit))


def floors(known: Panel) -> Array:
    """The floor of each task whose known rungs are all at it (`standing`), (tasks,); NaN of the others, and of those
    so far below that the floor is in doubt."""
    found = np.full(len(known.tasks), np.nan)
    rows = np.flatnonzero(known.asked & (not known.loss))
    if len(rows):
        value = known.value[rows]
        best, mean, n_rungs = np.nanmax(value, axis=1), np.nanmean(value, axis=1), np.isfinite(value).sum(axis=1)
        one = standing(best, mean, n_rungs, _items(known, rows), known.guess[rows])
        found[rows] = np.where(one.at & ~one.far_below, one.floor, np.nan)
    return found


def _items(known: Panel, rows: NDArray[np.intp]) -> Array:
    """How many items tasks have, as the median of their known values'."""
    return np.asarray(np.nanmedian(np.where(np.isfinite(known.value[rows]), known.items[rows], np.nan), axis=1))


def decades(known: Panel, gap: float) -> float:
    """A gap in ln size as decades of model size: of compute, or of its growth by date, half as many, as compute grows
    with the square of size (Hoffmann et al. 2022)."""
    return float(gap / np.log(10) / (1 if size_column(known) == "n_params" else 2))


def leaving(known: Panel, rows: NDArray[np.intp], gap: float) -> Array:
    """What tells whether tasks leave the floor by a gap in `decades`, (rows, 3): 1, ln gap, and the rise of the known
    rungs in its standard errors (0 to 3), divided by 1 + gap, as a trend tells most of the near future."""
    trend = [_trend(known, int(row)) for row in rows]
    near = np.clip(trend, 0.0, _STEEPEST_TREND) / (1 + gap)
    return np.column_stack([np.ones(len(rows)), np.full(len(rows), np.log(max(gap, _SMALLEST_GAP))), near])


def _trend(known: Panel, row: int) -> float:
    """The slope of a task's scores in ln size over its standard error; the scatter about the line and the sampling of
    items, which counts as two rungs, say how large that is."""
    there = np.isfinite(known.value[row])
    size, z = known.size[there], known.link.of(known.value[row][there], np.inf)
    x, y = size - size.mean(), z - z.mean()
    if (x**2).sum() < 1e-9:
        return 0.0
    slope = (x * y).sum() / (x**2).sum()
    scatter = ((y - slope * x) ** 2).sum() + 2 / np.median(known.items[row][there])
    return float(slope / np.sqrt(scatter / max(len(z), 2) / (x**2).sum()))


def from_floor(
    known: Panel, floor: Array, gap: float, said: Predictive, coefficients: Array | None = None
) -> Predictive:
    """Forecasts `gap` decades beyond the known models (`decades`), in which tasks at the `floor` (`floors`) may leave
    it; all other rows are as `said`.

    With p = expit(`leaving` b), a task stays with 1 - p: `said` with its mean drawn to chance, the more the further
    and the fewer different scores the known rungs have, and beyond half a decade a variance of its own; where a guess
    scores nothing, `said` as it is. With p it has left: it stands a rise r above that, on
    1 - (1 - score) exp(-r / (1 - score)), so that it never reaches 1, with ln r normal about
    ln (.19 (1 - floor) gap^.8) with an sd of .64. b is of public ladders (default: what `priors.leaving_out` leaves of
    them)."""
    rows = np.flatnonzero(np.isfinite(floor))
    if not len(rows):
        return said
    gap = max(gap, _SMALLEST_GAP)
    leaves = expit(leaving(known, rows, gap) @ (floor_coefficients() if coefficients is None else coefficients))
    scores = [len(np.unique(row[np.isfinite(row)].round(9))) for row in known.value[rows]]
    own = (np.array(scores) - _ALIKE_RUNGS)[:, None]
    guessed = floor[rows, None] > 0
    chance = np.where(guessed, _CHANCE * gap, 0.0)
    middle = (own * said.mean[rows] + chance * said.link.of(floor[rows], np.inf)[:, None]) / (own + chance)
    far = np.where(guessed, -np.expm1(-gap / _NEAR_FLOOR), 0.0)
    more = far * (_OF_SAMPLING / _items(known, rows) + _BY_DECADE * gap)[:, None]
    weight, mean, sd = (np.pad(part, ((0, 0), (0, len(_SHARES)))) for part in (said.weight, said.mean, said.sd))
    count = said.mean.shape[1]
    weight[rows, :count] *= (1 - leaves)[:, None]
    mean[rows, :count] = middle
    sd[rows, :count] = np.sqrt((1 - far + far * _OF_WIDTH) * said.sd[rows] ** 2 + more)
    score = said.link.inverse((said.weight[rows] * middle).sum(axis=1))[:, None]
    left = np.maximum(1 - score, 1e-9)
    rise = _RISE * (1 - floor[rows, None]) * gap**_RISE_GROWS * np.exp(_RISE_SPREAD * _PLACES)
    apart = np.exp(_OVERLAP * _RISE_SPREAD)
    low, at, high = (said.link.of(1 - left * np.exp(-factor * rise / left), np.inf) for factor in (1 / apart, 1, apart))
    weight[rows, count:] = leaves[:, None] * _SHARES
    mean[rows, count:], sd[rows, count:] = at, (high - low) / 2 + _SMALLEST_SD
    return Predictive(said.link, weight, mean, sd)


def jumped(known: Panel) -> NDArray[np.bool_]:
    """Which tasks the last rung alone shows to have risen: it stands 8 points, 3 sigma of sampling, and more than all
    of at least three earlier ones differ, above the best of these."""
    rows = np.flatnonzero((np.isfinite(known.value).sum(axis=1) > _BEFORE) & (not known.loss))
    found = np.zeros(len(known.tasks), dtype=bool)
    if len(rows):
        last, earlier = _last(known, rows), known.value[rows].copy()
        earlier[np.arange(len(rows)), last] = np.nan
        mean = np.nanmean(earlier, axis=1)
        sigma = np.sqrt(np.maximum(mean * (1 - mean), 0.01) / _items(known, rows))
        best, worst = np.nanmax(earlier, axis=1), np.nanmin(earlier, axis=1)
        found[rows] = known.value[rows, last] - best > np.maximum(np.maximum(_SIGMAS * sigma, _JUMP), best - worst)
    return found


def _last(known: Panel, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """The place of the largest model that was asked each of these tasks."""
    return np.asarray(known.value.shape[1] - 1 - np.argmax(np.isfinite(known.value[rows])[:, ::-1], axis=1))


def after_jump(known: Panel, gap: float, said: Predictive) -> Predictive:
    """Forecasts `gap` decades beyond the known models, of which a share of .5 gap / (gap + .3) is, where the last rung
    `jumped`, that the score stays where that has it, with a variance of .15^2 (gap + .3) and the items' sampling."""
    rows = np.flatnonzero(jumped(known))
    if not len(rows):
        return said
    weight, mean, sd = (np.pad(part, ((0, 0), (0, 1))) for part in (said.weight, said.mean, said.sd))
    stays = _STAYS * gap / (gap + _SOON)
    weight[rows] *= 1 - stays
    weight[rows, -1] = stays
    mean[rows, -1] = known.link.of(known.value[rows, _last(known, rows)], np.inf)
    sd[rows, -1] = np.sqrt(_VARIANCE * (gap + _SOON) + 1 / _items(known, rows))
    return Predictive(said.link, weight, mean, sd)


def in_words(probability: float, known: Panel, gap: float) -> str:
    """What `leaves_floor` says, for the evidence; `gap` in ln size."""
    how = f"are {100 * LEAVES:.0f} points above it at {np.exp(gap):.3g} times the {_GROWS[size_column(known)]}"
    return f"{_about(probability)} tasks like this one {how}"


def _about(probability: float) -> str:
    """A share as people say it: "about one in five"."""
    if probability < 1 / 60:
        return "fewer than one in fifty"
    if probability > 0.4:
        return f"about {min(round(10 * probability), 9)} in ten"
    return "about one in " + min(_COUNTS, key=lambda name: abs(np.log(probability * _COUNTS[name])))
