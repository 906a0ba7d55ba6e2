"""Other samples that the ladder might have given: rungs and items drawn anew."""

import numpy as np

from tasklaws.laws.law import Array
from tasklaws.laws.points import FLOOR, Points


def resample(curve: Points, replicates: int, seed: int) -> tuple[Array, Array]:
    """Values and weights of `replicates` resampled curves, each of shape (replicates, n).

    Rungs (models, with all their points) get exponential weights (Bayesian bootstrap, Rubin 1981): drawing six rungs
    with replacement would leave the laws unidentified in most replicates. Values are drawn binomially (accuracies) or
    with their stderr (losses; where that is unknown they stay)."""
    rng = np.random.default_rng(seed)
    n_rungs = int(curve.cluster.max()) + 1
    weight = rng.exponential(size=(replicates, n_rungs))
    weight *= n_rungs / weight.sum(axis=1, keepdims=True)
    shape = (replicates, len(curve.value))
    if curve.kind == "accuracy":
        items = np.maximum(np.round(curve.n_items), 1).astype(int)
        value = rng.binomial(items, curve.value, shape) / items
    else:
        relative = np.where(np.isfinite(curve.stderr), curve.stderr, 0.0) / curve.value
        value = np.maximum(curve.value * np.exp(relative * rng.standard_normal(shape)), FLOOR)
    return value, weight[:, curve.cluster]
