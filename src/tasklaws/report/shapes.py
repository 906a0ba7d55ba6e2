"""How a score rises along a ladder, in numbers: where, how wide, how suddenly, with what plateaus."""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, stdev
from typing import Literal

import numpy as np
import pandas as pd

from tasklaws.forecast.verdict import seen_curve, step
from tasklaws.stats.proportions import items_worth
from tasklaws.tables import is_loss

Shape = Literal["no rise", "step", "pieces", "smooth", "uneven", "too few rungs"]
# What each word is taken to mean. They are conventions, printed in the report beside the numbers they rest on.
LEAST_RISE = 0.1  # a smaller gain over the ladder is no rise
PIECE_SHARE = 0.2  # a piece: a run of rising rungs that makes up this share of the rise
FLAT_SHARE = 0.05  # a plateau: neighbours within the rise that differ by less than this share of it
MIN_RUNGS = 4


@dataclass(frozen=True)
class Level:
    """The mean over seeds of one rung and its standard error (items, and seeds where there are two or more); `n_items`
    is how many items the mean is worth, as a verdict counts them, `fit` whether a verdict saw the rung."""

    rung: str
    n_params: float
    train_flops: float
    value: float
    stderr: float
    n_items: float
    fit: bool = True


@dataclass(frozen=True)
class Rise:
    """`gain` is the best level less the floor: chance, or for a metric without chance level what the smallest rung had.

    `width` is the decades of n_params from 10% to 90% of the gain, None where nothing rises; `width_is_bound` says
    that the smallest rung is past the 10% already, so it is at least that. `jump` is the largest gain between
    neighbours, as a share of the whole, from rung `before` to rung `after`; `drop` the largest fall, likewise.
    `plateaus` counts flat pairs of neighbours with a piece of the rise on either side. What a verdict calls
    discontinuous is a step: the rule is the verdict's (`forecast.verdict.step`), among all rungs or among the fit rungs
    alone. `unseen` says that a step came with the held-out rungs, which no verdict could know.
    """

    levels: tuple[Level, ...]
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


def levels(observations: pd.DataFrame, metric: str) -> list[Level]:
    """The rungs of a curve's final observations, from the smallest up."""
    found = []
    for rung, rows in observations.groupby("rung", sort=False):
        values, stderr = rows["value"].tolist(), rows["stderr"]
        within = fmean(stderr.fillna(0.0) ** 2)
        between = stdev(values) ** 2 if len(values) > 1 else 0.0
        value, error, n_items = (np.array(rows[column].mean()) for column in ("value", "stderr", "n_items"))
        found.append(
            Level(
                rung=str(rung),
                n_params=float(rows["n_params"].iloc[0]),
                train_flops=float(rows["train_flops"].iloc[0]),
                value=fmean(values),
                stderr=math.sqrt(max(within, between) / len(values)),
                n_items=float(items_worth(value, error, n_items, is_loss(metric))),
                fit=bool(rows["role"].iloc[0] == "fit"),
            )
        )
    return found


def rise_of(observations: pd.DataFrame, metric: str) -> Rise | None:
    """How a curve rises by its final observations; None of none."""
    found, chances = levels(observations, metric), observations["chance"].dropna()
    return measure_rise(found, metric, chances.iloc[0] if len(chances) else 0.0) if found else None


def _makes_step(found: list[Level], metric: str, chance: float) -> bool:
    """Whether these levels make a step: the verdict's rule."""
    value, n_items, flops = (
        np.array([getattr(level, name) for level in found]) for name in ("value", "n_items", "train_flops")
    )
    return step(seen_curve(np.log(np.maximum(flops, 1.0)), value, n_items, chance, is_loss(metric))) is not None


def measure_rise(found: list[Level], metric: str, chance: float = 0.0) -> Rise:
    """Describe the rise of levels that are in order of size; losses are turned over first."""
    sign = -1.0 if is_loss(metric) else 1.0
    values = [sign * level.value for level in found]
    floor = chance if metric == "exact_match" else values[0]
    gain = max(values) - floor
    scale = gain if gain > 0 else 1.0
    steps = [(after - before) / scale for before, after in pairwise(values)] or [0.0]
    noise = [2 * math.hypot(before.stderr, after.stderr) / scale for before, after in pairwise(found)] or [0.0]
    climbed = max(values) - values[0]
    relative = climbed / abs(values[0]) if is_loss(metric) and values[0] else climbed
    best = found[values.index(max(values))]
    rises = relative >= LEAST_RISE and climbed > 2 * math.hypot(found[0].stderr, best.stderr)
    start, end = (_crossing(found, values, floor + share * gain) for share in (0.1, 0.9))
    largest = steps.index(max(steps))
    plateaus = _count_plateaus(steps, noise)
    known = _makes_step([level for level in found if level.fit], metric, chance)
    any_step = known or _makes_step(found, metric, chance)
    return Rise(
        levels=tuple(found),
        gain=gain,
        width=end - start if rises else None,
        width_is_bound=values[0] > floor + 0.1 * gain,
        jump=steps[largest],
        before=found[largest].rung,
        after=found[min(largest + 1, len(found) - 1)].rung,
        drop=max(0.0, -min(steps)),
        plateaus=plateaus,
        shape="step" if any_step else _shape(len(found), rises, steps, noise, plateaus),
        unseen=any_step and not known,
    )


def _crossing(found: list[Level], values: list[float], wanted: float) -> float:
    """log10 n_params at which the values first reach `wanted`, linear between rungs."""
    logs = [math.log10(level.n_params) for level in found]
    for index, value in enumerate(values):
        if value >= wanted:
            if index == 0:
                return logs[0]
            share = (wanted - values[index - 1]) / (value - values[index - 1])
            return logs[index - 1] + share * (logs[index] - logs[index - 1])
    return logs[-1]


def _count_plateaus(steps: list[float], noise: list[float]) -> int:
    """Flat pairs of neighbours that have a piece of the rise before and another after them.

    Flat means also: below the mean step of the rungs that rise by more than the doubt (two standard errors) about it.
    """
    rising = [change for change in steps if change > FLAT_SHARE]
    usual = fmean(rising) if rising else 0.0
    return sum(
        abs(change) <= FLAT_SHARE
        and usual - change > doubt
        and sum(steps[:index]) >= PIECE_SHARE
        and sum(steps[index + 1 :]) >= PIECE_SHARE
        for index, (change, doubt) in enumerate(zip(steps, noise, strict=True))
    )


def _shape(n_rungs: int, rises: bool, steps: list[float], noise: list[float], plateaus: int) -> Shape:
    """The one word for a rise that is no step, by the conventions above."""
    if n_rungs < MIN_RUNGS:
        return "too few rungs"
    if not rises:
        return "no rise"
    if plateaus:
        return "pieces"
    falls = any(-change > max(doubt, FLAT_SHARE) for change, doubt in zip(steps, noise, strict=True))
    return "uneven" if falls else "smooth"
