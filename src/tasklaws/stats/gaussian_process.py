"""Partial pooling: Gaussian processes over size, mixed over kernels whose weights the tasks of a ladder share.

Each task's curve is a Gaussian process in the axis s (Rasmussen and Williams 2006, ch. 2) with one of `KERNELS`: a
straight line whose slope is drawn anew, plus a bend (squared exponential) or a walk (Wiener), plus noise from model to
model. A task's weight of a kernel is its marginal likelihood times the share of tasks that use it, learned by EM
(nonparametric empirical Bayes: Laird 1978), so that a task with few points borrows from those that grow alike."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.stats.links import Link

_LEVEL_PRIOR = 4.0  # standard deviation of a curve's level, in logits: hardly a prior
_MISSING = 1e8  # noise of a point that is not there
_ROUNDS = 60
_USUAL = 5.0  # tasks that the shares of other ladders count as


@dataclass(frozen=True)
class Kernel:
    """Standard deviations in logits: of the slope for an e-fold of compute, of the bend (and over how many e-folds it
    reaches) or of the walk for a square root of an e-fold, and of the noise."""

    slope: float
    bend: float
    reach: float
    walk: float
    noise: float


_SLOPES = (0.0, 0.05, 0.15, 0.45)
_NOISES = (0.01, 0.05, 0.2)
_SHAPES = (  # bend, reach, walk
    (0.0, 1.0, 0.0),
    *((bend, reach, 0.0) for bend, reach in product((0.1, 0.3, 0.9), (1.5, 6.0))),
    *((0.0, 1.0, walk) for walk in (0.05, 0.15, 0.4)),
)
KERNELS = tuple(
    Kernel(slope, bend, reach, walk, noise) for noise, (bend, reach, walk), slope in product(_NOISES, _SHAPES, _SLOPES)
)
GRID = (len(_NOISES), len(_SHAPES), len(_SLOPES))  # the shape of KERNELS
_MOST_ENTRIES = 4_000_000  # entries of the covariances that are held at once


@dataclass(frozen=True, eq=False)
class Mixture:
    """Forecasts on a link's scale: `weight` (tasks, kernels), `mean` and `variance` (tasks, kernels, targets);
    `evidence` is the log marginal likelihood of all tasks together."""

    weight: Array
    mean: Array
    variance: Array
    evidence: float


def predict_targets(
    axis: Array, target: Array, z: Array, variance: Array, link: Link, usual: Array | None = None
) -> Mixture:
    """Forecast every task at the targets.

    `axis` (tasks or 1, points) and `target` (tasks or 1, targets) are in e-folds of compute; `z` (tasks, points) with
    NaN where a task was not observed; `variance` is the sampling noise of z, `usual` the shares of kernels that other
    ladders have (`pool`)."""
    at_once = max(_MOST_ENTRIES // (z.shape[1] + target.shape[1]) ** 2, 1)
    found = []
    for first in range(0, len(z), at_once):
        some = slice(first, first + at_once)
        places, new = (part[some] if len(part) == len(z) else part for part in (axis, target))
        found.append(condition(places, new, z[some], variance[some], link.unit))
    likelihood, mean, spread = (np.concatenate(part) for part in zip(*found, strict=True))
    weight, evidence = pool(likelihood, usual)
    return Mixture(weight, mean, spread, evidence)


def condition(axis: Array, target: Array, z: Array, variance: Array, unit: float) -> tuple[Array, Array, Array]:
    """Log marginal likelihood (tasks, kernels), mean and variance (tasks, kernels, targets) under each kernel.

    Kernels that differ in their slope alone share one inverse: a slope adds a term of rank one, taken in by the formula
    of Sherman and Morrison, K^-1 y - (s K^-1 x) (x' K^-1 y) / (1 + s x' K^-1 x)."""
    n_tasks, n_points = z.shape
    known_z = np.isfinite(z)
    noise = np.where(known_z, variance, _MISSING)
    level = np.nansum(np.where(known_z, z, 0.0) / noise, axis=1, keepdims=True) / (1 / noise).sum(axis=1, keepdims=True)
    residual = np.where(known_z, z - level, 0.0)
    places = np.concatenate([axis, target], axis=1)
    places = places - axis.mean(axis=1, keepdims=True)
    line = np.broadcast_to(places, (n_tasks, places.shape[1]))
    x, x_new = line[:, :n_points], line[:, n_points:]
    likelihood = np.empty((n_tasks, len(KERNELS)))
    mean, spread = np.empty((2, n_tasks, len(KERNELS), target.shape[1]))
    diagonal = np.arange(n_points)
    for index in range(0, len(KERNELS), len(_SLOPES)):
        kernel = KERNELS[index]
        full = covariance(kernel, places, unit)
        extra = (unit * kernel.noise) ** 2
        known = np.repeat(full[:, :n_points, :n_points], n_tasks // len(full), axis=0)
        known[:, diagonal, diagonal] += noise + extra
        cross = np.broadcast_to(full[:, :n_points, n_points:], (n_tasks, n_points, target.shape[1]))
        solved = np.linalg.solve(known, np.concatenate([residual[:, :, None], x[:, :, None], cross], axis=2))
        log_det = np.linalg.slogdet(known)[1]
        by_y, by_x, by_new = solved[:, :, 0], solved[:, :, 1], solved[:, :, 2:]
        y_y, x_x, x_y = ((one * other).sum(axis=1) for one, other in ((residual, by_y), (x, by_x), (x, by_y)))
        prior = np.einsum("tss->ts", full[:, n_points:, n_points:])
        left = prior - (cross * by_new).sum(axis=1)  # variance of the new points without a slope
        shift = x_new - (cross * by_x[:, :, None]).sum(axis=1)  # what a slope of 1 adds to them
        straight = level + (cross * by_y[:, :, None]).sum(axis=1)
        for place, slope in enumerate(_SLOPES, index):
            drawn = (unit * slope) ** 2
            share = drawn / (1 + drawn * x_x)
            likelihood[:, place] = -0.5 * (y_y - share * x_y**2 + log_det + np.log1p(drawn * x_x))
            mean[:, place] = straight + (share * x_y)[:, None] * shift
            spread[:, place] = np.maximum(left + share[:, None] * shift**2, 0.0) + extra
    return likelihood, mean, spread


def covariance(kernel: Kernel, places: Array, unit: float) -> Array:
    """What a kernel adds besides its slope, between all places, (tasks or 1, places, places), in squared units of the
    link."""
    apart = places[:, :, None] - places[:, None, :]
    full = np.full(apart.shape, _LEVEL_PRIOR**2)
    if kernel.bend:
        full = full + kernel.bend**2 * np.exp(-0.5 * (apart / kernel.reach) ** 2)
    if kernel.walk:
        since = places - places.min(axis=1, keepdims=True)
        full = full + kernel.walk**2 * np.minimum(since[:, :, None], since[:, None, :])
    return np.asarray(unit**2 * full)


def pool(likelihood: Array, usual: Array | None = None) -> tuple[Array, float]:
    """Posterior weights (tasks, kernels) under shares that all tasks have in common (`shares`), and the log marginal
    likelihood of all tasks."""
    best = likelihood.max(axis=1, keepdims=True)
    joint = shares(likelihood, usual) * np.exp(likelihood - best)
    total = joint.sum(axis=1, keepdims=True)
    return joint / total, float((np.log(total) + best).sum())


def shares(likelihood: Array, usual: Array | None = None) -> Array:
    """The shares of tasks that use each kernel, (kernels,), by EM from log likelihoods (tasks, kernels).

    The shares that other ladders have, `usual` (kernels,), count as _USUAL tasks do; where they are unknown, equal
    shares count as one, so that no kernel is ruled out by few tasks."""
    n_tasks, n_kernels = likelihood.shape
    relative = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    prior = np.full(n_kernels, 1 / n_kernels) if usual is None else _USUAL * usual
    share = prior / prior.sum()
    for _ in range(_ROUNDS):
        weight = share * relative
        weight /= weight.sum(axis=1, keepdims=True)
        share = (weight.sum(axis=0) + prior) / (n_tasks + prior.sum())
    return np.asarray(share)
