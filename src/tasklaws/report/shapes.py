"""How a score rises along a ladder, in numbers: where, how wide, how suddenly, with what plateaus."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.verdict import seen_curve, step
from tasklaws.stats.proportions import known_items
from tasklaws.tables import is_loss

Shape = Literal["no rise", "jump", "pieces", "smooth", "uneven", "too few rungs"]
# What each word is taken to mean. They are conventions, printed in the report beside the numbers they rest on.
LEAST_RISE = 0.1  # a smaller gain over the ladder is no rise
PIECE_SHARE = 0.2  # a piece: a run of rising rungs that makes up this share of the rise
FLAT_SHARE = 0.05  # a plateau: neighbours within the rise that differ by less than this share of it
MIN_RUNGS = 4


@dataclass(frozen=True)
class Rise:
    """How a curve rises from its `smallest` rung to its `best`, each (name, score).

    `gain` is the best score less the floor: chance, or where that is none or unknown what the smallest rung had.
    `width` is the decades of n_params from 10% to 90% of the gain, None where nothing rises; `width_is_bound` says
    that the smallest rung is past the 10% already, so it is at least that. `jump` is the largest gain between
    neighbours, as a share of the whole, from rung `before` to rung `after`; `drop` the largest fall, likewise.
    `plateaus` counts flat pairs of neighbours with a piece of the rise on either side. What a verdict calls
    discontinuous is a step: the rule is the verdict's (`forecast.verdict.step`), among all rungs or among the fit rungs
    alone. `unseen` says that a step came with the held-out rungs, which no verdict could know.
    """

    smallest: tuple[str, float]
    best: tuple[str, float]
    gain: float
    width: float | None
    width_is_bound: bool
    jump: float
    before: str
    after: str
    drop: float
    plateaus: int
    shape: Shape
    unseen: bool


def levels(observations: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a rung of a curve's final observations, from the smallest up.

    `value` is the mean over seeds, `stderr` its standard error (of items, and of seeds where there are two or more),
    `n_items` how many items it is worth, as a verdict counts them (NaN: unknown), `fit` whether a verdict saw the rung.
    """
    known = observations.assign(sampling=observations["stderr"].fillna(0.0) ** 2)
    rungs = known.groupby("rung", sort=False)
    mean = rungs[["value", "stderr", "n_items", "sampling"]].mean()
    variance = np.maximum(mean["sampling"], rungs["value"].var().fillna(0.0))
    value, stderr, n_items = (mean[name].to_numpy() for name in ("value", "stderr", "n_items"))
    worth = known_items(value, stderr, n_items, is_loss(metric))
    table = rungs[["n_params", "train_flops"]].first().assign(value=value, n_items=worth)
    return table.assign(stderr=np.sqrt(variance / rungs.size()), fit=rungs["role"].first() == "fit").reset_index()


def rise_of(observations: pd.DataFrame, metric: str) -> Rise | None:
    """How a curve rises by its final observations; None of none."""
    if observations.empty:
        return None
    chances = observations["chance"].dropna()
    return measure_rise(levels(observations, metric), metric, chances.iloc[0] if len(chances) else math.nan)


def _makes_step(found: pd.DataFrame, metric: str, chance: float) -> bool:
    """Whether these levels make a step: the verdict's rule."""
    size = "n_params" if found["train_flops"].isna().any() else "train_flops"
    value, n_items, sizes = (found[name].to_numpy(dtype=float) for name in ("value", "n_items", size))
    return step(seen_curve(np.log(np.maximum(sizes, 1.0)), value, n_items, chance, is_loss(metric))) is not None


def measure_rise(found: pd.DataFrame, metric: str, chance: float = 0.0) -> Rise:
    """Describe the rise of `levels`, which are in order of size, from `chance` (NaN: unknown); losses are turned over
    first."""
    scores, stderr = (found[name].to_numpy(dtype=float) for name in ("value", "stderr"))
    names, sizes = found["rung"].astype(str).tolist(), np.log10(found["n_params"].to_numpy(dtype=float))
    values = -scores if is_loss(metric) else scores
    floor = chance if metric == "exact_match" and math.isfinite(chance) else values[0]
    best = int(values.argmax())
    gain = float(values[best] - floor)
    scale = gain if gain > 1e-12 else 1.0
    # A single rung has one neighbour, which is itself.
    ends = np.arange(len(values)) if len(values) > 1 else np.array([0, 0])
    steps = np.diff(values[ends]) / scale
    noise = 2 * np.hypot(stderr[ends[:-1]], stderr[ends[1:]]) / scale
    climbed = values[best] - values[0]
    relative = climbed / abs(values[0]) if is_loss(metric) and values[0] else climbed
    rises = bool(relative >= LEAST_RISE and climbed > 2 * np.hypot(stderr[0], stderr[best]))
    start, end = (_crossing(sizes, values, floor + share * gain) for share in (0.1, 0.9))
    largest = int(steps.argmax())
    plateaus = _count_plateaus(steps, noise)
    known = _makes_step(found[found["fit"]], metric, chance)
    any_step = known or _makes_step(found, metric, chance)
    return Rise(
        smallest=(names[0], float(scores[0])),
        best=(names[best], float(scores[best])),
        gain=gain,
        width=end - start if rises else None,
        width_is_bound=bool(values[0] > floor + 0.1 * gain),
        jump=float(steps[largest]),
        before=names[largest],
        after=names[ends[largest + 1]],
        drop=max(0.0, -float(steps.min())),
        plateaus=plateaus,
        shape="jump" if any_step else _shape(len(found), rises, steps, noise, plateaus),
        unseen=any_step and not known,
    )


def _crossing(sizes: Array, values: Array, wanted: float) -> float:
    """The size (log10 n_params) at which the values first reach `wanted`, linear between rungs."""
    reached = np.flatnonzero(values >= wanted)
    if not len(reached):
        return float(sizes[-1])
    pair = slice(max(reached[0] - 1, 0), reached[0] + 1)
    return float(np.interp(wanted, values[pair], sizes[pair]))


def _count_plateaus(steps: Array, noise: Array) -> int:
    """Flat pairs of neighbours that have a piece of the rise before and another after them.

    Flat means also: below the mean step of the rungs that rise by more than the doubt (two standard errors) about it.
    """
    rising = steps[steps > FLAT_SHARE]
    usual = rising.mean() if len(rising) else 0.0
    flat = np.flatnonzero((np.abs(steps) <= FLAT_SHARE) & (usual - steps > noise))
    return sum(steps[:at].sum() >= PIECE_SHARE and steps[at + 1 :].sum() >= PIECE_SHARE for at in flat)


def _shape(n_rungs: int, rises: bool, steps: Array, noise: Array, plateaus: int) -> Shape:
    """The one word for a rise that is no jump, by the conventions above."""
    if n_rungs < MIN_RUNGS:
        return "too few rungs"
    if not rises:
        return "no rise"
    if plateaus:
        return "pieces"
    return "uneven" if (-steps > np.maximum(noise, FLAT_SHARE)).any() else "smooth"
