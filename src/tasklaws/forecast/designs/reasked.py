"""What more items would show of known models: their values drawn anew, less of the sampling in them."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.methods import noise_share
from tasklaws.forecast.panel import Panel
from tasklaws.stats.gaussian_process import KERNELS, covariance, pool
from tasklaws.stats.links import LOGIT

_UNASKED = 1e8  # variance of a value that is not there


def reasked(known: Panel, factor: float, place: Array, rng: np.random.Generator) -> Array:
    """Values (tasks, models) of the known models once they were asked `factor` times the items, drawn; `place` (tasks,)
    in [0, 1] says which of the curve's kernels, in order of their weights, holds in each task.

    Of values z = f + s on the link scale, f a curve and what each model has of its own, s the sampling of items with
    the covariance V (`sampling_covariance`), s given z is normal, of mean V K^-1 (z - level) and variance
    V - V K^-1 V, with K that of both. With F times the items s becomes s / F and a normal of variance (F - 1) V / F^2.
    Tasks of unknown number of items keep their values."""
    link, rows = known.link, np.flatnonzero(np.isfinite(known.n_items).any(axis=1))
    z, sampling = link.of(known.value, np.inf)[rows], sampling_covariance(known)[rows]
    there = np.isfinite(z)
    diagonal = np.einsum("tmm->tm", sampling)
    level = np.nansum(z / diagonal, axis=1, keepdims=True) / (there / diagonal).sum(axis=1, keepdims=True)
    residual = np.where(there, z - level, 0.0)
    x = known.size[None] - known.size.mean()
    curves = np.stack([covariance(one, x, link.unit)[0] + (link.unit * one.slope) ** 2 * x.T @ x for one in KERNELS])
    own = np.array([(link.unit * one.noise) ** 2 for one in KERNELS])
    curves += own[:, None, None] * np.eye(len(known.models))
    gone = np.where(there, 0.0, _UNASKED)[..., None] * np.eye(len(known.models))
    likelihood = np.empty((len(rows), len(KERNELS)))
    for row in range(len(rows)):
        full = curves + sampling[row] + gone[row]
        fitted = np.linalg.solve(full, np.broadcast_to(residual[row, :, None], (*full.shape[:2], 1)))[..., 0]
        likelihood[row] = -0.5 * (fitted @ residual[row] + np.linalg.slogdet(full)[1])
    weight, _ = pool(likelihood)
    value = known.value.copy()
    for row, task in enumerate(rows):
        kernel = min(int(np.searchsorted(weight[row].cumsum(), place[task])), len(KERNELS) - 1)
        gain = sampling[row] @ np.linalg.inv(curves[kernel] + sampling[row] + gone[row])
        left = sampling[row] - gain @ sampling[row]
        sampled = gain @ residual[row] + _normal(left, rng)
        fresh = np.sqrt(factor - 1) / factor * _normal(sampling[row], rng)
        value[task] = link.inverse(z[row] - (1 - 1 / factor) * sampled + fresh)
    return value


def sampling_covariance(known: Panel) -> Array:
    """Covariance between models of the sampling of items, (tasks, models, models), on the link scale: a share that
    models do not have in common (`noise_share`), and the rest as the empirical distribution of the items' difficulties
    has it: between models that solve p and q it correlates by exp(-|logit p - logit q| / 2) (a Brownian bridge)."""
    share, items = noise_share(known)[:, None, None], known.items
    at = LOGIT.of(np.where(np.isfinite(known.value), known.value, 0.5), items)
    common = np.exp(-0.5 * np.abs(at[:, :, None] - at[:, None]))
    scale = 1 / np.sqrt(items)
    return np.asarray((share * np.eye(items.shape[1]) + (1 - share) * common) * scale[:, :, None] * scale[:, None])


def _normal(covariance: Array, rng: np.random.Generator) -> Array:
    """A draw of a normal of mean 0."""
    value, vector = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vector @ (np.sqrt(np.maximum(value, 0.0)) * rng.standard_normal(len(value))))
