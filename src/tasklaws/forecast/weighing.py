"""How methods are weighed by their errors in earlier tests, mixed, and their interval widened."""

import numpy as np

from tasklaws.core.arrays import Array

_SHARPNESS = 6.0  # weights go as relative error to the minus this
_OWN = 10.0  # a task's own errors count as much as all tasks' once it has this weight of tests
_EVEN = 2.0  # and equal weights as much as errors at this weight of tests
_LEAST_ERROR = 0.002  # two errors this far apart are hardly different


def weights_by_error(total: Array, count: Array, sharpness: float = _SHARPNESS) -> Array:
    """Weights (methods, tasks): relative error to the minus _SHARPNESS, a task's own shrunk to that of all tasks.

    `total` (methods, tasks) are sums of errors over tests, each times its weight; `count` (tasks,) sums of weights."""
    tested = count > 0
    if not tested.any():
        return np.full_like(total, 1 / len(total))
    error = total / np.maximum(count, 1e-12)
    relative = error / (error.mean(axis=0) + _LEAST_ERROR)
    of_all = np.average(relative[:, tested], axis=1, weights=count[tested])[:, None]
    score = (count * relative + _OWN * of_all) / (count + _OWN)
    score = (count * score + _EVEN) / (count + _EVEN)
    raw = np.maximum(score, 1e-3) ** -sharpness
    return np.asarray(raw / raw.sum(axis=0))


def mix(weights: Array, mean: Array, sd: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of a mixture over the first axis."""
    middle = (weights * mean).sum(axis=0)
    return middle, np.sqrt((weights * (sd**2 + (mean - middle) ** 2)).sum(axis=0))


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, level)])
