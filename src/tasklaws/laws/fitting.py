"""From a curve and a law to a Fit."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from tasklaws.errors import TasklawsError
from tasklaws.laws.bootstrap import resample
from tasklaws.laws.curve import Array, Curve
from tasklaws.laws.forms import ALL_LAWS, Frame, Law, RepeatLast, Step
from tasklaws.laws.optimise import Evaluation, evaluate, minimise
from tasklaws.laws.result import LEAST_SPREAD, Fit, Noise, Status
from tasklaws.laws.settings import LawSettings

STARTS_KEPT = 3  # basins that every bootstrap replicate searches
EDGE = 1e-6  # a coordinate this close to a bound, as a share of the box, lies on it
SIDES = ("at its lower bound", "at its upper bound")
SQUARE = 1e6  # a Huber delta that no residual reaches


@dataclass(frozen=True)
class Problem:
    """The objective of one law on many variants of one curve."""

    curve: Curve
    law: Law
    frame: Frame
    delta: float
    target: Array
    weight: Array

    def __call__(self, theta: Array, rows: np.ndarray) -> Evaluation:
        value, gradient = self.law.value(theta, np.log(self.curve.x) - self.frame.centre, self.frame)
        return evaluate(self.curve, self.delta, value, gradient, self.target[rows], self.weight[rows])


def fit(
    curve: Curve,
    law: str,
    settings: LawSettings,
    rng: np.random.Generator | None = None,
    replicates: int | None = None,
) -> Fit:
    """Fit `law` to `curve` from several starts; with `rng`, also to `replicates` (default: the settings') bootstrap
    samples of it, without which there are no intervals. An unknown law raises TasklawsError."""
    if law not in ALL_LAWS:
        raise TasklawsError(f"unknown law {law!r}: choose one of {', '.join(ALL_LAWS)}")
    count = 0 if rng is None else replicates or settings.replicates
    form = ALL_LAWS[law]
    if isinstance(form, RepeatLast):
        return fit_last(curve, settings, rng, count)
    frame = Frame.of(curve)
    bounds = form.bounds(frame)
    found, objective, rested = search(curve, form, frame, settings)
    best = int(np.argmin(objective))
    theta = found[best]
    draws = redraw(curve, form, frame, settings, rng, basins(found, objective), count)
    status, reason = judge(curve, form, frame, settings, theta, bool(rested[best]))
    return Fit(
        law=law,
        x=settings.x,
        frame=frame,
        theta=tuple(theta.tolist()),
        draws=draws,
        status=status,
        reason=reason,
        at_bounds=tuple(f"{form.coordinates[index]} {side}" for index, side, _ in on_bounds(form, theta, bounds)),
        n_points=len(curve.x),
        n_rungs=curve.n_rungs,
        objective=max(float(objective[best]), 0.0),
        noise=estimate_noise(curve, form.value(theta[None], np.log(curve.x) - frame.centre, frame)[0][0], bounds),
        level=settings.interval,
    )


def search(curve: Curve, law: Law, frame: Frame, settings: LawSettings) -> tuple[Array, Array, np.ndarray]:
    """Multi-start: where each search ended, its objective, whether it came to rest."""
    starts = law.starts(curve, frame)
    shape = (len(starts), len(curve.x))
    problem = Problem(curve, law, frame, settings.huber_delta, np.broadcast_to(curve.value, shape), np.ones(shape))
    return minimise(problem, starts, law.bounds(frame))


def basins(found: Array, objective: Array) -> Array:
    """The few best ends that differ from each other."""
    kept: list[Array] = []
    for theta in found[np.argsort(objective, kind="stable")]:
        if all(np.abs(theta - other).max() > 1e-3 for other in kept):
            kept.append(theta)
        if len(kept) == STARTS_KEPT:
            break
    return np.array(kept)


def redraw(
    curve: Curve,
    law: Law,
    frame: Frame,
    settings: LawSettings,
    rng: np.random.Generator | None,
    starts: Array,
    count: int,
) -> Array:
    """The law's coordinates on every bootstrap replicate, shape (count, p)."""
    if rng is None:
        return np.empty((0, starts.shape[1]))
    target, weight = resample(curve, count, rng)
    tiled = np.tile(starts, (count, 1))
    repeat = np.repeat(np.arange(count), len(starts))
    problem = Problem(curve, law, frame, settings.huber_delta, target[repeat], weight[repeat])
    found, objective, _ = minimise(problem, tiled, law.bounds(frame), iterations=60, tolerance=1e-6)
    best = objective.reshape(count, len(starts)).argmin(axis=1)
    chosen = found.reshape(count, len(starts), -1)[np.arange(count), best]
    return law.scatter(chosen, np.log(curve.x) - frame.centre, rng) if curve.n_rungs > 1 else chosen


def on_bounds(law: Law, theta: Array, bounds: Array) -> list[tuple[int, str, bool]]:
    """(coordinate, side, whether the formula itself ends there) for every coordinate on a bound."""
    lower, upper = bounds
    width = upper - lower
    hits = []
    for index, name in enumerate(law.coordinates):
        if width[index] == 0:
            continue
        place = (theta[index] - lower[index]) / width[index]
        for side, close in enumerate((place < EDGE, place > 1 - EDGE)):
            if close:
                hits.append((index, SIDES[side], (name, side) in law.edges))
    return hits


def judge(
    curve: Curve, law: Law, frame: Frame, settings: LawSettings, theta: Array, rested: bool
) -> tuple[Status, str]:
    """What the search's end is worth."""
    bounds = law.bounds(frame)
    if not rested:
        return "failed", "the search did not come to rest"
    fixed = bounds[0] == bounds[1]
    if curve.n_rungs < (~fixed).sum():
        return "unidentified", f"{(~fixed).sum()} parameters from {curve.n_rungs} rungs"
    hits = on_bounds(law, theta, bounds)
    loose = ~fixed
    theta = theta.copy()
    for index, side, _ in hits:
        loose[index] = False
        theta[index] = bounds[SIDES.index(side), index]
    weak = undetermined(information(curve, law, frame, theta), loose, bounds)
    if isinstance(law, Step):
        low, high = np.exp(frame.centre + np.array(law.gap(theta[2], np.log(curve.x) - frame.centre)))
        return "unidentified", f"the threshold lies anywhere between {settings.x} {low:.3g} and {high:.3g}"
    if weak is not None:
        return "unidentified", f"the points do not determine {law.coordinates[weak]}"
    cut = [f"{law.coordinates[index]} {side}" for index, side, natural in hits if not natural]
    return ("bound_hit", ", ".join(cut)) if cut else ("converged", "")


def information(curve: Curve, law: Law, frame: Frame, theta: Array) -> Array:
    """Fisher information of the search coordinates; of a loss, with the variance that its logarithm has around the
    law (least squares, as Huber's curvature says nothing of outliers)."""
    ones = np.ones((1, len(curve.x)))
    problem = Problem(curve, law, frame, SQUARE, curve.value[None], ones)
    objective, _, curvature = problem(theta[None], np.array([0]))
    variance = 1.0 if curve.kind == "accuracy" else max(2 * float(objective[0]) / len(curve.x), LEAST_SPREAD**2)
    return np.asarray(curvature[0] / variance)


def undetermined(known: Array, loose: np.ndarray, bounds: Array) -> int | None:
    """The coordinate that the information determines least, if its standard error is wider than its box."""
    index = np.flatnonzero(loose)
    if not index.size:
        return None
    width = (bounds[1] - bounds[0])[index]
    values, vectors = np.linalg.eigh(known[np.ix_(index, index)] * np.outer(width, width))
    return int(index[np.argmax(np.abs(vectors[:, 0]))]) if values[0] < 1 else None


def estimate_noise(curve: Curve, model: Array, bounds: Array) -> Noise:
    """Spread around the law on the link scale that sampling items does not explain, split into rungs and
    seeds."""
    residual = curve.link(curve.value, curve.n_items) - curve.link(model, curve.n_items)
    sampling = np.zeros_like(residual)
    if curve.kind == "accuracy":
        inside = (curve.n_items * model + 0.5) / (curve.n_items + 1)
        sampling = 1 / (curve.n_items * inside * (1 - inside))
    count = np.bincount(curve.levels)
    mean = (np.bincount(curve.levels, residual) / count)[curve.levels]
    free_seeds = len(residual) - curve.n_rungs
    free = len(residual) - int((bounds[0] < bounds[1]).sum())
    seed = excess(residual - mean, sampling * (1 - 1 / count)[curve.levels], free_seeds)
    total = excess(residual, sampling * max(free, 0) / len(residual), free)
    return Noise(
        rung=float(np.sqrt(max(total - seed, 0.0))),
        seed=float(np.sqrt(seed)),
        n_items=float(curve.n_items[-1]),
    )


def excess(residual: Array, sampling: Array, degrees: int) -> float:
    """Variance beyond that of sampling; 0 where there are no degrees of freedom to see any."""
    return max(float((residual**2 - sampling).sum()) / degrees, 0.0) if degrees > 0 else 0.0


def fit_last(curve: Curve, settings: LawSettings, rng: np.random.Generator | None, count: int) -> Fit:
    """Repeat the largest rung; its noise is how far rungs have differed from the one before (t quantile, few
    rungs)."""
    last = curve.rungs(curve.n_rungs - 1, curve.n_rungs)
    frame = Frame.of(last)
    values = np.empty(0) if rng is None else resample(last, count, rng)[0].mean(axis=1)
    _, means = curve.rung_means()
    moves = np.diff(curve.link(means, float(curve.n_items[-1])))
    rung = float(np.sqrt(np.mean(moves**2)) * widening(len(moves), settings.interval)) if len(moves) else None
    return Fit(
        law=RepeatLast.name,
        x=settings.x,
        frame=frame,
        theta=(float(last.value.mean()),),
        draws=values[:, None],
        status="unidentified",
        reason="no law: the largest fit rung is repeated",
        at_bounds=(),
        n_points=len(last.x),
        n_rungs=1,
        objective=0.0,
        noise=Noise(rung=rung, seed=0.0, n_items=float(last.n_items[-1])),
        level=settings.interval,
    )


def widening(count: int, level: float) -> float:
    """How much wider Student's interval with `count` degrees of freedom is than the normal one."""
    return float(t.ppf((1 + level) / 2, count) / norm.ppf((1 + level) / 2))
