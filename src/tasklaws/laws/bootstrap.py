"""Other samples that the ladder might have given: items and rungs drawn anew."""

import numpy as np

from tasklaws.laws.curve import LOSS_FLOOR, Array, Curve


def resample(curve: Curve, replicates: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Values and weights of `replicates` resampled curves, each of shape (replicates, points).

    Items are clusters: one draw with replacement serves all points, as all rungs answer the same items.
    Rungs, and seeds within them, are clusters that get exponential weights (Bayesian bootstrap, Rubin 1981):
    drawing six rungs with replacement would leave the laws unidentified in most replicates. Without items'
    scores, values are drawn with their stderr (losses) or binomially (accuracies)."""
    by_rung = rng.exponential(size=(replicates, curve.n_rungs))[:, curve.levels]
    by_seed = rng.exponential(size=(replicates, len(curve.x)))
    totals = np.stack([np.bincount(curve.levels, row, curve.n_rungs) for row in by_seed])
    seeds = np.bincount(curve.levels)[curve.levels]
    weight = by_rung * by_seed * seeds / totals[:, curve.levels]
    return redraw_values(curve, replicates, rng), weight


def redraw_values(curve: Curve, replicates: int, rng: np.random.Generator) -> Array:
    if curve.items is not None:
        known = np.isfinite(curve.items)
        size = len(curve.items)
        draws = rng.multinomial(size, np.full(size, 1 / size), size=replicates).astype(float)
        count = draws @ known
        total = draws @ np.where(known, curve.items, 0.0)
        return np.where(count > 0, total / np.maximum(count, 1.0), curve.value)
    if curve.kind == "accuracy":
        return rng.binomial(curve.n_items.astype(int), curve.value, (replicates, len(curve.x))) / curve.n_items
    safe = np.maximum(curve.value, LOSS_FLOOR)
    relative = np.where(np.isfinite(curve.stderr), curve.stderr, 0.0) / safe
    return np.asarray(safe * np.exp(relative * rng.standard_normal((replicates, len(curve.x)))))
