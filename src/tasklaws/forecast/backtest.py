"""Rolling origin: fit the k smallest rungs, predict the next, for every k that a law can be fitted to."""

from dataclasses import dataclass, replace

import numpy as np

from tasklaws.laws.curve import Array, Curve
from tasklaws.laws.fitting import fit
from tasklaws.laws.result import Fit, Rival
from tasklaws.laws.settings import LawSettings

CLOSE = 0.1  # laws whose backtest errors differ by less than this share are told apart by how they fit


@dataclass(frozen=True)
class Backtest:
    """Mean absolute errors (accuracy; log of a loss) of each law and of repeating the last rung, over
    `n_origins`, and the law chosen. `chosen` is None where no law could be fitted."""

    errors: dict[str, float]
    repeat_last: float
    n_origins: int
    chosen: str | None


def distance(curve: Curve, predicted: Array, observed: Array) -> Array:
    if curve.kind == "accuracy":
        return np.abs(predicted - observed)
    return np.abs(curve.link(predicted, 1.0) - curve.link(observed, 1.0))


def backtest(curve: Curve, fits: dict[str, Fit], settings: LawSettings) -> Backtest:
    """Compare the laws of `fits` (those of the whole curve) on rungs that they have not seen, the first
    `min_rungs` - 1 always being given."""
    x, means = curve.rung_means()
    origins = range(settings.min_rungs - 1, curve.n_rungs)
    errors: dict[str, list[float]] = {name: [] for name in fits}
    for origin in origins:
        known = curve.rungs(0, origin)
        for name, row in errors.items():
            predicted = fit(known, name, settings).predict(x[origin])
            row.append(float(distance(curve, predicted, means[origin])[0]))
    mean = {name: float(np.mean(row)) for name, row in errors.items()}
    naive = float(np.mean([distance(curve, means[k - 1], means[k]) for k in origins]))
    return Backtest(mean, naive, len(origins), choose(curve, fits, mean))


def choose(curve: Curve, fits: dict[str, Fit], errors: dict[str, float]) -> str | None:
    """The law of the smallest backtest error; among those as good (within noise), the one closest to all rungs."""
    x, means = curve.rung_means()
    usable = [name for name, found in fits.items() if found.status != "failed"]
    if not usable:
        return None
    best = min(errors[name] for name in usable)
    close = [name for name in usable if errors[name] <= best * (1 + CLOSE) + resolution(curve)]
    return min(close, key=lambda name: round(float(distance(curve, fits[name].predict(x), means).mean()), 9))


def resolution(curve: Curve) -> float:
    """The smallest difference worth telling: half an item, or a thousandth of a loss."""
    return 0.5 / float(curve.n_items.max()) if curve.kind == "accuracy" else 1e-3


def weigh(curve: Curve, errors: dict[str, float]) -> dict[str, float]:
    """How likely each law is to be the best: in proportion to 1 / squared error (Bates and Granger 1969)."""
    raw = {name: 1 / (error**2 + resolution(curve) ** 2) for name, error in errors.items()}
    return {name: value / sum(raw.values()) for name, value in raw.items()}


def with_rivals(found: Fit, curve: Curve, settings: LawSettings, weights: dict[str, float]) -> Fit:
    """The fit with the other laws of `weights`, fitted to the same curve, beside it."""
    others = {name: weight for name, weight in weights.items() if name != found.law}
    rivals = (Rival(name, fit(curve, name, settings).theta, weight) for name, weight in others.items())
    return replace(found, rivals=tuple(rivals))


def calibrate(
    found: Fit,
    curve: Curve,
    settings: LawSettings,
    rng: np.random.Generator,
    weights: dict[str, float],
    step_at: int | None,
) -> Fit:
    """The fit with its rivals, and inflated as far as its rolling-origin residuals are wider than it says (or not).

    A step between rungs `step_at` and the next, once past, is known: only origins that know it count, if any do.
    """
    x, means = curve.rung_means()
    seeds = np.bincount(curve.levels)
    first = settings.min_rungs - 1
    if step_at is not None and step_at + 2 < curve.n_rungs:
        first = max(first, step_at + 2)
    ratios = []
    for origin in range(first, curve.n_rungs):
        known = curve.rungs(0, origin)
        past = fit(known, found.law, settings, rng, replicates=max(50, settings.replicates // 4))
        past = with_rivals(past, known, settings, weights)
        width = past.spread(x[origin], int(seeds[origin]))
        if width is not None:
            items = past.noise.n_items
            residual = curve.link(means[[origin]], items) - curve.link(past.predict(x[origin]), items)
            ratios.append(float(residual[0]) / width)
    inflation = max(1.0, float(np.sqrt(np.mean(np.square(ratios))))) if ratios else 1.0
    return replace(with_rivals(found, curve, settings, weights), inflation=inflation)
