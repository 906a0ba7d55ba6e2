"""May this curve be extrapolated at all? Judged from the known rungs alone."""

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from scipy.stats import chi2, norm

from tasklaws.forecast.links import Array
from tasklaws.forecast.panel import Panel

Verdict = Literal["lawful", "no signal", "discontinuous", "non-monotone", "not enough rungs"]
LEAST_RUNGS = 4
SIGNIFICANCE = 0.05
SPLIT = 0.9  # share of the variance between rungs that two levels explain: more than of any straight rise (3/4)
SIGMA = 3.0  # a difference counts when it exceeds its noise this many times
ORDER = 0.6  # Kendall's tau between a curve and size from which on the relationship counts as consistent
RISE = 3.0  # the rise over the known rungs, in half-widths of the forecast's interval
PRECISE = 0.05  # the widest half-width of a forecast that is of use: 5 points of score, or 5% of a loss
EXACT_RUNGS = 7  # up to this many rungs every order is tried; beyond, random ones
RANDOM_ORDERS = 5_000


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
    """The verdict on every task of the known models; `half_width` is that of each forecast's 90% interval (of a loss as a
    share of it)."""
    return [judge_task(task_seen(known, row), float(half_width[row])) for row in range(len(known.tasks))]


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


def judge_task(seen: Seen, half_width: float) -> Judgement:
    if len(np.unique(seen.size)) < LEAST_RUNGS:
        return Judgement(
            "not enough rungs", f"{len(np.unique(seen.size))} rungs of different size, {LEAST_RUNGS} are needed"
        )
    for verdict, test in (("no signal", flat), ("no signal", at_chance), ("discontinuous", step)):
        evidence = test(seen)
        if evidence is not None:
            return Judgement(verdict, evidence)  # type: ignore[arg-type]
    tau, p_value = order(seen)
    told = f"Kendall's tau with size {tau:+.2f}, p = {p_value:.2g}"
    turn = turning(seen)
    if turn is not None and abs(tau) < ORDER:
        return Judgement("non-monotone", f"{turn}; {told}")
    if p_value > SIGNIFICANCE or abs(tau) < ORDER:
        return Judgement("no signal", f"no consistent relationship with size: {told}")
    rise = trend(seen)
    precision = f"forecast +-{half_width:.3g}, the known rungs differ by {rise:.3g}; {told}"
    if half_width > PRECISE or rise < RISE * half_width:
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


def step(seen: Seen) -> str | None:
    """Evidence that two levels with one jump between them tell all that the rungs show, if they do."""
    sizes, inverse = np.unique(seen.size, return_inverse=True)
    means = np.bincount(inverse, seen.z) / np.bincount(inverse)
    total = float(((means - means.mean()) ** 2).sum() - (seen.noise**2).mean() * (len(means) - 1))
    best: tuple[float, int, float] = (0.0, 0, 0.0)
    for place in range(1, len(means)):
        below, above = means[:place].mean(), means[place:].mean()
        between = place * (len(means) - place) / len(means) * (above - below) ** 2
        best = max(best, (float(between), place, float(above - below)))
    between, place, jump = best
    within = np.concatenate([means[:place] - means[:place].mean(), means[place:] - means[place:].mean()])
    spread = np.sqrt(max(float((within**2).sum()) / max(len(means) - 2, 1), float((seen.noise**2).mean())))
    nearest = abs(means[place] - means[place - 1])
    if total <= 0 or between < SPLIT * total or abs(jump) < SIGMA * spread or nearest < abs(jump) / 2:
        return None
    share = min(between / total, 1.0)
    return f"one step between sizes {np.exp(sizes[place - 1]):.3g} and {np.exp(sizes[place]):.3g} explains {share:.0%}"


def turning(seen: Seen) -> str | None:
    """Evidence that a curve rises and falls, each by more than noise, if it does (best three-point contrast)."""
    sizes, inverse = np.unique(seen.size, return_inverse=True)
    means = np.bincount(inverse, seen.z) / np.bincount(inverse)
    limit = SIGMA * np.sqrt(2) * float(np.sqrt((seen.noise**2).mean()))
    for name, sign in (("falls, then rises", -1.0), ("rises, then falls", 1.0)):
        curve = sign * means
        for middle in range(1, len(means) - 1):
            if min(curve[middle] - curve[:middle].min(), curve[middle] - curve[middle + 1 :].min()) > limit:
                return f"{name} around size {np.exp(sizes[middle]):.3g}"
    return None


def order(seen: Seen) -> tuple[float, float]:
    """Kendall's tau between value and size (better is up, for a loss down), and how likely a random order of the rungs
    has one as far from 0."""
    better = -seen.z if seen.loss else seen.z
    sizes, inverse = np.unique(seen.size, return_inverse=True)
    means = np.bincount(inverse, better) / np.bincount(inverse)
    count = len(means)
    if count <= EXACT_RUNGS:
        orders = np.array(list(permutations(range(count))))
    else:
        orders = np.argsort(np.random.default_rng(count).random((RANDOM_ORDERS, count)), axis=1)
    signs = np.sign(means[:, None] - means[None, :])
    later = np.tril(np.ones((count, count)), -1).astype(bool)
    rows, columns = np.nonzero(later)
    found = signs[orders[:, rows], orders[:, columns]].sum(axis=1)
    real = float(signs[rows, columns].sum())
    p_value = float((np.abs(found) >= abs(real) - 1e-9).mean())
    return real / len(rows), max(p_value, 1 / len(orders))


def trend(seen: Seen) -> float:
    """How far a straight line in ln size moves over the known rungs: in score, or as a share of the loss."""
    slope = np.polyfit(seen.size, np.log(np.maximum(seen.value, 1e-9)) if seen.loss else seen.value, 1)[0]
    return float(abs(slope) * np.ptp(seen.size))
