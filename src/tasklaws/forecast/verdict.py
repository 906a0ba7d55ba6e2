"""Verdicts: may this curve be extrapolated, and if not, why? From the known rungs and the forecast's width alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.floor import standing
from tasklaws.forecast.panel import AxisName, Panel, axis_of, place_in_words
from tasklaws.stats.jumps import LEAST_SIZES, SIGMA, SIGNIFICANCE, FoundStep, find_step, mean_by_size, sampling_p_value
from tasklaws.stats.links import ARCSINE, LOG
from tasklaws.stats.proportions import fill_items, neighbour_distances, neighbour_scatter
from tasklaws.tables import Verdict

_ORDER = 0.6  # Kendall's tau between a curve and size from which on the relationship counts as consistent
_RISE = 3.0  # the rise over the known rungs, in half-widths of the forecast's interval
_PRECISE = 0.05  # the widest half-width of a forecast that is of use: 5 points of score, or 5% of a loss
_AGREED = 0.7  # the same between size and what all tasks of the ladder share
_DEEP = 0.25  # a turn this deep, as a share of a curve's range, counts however consistent the rest is
_MEDIAN_DISTANCE = 0.6745  # the median of a normal's distance from its middle, by its standard deviation
_STRIDE = 1.5  # a target so many of the ladder's usual gaps ahead is no longer its next rung
UNKNOWN_ITEMS = "n_items is unknown"
UNKNOWN_STDERR = "its stderr is unknown"
BELOW_CHANCE = "far below its stated chance"
BACKWARD = "weights and interval rest on tests that look ahead"
BEHIND: dict[AxisName, str] = {  # where a wanted model lies that is no later than the known ones
    "size": "smaller than the largest known model",
    "date": "no later than the latest known model",
    "n_tokens": "no later than the latest known checkpoint",
    "step": "no later than the latest known checkpoint",
    "loss": "of a loss above the lowest known one",
}
_MANY_ITEMS = 10_000  # behind a curve of unknown items, to see what it might be called


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    evidence: str


@dataclass(frozen=True)
class Width:
    """How wide a forecast is, and of what: `half`, the half-width of its 90% interval (of a loss as a share of it);
    on the link scale `sd`, its standard deviation, and `sampling`, that of the wanted model's own items; `gap`, how far
    the wanted model lies beyond the largest known one in ln size."""

    half: float
    sd: float
    sampling: float
    gap: float


@dataclass(frozen=True, eq=False)
class KnownCurve:
    """One task's known values, sorted by size (`axis` says of which kind): `z` on the link scale, `noise` its sampling
    sd, bounded by the values themselves where the number of items is unknown (`fill_items`)."""

    size: Array
    value: Array
    z: Array
    noise: Array
    items: float
    items_known: bool
    chance: float
    loss: bool
    axis: AxisName = "size"

    def place(self, size: float) -> str:
        """A point of the axis in words."""
        return place_in_words(self.axis, size)


def panel_verdicts(known: Panel, widths: Sequence[Width], crowd: bool = False) -> list[Judgement]:
    """The verdict on every task of the known models, each with the width of its forecast; in a `crowd`, models of many
    families, a turn is but their spread."""
    agreed = _size_agreement(known)
    axis = axis_of(known)
    rows = zip(known.value, known.n_items, known.guess, widths, strict=True)
    found = []
    for value, n_items, chance, width in rows:
        curve = replace(seen_curve(known.size, value, n_items, float(chance), known.loss), axis=axis)
        judged = _curve_verdict(curve, width, agreed, crowd)
        found.append(judged if curve.items_known else replace(judged, evidence=f"{judged.evidence}; {_unknown(curve)}"))
    return found


def _unknown(curve: KnownCurve) -> str:
    """That the number of items is unknown, and what it was taken as."""
    if curve.loss:
        return f"{UNKNOWN_STDERR}: taken as {1 / np.sqrt(curve.items):.1%} of the loss"
    return f"{UNKNOWN_ITEMS}: taken as {curve.items:.0f}"


def seen_curve(size: Array, value: Array, n_items: Array, chance: float, loss: bool) -> KnownCurve:
    """What is known of one curve, from all of its points (ln size); those of unknown value do not count."""
    link = LOG if loss else ARCSINE
    there = np.isfinite(value)
    size, value, n_items = size[there], value[there], n_items[there]
    known = bool(np.isfinite(n_items).any())
    n_items = fill_items(value, n_items, size, loss=loss)
    return KnownCurve(
        size=size,
        value=value,
        z=link.of(value, n_items),
        noise=np.sqrt(link.variance(value, n_items)),
        items=float(np.median(n_items)) if len(value) else 0.0,
        items_known=known,
        chance=chance,
        loss=loss,
    )


def _size_agreement(known: Panel) -> float:
    """Kendall's tau between size and what the tasks share (the first principal component of their curves on the link
    scale; its sign means nothing): an axis that orders nothing but a task or two does so by luck."""
    z = known.link.of(known.value, np.inf)[known.asked]
    if not len(z):
        return 0.0
    centre = np.nanmean(z, axis=1, keepdims=True)
    shared = np.linalg.svd(np.where(np.isfinite(z), z - centre, 0.0), full_matrices=False)[2][0]
    return _order(known.size, shared)[0]


def _curve_verdict(curve: KnownCurve, width: Width, agreed: float, crowd: bool) -> Judgement:
    """The verdict on one task; `agreed` is how well size orders what all tasks share."""
    if len(np.unique(curve.size)) < LEAST_SIZES:
        few = f"{len(np.unique(curve.size))} rungs of different {curve.axis}, {LEAST_SIZES} are needed"
        return Judgement("not enough rungs", few)
    at_chance = _at_chance(curve)
    if at_chance is not None:
        return Judgement("no signal" if BELOW_CHANCE in at_chance else "at the floor", at_chance)
    flat = _flat(curve)
    if flat is not None:
        return Judgement("no signal", flat)
    tau, p_value = _order(curve.size, -curve.z if curve.loss else curve.z)
    order = f"Kendall's tau with {curve.axis} {tau:+.2f}, p = {p_value:.2g}"
    broken = _broken(curve, tau, order)
    if broken is not None and not (crowd and broken.verdict == "non-monotone"):
        return broken
    if abs(tau) < _ORDER:
        return Judgement("no signal", f"no consistent relationship with {curve.axis}: {order}")
    if p_value > SIGNIFICANCE:
        return Judgement("not enough rungs", f"so few rungs may be in order by luck: {order}")
    if abs(agreed) < _AGREED:
        whole = f"{curve.axis} does not order what the tasks of this ladder share: Kendall's tau {agreed:+.2f}"
        return Judgement("no signal", f"{whole}; of this task {tau:+.2f}")
    rise = _trend(curve)
    precision = f"forecast +-{width.half:.3g}, the known rungs differ by {rise:.3g}; {order}"
    if width.half <= _PRECISE and rise >= _RISE * width.half:
        return Judgement("lawful", precision)
    cause, shares = _widest_part(curve, width)
    return Judgement(cause, f"a trend, but too wide a forecast: {precision}; {shares}")


def _widest_part(curve: KnownCurve, width: Width) -> tuple[Verdict, str]:
    """What makes a forecast wide, and the shares of its variance in words.

    With v the sampling variance of the wanted model's items, s that of models about the curve (`neighbour_scatter`,
    less what sampling makes of it) and h the leverage of the ladder's next rung in a straight line, sampling's part is
    v (1 + h), scatter's s (1 + h), and the rest is for how the curve goes on. Up to the next rung that is scatter too:
    models that do not go on as those before them did."""
    sizes = np.unique(curve.size)
    stride = float(np.median(np.diff(sizes)))
    ahead = curve.size.max() + stride - curve.size.mean()
    passed_on = 1 + 1 / len(curve.size) + ahead**2 / max(float(((curve.size - curve.size.mean()) ** 2).sum()), 1e-12)
    total = width.sd**2
    sampling = min(width.sampling**2 * passed_on / total, 1.0)
    wobble = neighbour_scatter(curve.size, curve.z)
    models = max(float(wobble.mean()) - width.sampling**2, 0.0) if len(wobble) else 0.0
    models = min(models * passed_on / total, 1 - sampling)
    rest = 1 - sampling - models
    shares = f"of its variance {sampling:.0%} is sampling of items, {models:.0%} scatter of models, {rest:.0%} how the "
    shares += f"curve goes on over {width.gap:.2g} e-folds"
    if sampling >= max(models, rest):
        return "too few items", shares
    return ("too far" if rest > models and width.gap > _STRIDE * stride else "noisy"), shares


def _broken(curve: KnownCurve, tau: float, order: str) -> Judgement | None:
    """The judgement on a curve that makes a step or turns; what may be noise of unknown items is called neither."""
    if not curve.items_known:
        sure = replace(curve, noise=np.full_like(curve.noise, _MANY_ITEMS**-0.5), items_known=True)
        found = _broken(sure, tau, order)
        return found and Judgement("too few items", f"{found.verdict}, unless it is noise: {found.evidence}")
    found_step = step(curve)
    if found_step is not None:
        between = " and ".join(map(curve.place, (found_step.before, found_step.after)))
        return Judgement("discontinuous", f"one step between {curve.axis}s {between} explains {found_step.share:.0%}")
    turn, depth = _turning(curve)
    if turn is not None and (abs(tau) < _ORDER or depth > _DEEP):
        return Judgement("non-monotone", f"{turn}; {order}")
    return None


def _flat(curve: KnownCurve) -> str | None:
    """Evidence that the rungs do not differ more than the sampling of items makes them, if they do not."""
    if np.ptp(curve.value) < 1e-12:
        return f"every rung has {curve.value[0]:.4g}"
    p_value = sampling_p_value(curve.z, curve.noise**2)
    return f"rungs differ no more than sampling makes them (p = {p_value:.2g})" if p_value > SIGNIFICANCE else None


def _at_chance(curve: KnownCurve) -> str | None:
    """Evidence that no rung is above chance, if none is (`floor.standing`); where the best is as far below it, the
    chance itself is in doubt."""
    if curve.loss:
        return None
    found = standing(curve.value.max(), curve.value.mean(), len(curve.value), curve.items, curve.chance)
    if not found.at:
        return None
    best = f"the best rung has {curve.value.max():.3g}"
    if found.far_below:
        return f"{BELOW_CHANCE} {found.floor:.3g}: {best}, {-found.sigma:.1f} sigma below: is the chance right?"
    if found.floor == 0:
        return f"{best}, no more than one item in a hundred by a one-sided test"
    return f"at chance {found.floor:.3g}: {best}, {found.sigma:.1f} sigma above"


def step(curve: KnownCurve) -> FoundStep | None:
    """The step that a curve makes (`stats.jumps.find_step`), if it makes one, any rung is above chance, and it is known
    how many items there are."""
    return find_step(curve.size, curve.z, curve.noise**2) if curve.items_known and not _at_chance(curve) else None


def _turning(curve: KnownCurve) -> tuple[str | None, float]:
    """Evidence that a curve rises and falls, each by more than noise, if it does (best three-point contrast), and how
    deep the turn is as a share of the curve's range. Noise is the sampling of items, how models of one size differ, or
    how most models scatter about a steady bend (by the median distance from their neighbours), whichever is most."""
    sizes, means = mean_by_size(curve.size, curve.z)
    alike = len(curve.z) - len(sizes)
    apart = float(((curve.z - means[np.searchsorted(sizes, curve.size)]) ** 2).sum()) / max(alike, 1)
    distances = neighbour_distances(curve.size, curve.z)
    usual = float(np.median(np.abs(distances - np.median(distances)))) / _MEDIAN_DISTANCE
    limit = SIGMA * np.sqrt(2 * max(float((curve.noise**2).mean()), apart, usual**2))
    found: tuple[float, str | None] = (limit, None)
    for name, sign in (("falls, then rises", -1.0), ("rises, then falls", 1.0)):
        signed = sign * means
        for middle in range(1, len(means) - 1):
            depth = float(signed[middle] - max(signed[:middle].min(), signed[middle + 1 :].min()))
            if depth > found[0]:
                found = depth, f"{name} around {curve.axis} {curve.place(float(sizes[middle]))}"
    return found[1], found[0] / float(np.ptp(means))


def _order(size: Array, z: Array) -> tuple[float, float]:
    """Kendall's tau between size and z, averaged where sizes are equal, and how likely a random order of the rungs has
    one as far from 0."""
    sizes, means = mean_by_size(size, z)
    if len(means) < 2 or np.ptp(means) == 0:
        return 0.0, 1.0
    from scipy.stats import kendalltau  # a third of a second, which finding steps alone does without

    found = kendalltau(sizes, means)
    return float(found.statistic), float(found.pvalue)


def _trend(curve: KnownCurve) -> float:
    """How far a straight line in ln size moves over the known rungs: in score, or as a share of the loss."""
    slope = np.polyfit(curve.size, np.log(np.maximum(curve.value, 1e-9)) if curve.loss else curve.value, 1)[0]
    return float(abs(slope) * np.ptp(curve.size))
