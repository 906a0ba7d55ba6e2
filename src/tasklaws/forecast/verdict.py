"""May this curve be extrapolated at all? Judged from the fit rungs alone."""

from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from scipy.stats import chi2, norm

from tasklaws.forecast.backtest import Backtest, resolution
from tasklaws.laws.bootstrap import redraw_values
from tasklaws.laws.curve import Array, Curve, smooth
from tasklaws.laws.settings import LawSettings

Verdict = Literal["lawful", "no signal", "discontinuous", "not enough rungs"]
JUMP_SIGMA = 3.0  # a jump counts when it exceeds the noise of a difference this many times
WORSE = 1.1  # a law may do this much worse than repeating the last rung, as on a curve that has saturated
LOSS_DRAWS = 400  # bootstrap samples behind the noise of a loss
EXACT_RUNGS = 8  # up to this many rungs every order is tried; beyond, 20,000 random ones


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    evidence: str
    forecast_by: Literal["law", "constant", "repeat_last"]
    step_at: int | None = None


def too_few(curve: Curve, settings: LawSettings) -> Judgement:
    evidence = f"{curve.n_rungs} fit rungs, laws.min_rungs is {settings.min_rungs}: the last rung is repeated"
    return Judgement("not enough rungs", evidence, "repeat_last")


def judge(curve: Curve, tested: Backtest, seed_sd: float, settings: LawSettings, rng: np.random.Generator) -> Judgement:
    """The verdict on a curve of at least `min_rungs` rungs; `seed_sd` is the seeds' noise on the link
    scale."""
    flat = flatness(curve, seed_sd, settings.significance, rng)
    if flat is not None:
        return Judgement("no signal", flat, "constant")
    at_chance = chance_level(curve, seed_sd, settings.significance)
    if at_chance is not None:
        return Judgement("no signal", at_chance, "constant")
    noise = rung_noise(curve, curve.rung_means()[1], seed_sd, rng)
    step = find_step(curve, noise, settings.step_share)
    if step is not None:
        return Judgement("discontinuous", step[1], "law" if tested.chosen else "repeat_last", step_at=step[0])
    chance_of_order = order_test(curve)
    if chance_of_order > settings.significance:
        evidence = f"no consistent gain with {settings.x}: a random order does as well, p = {chance_of_order:.3g}"
        return Judgement("no signal", evidence, "repeat_last")
    if tested.chosen is None:
        return Judgement("no signal", "no law could be fitted", "repeat_last")
    error = tested.errors[tested.chosen]
    compared = f"backtest error {error:.3g} against {tested.repeat_last:.3g} of repeating the last rung"
    if error > WORSE * tested.repeat_last + 2 * resolution(curve):
        return Judgement("no signal", f"no law predicts the next rung: {compared}", "repeat_last")
    evidence = f"{compared}, over {tested.n_origins} origins; order p = {chance_of_order:.3g}"
    return Judgement("lawful", evidence, "law")


def rung_noise(curve: Curve, means: Array, seed_sd: float, rng: np.random.Generator) -> Array:
    """Standard deviation of each rung's mean on the link scale, were the truth `means`: by its seeds, and by its items
    (as far as rungs do not share them: the difficulty of an item is the same on all)."""
    seeds = np.bincount(curve.levels)
    if curve.kind == "accuracy":
        items = float(curve.n_items[-1])
        inside = smooth(means, items)
        return np.asarray(np.sqrt((1 / (items * inside * (1 - inside)) + seed_sd**2) / seeds))
    linked = curve.link(redraw_values(curve, LOSS_DRAWS, rng), 1.0)
    of_rung = np.stack([linked[:, curve.levels == level].mean(axis=1) for level in range(curve.n_rungs)], axis=1)
    apart = of_rung - of_rung.mean(axis=1, keepdims=True)
    return np.asarray(np.sqrt(apart.var(axis=0) + seed_sd**2 / seeds))


def flatness(curve: Curve, seed_sd: float, significance: float, rng: np.random.Generator) -> str | None:
    """Evidence that the rungs do not differ, if they do not (chi-squared test of equal means)."""
    _, means = curve.rung_means()
    if np.ptp(means) < 1e-12:
        return f"every rung has {means[0]:.4g}"
    noise = rung_noise(curve, np.full_like(means, means.mean()), seed_sd, rng)
    if not noise.any():
        return None
    linked = curve.link(means, float(curve.n_items[-1]))
    weight = 1 / np.maximum(noise, 1e-12) ** 2
    statistic = float((weight * (linked - np.average(linked, weights=weight)) ** 2).sum())
    p_value = float(chi2.sf(statistic, curve.n_rungs - 1))
    return f"rungs differ no more than noise would make them (p = {p_value:.3g})" if p_value > significance else None


def chance_level(curve: Curve, seed_sd: float, significance: float) -> str | None:
    """Evidence that no rung is above chance, if none is (one-sided, Bonferroni over rungs)."""
    if not curve.chance:
        return None
    _, means = curve.rung_means()
    variance = curve.chance * (1 - curve.chance)
    one = variance / float(curve.n_items[-1]) + (variance * seed_sd) ** 2
    above = (means - curve.chance) / np.sqrt(one / np.bincount(curve.levels))
    if above.max() > norm.isf(significance / curve.n_rungs):
        return None
    return f"at chance {curve.chance:.3g}: the best rung has {means.max():.3g}, {above.max():.1f} sigma above"


def find_step(curve: Curve, noise: Array, share: float) -> tuple[int, str] | None:
    """The rung before a step, and the evidence, if one rise between neighbours is `share` of the whole range and is
    not undone."""
    x, means = curve.rung_means()
    better = means if curve.kind == "accuracy" else -curve.link(means, 1.0)
    rises = np.diff(better)
    place = int(np.argmax(rises))
    linked = curve.link(means, float(curve.n_items[-1]))
    sigma = abs(linked[place + 1] - linked[place]) / max(float(np.hypot(noise[place], noise[place + 1])), 1e-12)
    part = rises[place] / np.ptp(better)
    undone = better[place + 1 :].min() <= better[: place + 1].max()
    if part < share or sigma < JUMP_SIGMA or undone:
        return None
    return place, f"{part:.0%} of the range between {x[place]:.3g} and {x[place + 1]:.3g}"


def order_test(curve: Curve) -> float:
    """How likely a random order of the rungs correlates with ln x as well as the real one does (mid-p)."""
    x, means = curve.rung_means()
    better = means if curve.kind == "accuracy" else -curve.link(means, 1.0)
    log_x = np.log(x) - np.log(x).mean()
    if len(x) <= EXACT_RUNGS:
        orders = np.array(list(permutations(range(len(x)))))
    else:
        orders = np.argsort(np.random.default_rng(len(x)).random((20_000, len(x))), axis=1)
    found = better[orders] @ log_x
    real = float(better @ log_x)
    tolerance = 1e-9 * float(np.abs(better) @ np.abs(log_x))
    return float(((found > real + tolerance) + 0.5 * (np.abs(found - real) <= tolerance)).mean())
