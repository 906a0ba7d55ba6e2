"""May this curve be extrapolated at all? Judged from the known rungs alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import kendalltau, norm

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel
from tasklaws.stats.jumps import LEAST_SIZES, SIGMA, SIGNIFICANCE, FoundStep, find_step, mean_by_size, sampling_p_value
from tasklaws.stats.links import ARCSINE, LOG

Verdict = Literal["lawful", "no signal", "discontinuous", "non-monotone", "not enough rungs"]
ORDER = 0.6  # Kendall's tau between a curve and size from which on the relationship counts as consistent
_RISE = 3.0  # the rise over the known rungs, in half-widths of the forecast's interval
PRECISE = 0.05  # the widest half-width of a forecast that is of use: 5 points of score, or 5% of a loss
AGREED = 0.7  # the same between size and what all tasks of the ladder share
DEEP = 0.25  # a turn this deep, as a share of a curve's range, counts however consistent the rest is


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    evidence: str


@dataclass(frozen=True, eq=False)
class Seen:
    """One task's known values, sorted by size: `z` on the link scale, `noise` its sampling sd."""

    size: Array
    value: Array
    z: Array
    noise: Array
    items: float
    chance: float
    loss: bool


def judge(known: Panel, half_width: Array) -> list[Judgement]:
    """The verdict on every task of the known models; `half_width` is that of each forecast's 90% interval (of a loss
    as a share of it)."""
    agreed = agreement(known)
    return [judge_task(task_seen(known, row), float(half_width[row]), agreed) for row in range(len(known.tasks))]


def task_seen(panel: Panel, row: int) -> Seen:
    return seen_curve(panel.size, panel.value[row], panel.n_items[row], float(panel.guess[row]), panel.loss)


def seen_curve(size: Array, value: Array, n_items: Array, chance: float, loss: bool) -> Seen:
    """What is known of one curve, from all of its points (ln size); those of unknown value do not count."""
    link = LOG if loss else ARCSINE
    there = np.isfinite(value)
    size, value, n_items = size[there], value[there], n_items[there]
    return Seen(
        size=size,
        value=value,
        z=link.of(value, n_items),
        noise=np.sqrt(link.variance(value, n_items)),
        items=float(np.median(n_items)) if len(value) else 0.0,
        chance=chance,
        loss=loss,
    )


def agreement(known: Panel) -> float:
    """Kendall's tau between size and what the tasks share (the first principal component of their curves on the link
    scale; its sign means nothing): an axis that orders nothing but a task or two does so by luck."""
    z = known.link.of(known.value, known.n_items)[known.asked]
    if not len(z):
        return 0.0
    centre = np.nanmean(z, axis=1, keepdims=True)
    shared = np.linalg.svd(np.where(np.isfinite(z), z - centre, 0.0), full_matrices=False)[2][0]
    return order(known.size, shared)[0]


def judge_task(seen: Seen, half_width: float, agreed: float) -> Judgement:
    """The verdict on one task; `agreed` is how well size orders what all tasks share (`agreement`)."""
    if len(np.unique(seen.size)) < LEAST_SIZES:
        return Judgement(
            "not enough rungs", f"{len(np.unique(seen.size))} rungs of different size, {LEAST_SIZES} are needed"
        )
    for verdict, test in (("no signal", flat), ("no signal", at_chance), ("discontinuous", stepped)):
        evidence = test(seen)
        if evidence is not None:
            return Judgement(verdict, evidence)  # type: ignore[arg-type]
    tau, p_value = order(seen.size, -seen.z if seen.loss else seen.z)
    told = f"Kendall's tau with size {tau:+.2f}, p = {p_value:.2g}"
    turn, depth = turning(seen)
    if turn is not None and (abs(tau) < ORDER or depth > DEEP):
        return Judgement("non-monotone", f"{turn}; {told}")
    if abs(tau) < ORDER:
        return Judgement("no signal", f"no consistent relationship with size: {told}")
    if p_value > SIGNIFICANCE:
        return Judgement("not enough rungs", f"so few rungs may be in order by luck: {told}")
    if abs(agreed) < AGREED:
        whole = f"size does not order what the tasks of this ladder share: Kendall's tau {agreed:+.2f}"
        return Judgement("no signal", f"{whole}; of this task {tau:+.2f}")
    rise = trend(seen)
    precision = f"forecast +-{half_width:.3g}, the known rungs differ by {rise:.3g}; {told}"
    if half_width > PRECISE or rise < _RISE * half_width:
        return Judgement("not enough rungs", f"a trend, but too few rungs or items to place the next one: {precision}")
    return Judgement("lawful", precision)


def flat(seen: Seen) -> str | None:
    """Evidence that the rungs do not differ more than the sampling of items makes them, if they do not."""
    if np.ptp(seen.value) < 1e-12:
        return f"every rung has {seen.value[0]:.4g}"
    p_value = sampling_p_value(seen.z, seen.noise**2)
    return f"rungs differ no more than sampling makes them (p = {p_value:.2g})" if p_value > SIGNIFICANCE else None


def at_chance(seen: Seen) -> str | None:
    """Evidence that no rung is above chance, if none is (one-sided, Bonferroni over rungs)."""
    if not np.isfinite(seen.chance) or seen.chance <= 0 or seen.loss:
        return None
    sd = np.sqrt(seen.chance * (1 - seen.chance) / seen.items)
    above = float((seen.value.max() - seen.chance) / sd)
    if above > norm.isf(SIGNIFICANCE / len(seen.value)):
        return None
    return f"at chance {seen.chance:.3g}: the best rung has {seen.value.max():.3g}, {above:.1f} sigma above"


def step(seen: Seen) -> FoundStep | None:
    """The step that a curve makes (`stats.jumps.find_step`), if it makes one and any rung is above chance."""
    return None if at_chance(seen) else find_step(seen.size, seen.z, seen.noise**2)


def stepped(seen: Seen) -> str | None:
    """Evidence of a step, if there is one."""
    found = step(seen)
    if found is None:
        return None
    return f"one step between sizes {np.exp(found.before):.3g} and {np.exp(found.after):.3g} explains {found.share:.0%}"


def turning(seen: Seen) -> tuple[str | None, float]:
    """Evidence that a curve rises and falls, each by more than noise, if it does (best three-point contrast), and how
    deep the turn is as a share of the curve's range."""
    sizes, means = mean_by_size(seen.size, seen.z)
    limit = SIGMA * np.sqrt(2 * float((seen.noise**2).mean()))
    found: tuple[float, str | None] = (limit, None)
    for name, sign in (("falls, then rises", -1.0), ("rises, then falls", 1.0)):
        curve = sign * means
        for middle in range(1, len(means) - 1):
            depth = float(min(curve[middle] - curve[:middle].min(), curve[middle] - curve[middle + 1 :].min()))
            if depth > found[0]:
                found = depth, f"{name} around size {np.exp(sizes[middle]):.3g}"
    return found[1], found[0] / float(np.ptp(means))


def order(size: Array, z: Array) -> tuple[float, float]:
    """Kendall's tau between size and z, averaged where sizes are equal, and how likely a random order of the rungs has
    one as far from 0."""
    sizes, means = mean_by_size(size, z)
    if len(means) < 2 or np.ptp(means) == 0:
        return 0.0, 1.0
    found = kendalltau(sizes, means)
    return float(found.statistic), float(found.pvalue)


def trend(seen: Seen) -> float:
    """How far a straight line in ln size moves over the known rungs: in score, or as a share of the loss."""
    slope = np.polyfit(seen.size, np.log(np.maximum(seen.value, 1e-9)) if seen.loss else seen.value, 1)[0]
    return float(abs(slope) * np.ptp(seen.size))
