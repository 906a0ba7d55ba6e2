"""Partial pooling: Gaussian processes over size, mixed over kernels whose weights the tasks of a ladder share.

Each task's curve is a Gaussian process in the axis s (Rasmussen and Williams 2006, ch. 2) with one of `KERNELS`: a
straight line whose slope is drawn anew, plus a bend (squared exponential) or a walk (Wiener), plus noise from model to
model. A task's weight of a kernel is its marginal likelihood times the share of tasks that use it, learned by EM
(nonparametric empirical Bayes: Laird 1978), so that a task with few points borrows from those that grow alike.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tasklaws.forecast.links import Array, Link

LEVEL = 4.0  # standard deviation of a curve's level, in logits: hardly a prior
MISSING = 1e8  # noise of a point that is not there
ROUNDS = 60


@dataclass(frozen=True)
class Kernel:
    """Standard deviations in logits: of the slope for an e-fold of compute, of the bend (and over how many e-folds it
    reaches) or of the walk for a square root of an e-fold, and of the noise."""

    slope: float
    bend: float
    reach: float
    walk: float
    noise: float


KERNELS = tuple(
    Kernel(slope, bend, reach, walk, noise)
    for slope, noise in product((0.0, 0.05, 0.15, 0.45), (0.01, 0.05, 0.2))
    for bend, reach, walk in (
        (0.0, 1.0, 0.0),
        *((bend, reach, 0.0) for bend, reach in product((0.1, 0.3, 0.9), (1.5, 6.0))),
        *((0.0, 1.0, walk) for walk in (0.05, 0.15, 0.4)),
    )
)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Forecasts on a link's scale: `weight` (tasks, kernels), `mean` and `variance` (tasks, kernels, targets);
    `evidence` is the log marginal likelihood of all tasks together."""

    weight: Array
    mean: Array
    variance: Array
    evidence: float


def forecast(axis: Array, target: Array, z: Array, variance: Array, link: Link) -> Mixture:
    """Forecast every task at the targets.

    `axis` (tasks or 1, points) and `target` (tasks or 1, targets) are in e-folds of compute; `z` (tasks, points) with
    NaN where a task was not observed; `variance` is the sampling noise of z.
    """
    n_tasks, n_points = z.shape
    seen = np.isfinite(z)
    noise = np.where(seen, variance, MISSING)
    level = np.nansum(np.where(seen, z, 0.0) / noise, axis=1, keepdims=True) / (1 / noise).sum(axis=1, keepdims=True)
    residual = np.where(seen, z - level, 0.0)
    places = np.concatenate([axis, target], axis=1)
    places = places - axis.mean(axis=1, keepdims=True)
    likelihood = np.empty((n_tasks, len(KERNELS)))
    mean = np.empty((n_tasks, len(KERNELS), target.shape[1]))
    spread = np.empty_like(mean)
    diagonal = np.arange(n_points)
    for index, kernel in enumerate(KERNELS):
        full = covariance(kernel, places, link.unit)
        extra = (link.unit * kernel.noise) ** 2
        known = np.repeat(full[:, :n_points, :n_points], n_tasks // len(full), axis=0)
        known[:, diagonal, diagonal] += noise + extra
        cross = np.broadcast_to(full[:, :n_points, n_points:], (n_tasks, n_points, target.shape[1]))
        solved = np.linalg.solve(known, np.concatenate([residual[:, :, None], cross], axis=2))
        likelihood[:, index] = -0.5 * (residual * solved[:, :, 0]).sum(axis=1) - 0.5 * np.linalg.slogdet(known)[1]
        mean[:, index] = level + np.einsum("tps,tp->ts", cross, solved[:, :, 0])
        prior = np.einsum("tss->ts", full[:, n_points:, n_points:])
        explained = np.einsum("tps,tps->ts", cross, solved[:, :, 1:])
        spread[:, index] = np.maximum(prior - explained, 0.0) + extra
    weight, evidence = pool(likelihood)
    return Mixture(weight, mean, spread, evidence)


def covariance(kernel: Kernel, places: Array, unit: float) -> Array:
    """The kernel between all places, (tasks or 1, places, places), in squared units of the link."""
    apart = places[:, :, None] - places[:, None, :]
    full = LEVEL**2 + kernel.slope**2 * places[:, :, None] * places[:, None, :]
    if kernel.bend:
        full = full + kernel.bend**2 * np.exp(-0.5 * (apart / kernel.reach) ** 2)
    if kernel.walk:
        since = places - places.min(axis=1, keepdims=True)
        full = full + kernel.walk**2 * np.minimum(since[:, :, None], since[:, None, :])
    return np.asarray(unit**2 * full)


def pool(likelihood: Array) -> tuple[Array, float]:
    """Posterior weights (tasks, kernels) under shares that all tasks have in common, by EM from equal shares; one
    task's worth of equal shares is added, so that no kernel is ruled out by few tasks."""
    n_tasks, n_kernels = likelihood.shape
    best = likelihood.max(axis=1, keepdims=True)
    relative = np.exp(likelihood - best)
    share = np.full(n_kernels, 1 / n_kernels)
    for _ in range(ROUNDS):
        weight = share * relative
        weight /= weight.sum(axis=1, keepdims=True)
        share = (weight.sum(axis=0) + 1 / n_kernels) / (n_tasks + 1)
    joint = share * relative
    total = joint.sum(axis=1, keepdims=True)
    return joint / total, float((np.log(total) + best).sum())
