"""Overlap observed: how far items are solved together beyond the common trend, and how many independent tasks remain.

All estimates are ratios of sums over cells, sum of covariances to sum of variances: the moment estimator of a mean
correlation, in which cells at which nothing flips do not count. A shrunk covariance matrix would not do: Ledoit and
Wolf's shrinks towards independence and so raises the effective number, the more the fewer runs there are; shrunk
towards a constant correlation it would leave the mean correlation as it is. What helps with few runs is to know which
items may share a skill: `against_design`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.overlap.residuals import Residuals

_SEEN = {"seeds": "between seeds", "trend": "around a trend"}  # what a number was taken from, in words
FEWEST_RUNGS = 1.2  # of equal weight: below, all hangs on one
NO_VARIANCE = 1e-9  # of ln n_eff by jackknife: what rounding leaves of none
_LEAST_EFFECT = 0.1  # of a design effect, in the jackknife: below 1 it is noise


@dataclass(frozen=True)
class Estimate:
    """A number and its limits: the whole range where too few rungs differ."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Overlap:
    """The effective number of items, and how many rungs it was taken from."""

    n_items: int
    n_eff: Estimate
    n_rungs: float  # of equal weight, that would hold as much


def observed_number(residuals: Residuals, level: float) -> Overlap:
    """n / (1 + (n - 1) r), r the mean correlation of two items, between 1 and n.

    With residuals e_ic, n_c of them known at cell c, r is sum_c ((sum_i e_ic)^2 - sum_i e_ic^2) / sum_c (n_c - 1) sum_i
    e_ic^2. The interval is a Student interval of ln n_eff with the variance of the jackknife over rungs (with a handful
    of rungs it holds where the bootstrap is too narrow; docs/overlap.md); it is at least as wide as the error of
    independent items (`_independent_error`) makes it. Its low limit takes the items that never flipped, of whose
    correlation nothing was seen, for one task. Residuals that are all 0, or of one rung, raise TasklawsError."""
    value, known = _known(residuals)
    n_items = len(value)
    by_rung = _by_rung(residuals)
    total, square, count = value.sum(axis=0), (value**2).sum(axis=0), known.sum(axis=0)
    covariance = by_rung(residuals.inflation * total**2 - square)
    variance = by_rung((count - 1) * square)
    n_rungs = _effective_rungs(by_rung(square))

    def log_number(covariance: Array, variance: Array) -> Array:
        effect = 1 + (n_items - 1) * _ratio(covariance, variance)
        return np.asarray(np.log(n_items) - np.log(np.maximum(effect, _LEAST_EFFECT)))

    spread = _jackknife(log_number(*_without_each(covariance, variance)))
    centre = float(log_number(covariance.sum(), variance.sum()))
    everyone = 1 - np.eye(n_items)
    chance = _independent_error(residuals, everyone) / float(square.sum()) * np.exp(centre) / n_items
    half = max(_half_width(spread, n_rungs, level), float(ndtri((1 + level) / 2)) * chance)
    half = min(half, 2 * np.log(n_items))
    numbers = np.clip(np.exp([centre, centre - half, centre + half]), 1, n_items)
    return _overlap(value, everyone, numbers, spread, n_rungs)


def against_design(residuals: Residuals, design: Array, level: float) -> Overlap:
    """The effective number when only items that share a skill by design are allowed to be correlated.

    r_ij = g D_ij for i != j, with the `design` D, (items, items), from `design.correlation`. g is the slope of the
    products e_i e_j on D_ij (Haseman and Elston 1972), between 0 and 1 / max D: sum_c sum_ij D_ij e_ic e_jc / sum_c
    sum_ij D_ij^2 e_ic^2 over i != j, so that items that did not flip have no say; n_eff = n^2 / (n + g sum_ij D_ij). It
    blinds itself to correlations that were not designed (a run that is better throughout), and is far less noisy for
    it. The interval is a Student interval of asinh(g / g0), as the error of g is g0 near 0 and in proportion to g far
    above, g0 being that of independent items (`_independent_error`). Its variance is that of the jackknife over rungs,
    at least that of g0: skills that happen to flip at no rung leave a g near 0 that seems exact. The low limit takes
    items that never flipped to be correlated as designed. A design without overlap, or of which no item that shares a
    skill flips, raises TasklawsError."""
    shared = design - np.diag(np.diag(design))
    if not shared.any():
        raise TasklawsError("no two items share a skill by design: take observed_number")
    value, known = _known(residuals)
    n_items = len(value)
    by_rung = _by_rung(residuals)
    product = by_rung((value * (shared @ value)).sum(axis=0) * residuals.inflation)
    scale = by_rung((value**2 * (shared**2 @ known)).sum(axis=0))
    n_rungs = _effective_rungs(scale)
    chance = _independent_error(residuals, shared) / float(scale.sum())
    unit = chance or 1.0  # no two of a kind flip at one rung: g is 0 whichever rung is left out

    def number(share: Array) -> Array:
        return np.asarray(n_items**2 / (n_items + share * shared.sum()))

    slope = _ratio(product.sum(), scale.sum())
    share = np.clip(slope, 0, 1 / shared.max())
    jackknife = _jackknife(np.arcsinh(_ratio(*_without_each(product, scale)) / unit))
    spread = max(jackknife, chance**2 / (unit**2 + float(slope) ** 2))
    half = _half_width(spread, n_rungs, level)
    one_task = n_items * (n_items - 1) / shared.sum()
    reach = np.clip(np.arcsinh(slope / unit) + np.array([half, -half]), 0, np.arcsinh(one_task / unit))
    return _overlap(value, shared, number(np.array([share, *unit * np.sinh(reach)])), spread, n_rungs)


def _by_rung(residuals: Residuals) -> Callable[[Array], Array]:
    """Sums, over the cells of each rung, of values by cell. One rung raises TasklawsError."""
    rungs, place = np.unique(residuals.rung, return_inverse=True)
    if len(rungs) < 2:
        raise TasklawsError("one rung: overlap seen along a ladder needs two or more")
    return lambda values: np.bincount(place, values, minlength=len(rungs)).astype(float)


def _known(residuals: Residuals) -> tuple[Array, Array]:
    """The residuals with 0 where unknown, and 1 where known."""
    known = np.isfinite(residuals.value)
    return np.where(known, residuals.value, 0.0), known.astype(float)


def _effective_rungs(square: Array) -> float:
    """How many rungs of equal weight tell as much: (sum v)^2 / sum v^2; no residual at all raises TasklawsError."""
    if not square.any():
        raise TasklawsError(
            "no item's score differs between seeds or from the trend: give more seeds, checkpoints, or rungs nearer to "
            "where the items are learned"
        )
    return float(square.sum() ** 2 / (square**2).sum())


def _without_each(*sums: Array) -> tuple[Array, ...]:
    return tuple(values.sum() - values for values in sums)


def _ratio(covariance: Array, variance: Array) -> Array:
    """A correlation; 0 where there is no variance."""
    return np.asarray(covariance / np.where(variance > 0, variance, np.inf))


def _jackknife(left_out: Array) -> float:
    """Variance of a statistic from its values without each one unit (Tukey 1958)."""
    count = len(left_out)
    return float((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())


def _half_width(variance: float, n_rungs: float, level: float) -> float:
    return float(stdtrit(max(n_rungs - 1, 1.0), (1 + level) / 2) * np.sqrt(variance))


def _independent_error(residuals: Residuals, shared: Array) -> float:
    """Standard error of sum_c sum_ij D_ij e_ic e_jc if the residuals of each item at a rung had a sign of their own.

    sqrt(2 sum_rungs sum_ij (D_ij sum_c e_ic e_jc)^2), over the cells c of the rung; D, `shared`, has a zero diagonal.
    """
    value, _ = _known(residuals)
    kin = (value[:, residuals.rung == rung] for rung in np.unique(residuals.rung))
    return residuals.inflation * float(np.sqrt(2 * sum(((shared * (each @ each.T)) ** 2).sum() for each in kin)))


def _overlap(residuals: Array, shared: Array, numbers: Array, variance: float, n_rungs: float) -> Overlap:
    """The Overlap of `numbers`, n_eff and its limits, the jackknife of which has this variance.

    The limits are the whole range where only one rung tells, or leaving out any rung changes nothing: so few items flip
    that no two ever did so together. The low limit is n^2 / (n + g sum D + max(1 - g, 0) sum D over the unseen): items
    that never flipped are correlated as in D, `shared` (zero diagonal), if that is more than g, what the limit says of
    all pairs. Without it an interval never holds the truth where many items hang on one skill that happened to flip at
    no rung."""
    n_items, (value, low, high) = len(residuals), map(float, numbers)
    if n_rungs < FEWEST_RUNGS or variance < NO_VARIANCE:
        low, high = 1.0, float(n_items)
    unseen = np.isclose(residuals, 0).all(axis=1)  # a mean over seeds may round
    hidden = float(shared[np.ix_(unseen, unseen)].sum())
    correlated = n_items * (n_items / min(low, value) - 1)
    more = max(1 - correlated / float(shared.sum()), 0.0) * hidden
    low = n_items**2 / (n_items + correlated + more)
    return Overlap(n_items, Estimate(value, low, max(high, value)), n_rungs)


def worth(row: Mapping[Any, Any]) -> str:
    """How many tasks the items of a row are worth, whether that is seen or designed, and the limits of what is seen:
    `137 items are worth 2.1 tasks by design; seen are 137 (90%: 1 to 137)`."""
    observed, designed = (row.get(name, np.nan) for name in ("observed", "designed"))
    limits = "" if pd.isna(observed) else f"(90%: {row['observed_low']:.3g} to {row['observed_high']:.3g})"
    start = f"{row['n_items']:.0f} items are worth {row['n_eff']:.3g} tasks"
    if row["taken_from"] in _SEEN:
        beside = "" if pd.isna(designed) else f"; designed are {designed:.3g}"
        return f"{start} as seen {_SEEN[row['taken_from']]} {limits}{beside}"
    why = "by design" if row["taken_from"] == "design" else "taken for independent, as nothing says what they need"
    return f"{start} {why}; {f'seen are {observed:.3g} {limits}' if limits else 'nothing is seen'}"
