"""May this curve be extrapolated at all? Judged from the known rungs alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit
from scipy.stats import chi2, kendalltau, norm

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel

Verdict = Literal["lawful", "no signal", "discontinuous", "non-monotone", "not enough rungs"]
LEAST_RUNGS = 4
SIGNIFICANCE = 0.05
SPLIT = 0.9  # share of the variance between rungs that two levels explain: more than of any straight rise (3/4)
SIGMA = 3.0  # a difference counts when it exceeds its noise this many times
ORDER = 0.6  # Kendall's tau between a curve and size from which on the relationship counts as consistent
_RISE = 3.0  # the rise over the known rungs, in half-widths of the forecast's interval
PRECISE = 0.05  # the widest half-width of a forecast that is of use: 5 points of score, or 5% of a loss
AGREED = 0.7  # the same between size and what all tasks of the ladder share
DEEP = 0.25  # a turn this deep, as a share of a curve's range, counts however consistent the rest is
STEEPEST = np.array([0.5, 1.0])  # slopes for a step between rungs up to which a logistic counts as smooth
BETTER = 2.0  # by how much chi-squared of a step must be lower than that of a smooth rise


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
    value = panel.value[row]
    there = np.isfinite(value)
    items = panel.n_items[row][there]
    z = panel.link.of(value[there], items)
    size = panel.size[there]
    return Seen(
        size=size,
        value=value[there],
        z=z,
        noise=np.sqrt(panel.link.variance(value[there], items)),
        items=float(np.median(items)) if there.any() else 0.0,
        chance=float(panel.guess[row]),
        loss=panel.loss,
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
    if len(np.unique(seen.size)) < LEAST_RUNGS:
        return Judgement(
            "not enough rungs", f"{len(np.unique(seen.size))} rungs of different size, {LEAST_RUNGS} are needed"
        )
    for verdict, test in (("no signal", flat), ("no signal", at_chance), ("discontinuous", step)):
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
    weight = 1 / np.maximum(seen.noise, 1e-9) ** 2
    statistic = float((weight * (seen.z - np.average(seen.z, weights=weight)) ** 2).sum())
    p_value = float(chi2.sf(statistic, len(seen.z) - 1))
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


def rungs(size: Array, z: Array) -> tuple[Array, Array]:
    """The different sizes, small to large, and the mean of z at each."""
    sizes, inverse = np.unique(size, return_inverse=True)
    return sizes, np.bincount(inverse, z) / np.bincount(inverse)


def step(seen: Seen) -> str | None:
    """Evidence that two levels with one jump between them tell all that the rungs show, if they do, and do it better
    than a smooth rise."""
    sizes, means = rungs(seen.size, seen.z)
    count = len(means)
    noise = float((seen.noise**2).mean())
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
    if total <= 0 or between < SPLIT * total or abs(jump) < SIGMA * spread or nearest < abs(jump) / 2:
        return None
    if smooth_misfit(sizes, means) - within < BETTER * spread**2:
        return None
    share = min(between / total, 1.0)
    return f"one step between sizes {np.exp(sizes[place - 1]):.3g} and {np.exp(sizes[place]):.3g} explains {share:.0%}"


def smooth_misfit(sizes: Array, means: Array) -> float:
    """Least sum of squares that a logistic between any two levels leaves which rises over several rungs."""
    place = (sizes - sizes[0]) / np.median(np.diff(sizes))
    middles = np.linspace(place[0] - 2, place[-1] + 2, 4 * len(place))
    curves = expit(STEEPEST[:, None, None] * (place - middles[:, None])).reshape(-1, len(place))
    curves = curves - curves.mean(axis=1, keepdims=True)
    rest = means - means.mean()
    return float((rest**2).sum() - ((curves @ rest) ** 2 / (curves**2).sum(axis=1)).max())


def turning(seen: Seen) -> tuple[str | None, float]:
    """Evidence that a curve rises and falls, each by more than noise, if it does (best three-point contrast), and how
    deep the turn is as a share of the curve's range."""
    sizes, means = rungs(seen.size, seen.z)
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
    sizes, means = rungs(size, z)
    if len(means) < 2 or np.ptp(means) == 0:
        return 0.0, 1.0
    found = kendalltau(sizes, means)
    return float(found.statistic), float(found.pvalue)


def trend(seen: Seen) -> float:
    """How far a straight line in ln size moves over the known rungs: in score, or as a share of the loss."""
    slope = np.polyfit(seen.size, np.log(np.maximum(seen.value, 1e-9)) if seen.loss else seen.value, 1)[0]
    return float(abs(slope) * np.ptp(seen.size))
