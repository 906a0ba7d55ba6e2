"""Some scores of a wanted model revealed: what they say of its other tasks, and which to ask first."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel


@dataclass(frozen=True, eq=False)
class Joint:
    """Forecasts of all tasks of one model, on the link scale: `mean` (tasks,), the sd `own` (tasks,) of what a task's
    error shares with no other, and `shared` (tasks, factors): the covariance of the errors is
    shared shared' + diag(own^2)."""

    mean: Array
    own: Array
    shared: Array

    @property
    def sd(self) -> Array:
        """Of each task's error, (tasks,)."""
        return np.asarray(np.sqrt(self.own**2 + (self.shared**2).sum(axis=1)))

    def given(self, z: Array) -> "Joint":
        """The same once some tasks' values are known, `z` (tasks,) on the link scale and NaN of the others.

        With f ~ N(0, I) behind the errors, f given them is normal of covariance (I + S' D^-1 S)^-1 and mean
        covariance S' D^-1 (z - mean), S and D = diag(own^2) of the known tasks (a factor analyser's scores, Bartlett
        1937 with a prior). A known task keeps its value, with no error."""
        seen = np.isfinite(z) & np.isfinite(self.mean)
        if not seen.any():
            return self
        by_own = self.shared[seen] / np.maximum(self.own[seen], 1e-6)[:, None] ** 2
        covariance = np.linalg.inv(np.eye(self.shared.shape[1]) + self.shared[seen].T @ by_own)
        factors = covariance @ (by_own.T @ (z[seen] - self.mean[seen]))
        mean = np.where(seen, z, self.mean + self.shared @ factors)
        shared = np.where(seen[:, None], 0.0, self.shared @ np.linalg.cholesky(covariance))
        return Joint(mean, np.where(seen, 0.0, self.own), shared)

    def ask_first(self, count: int, among: NDArray[np.bool_] | None = None) -> list[int]:
        """The numbers of the `count` tasks whose values, asked one after the other, narrow the others most: each time
        the one after which the sds of those not asked sum to least (a greedy choice; ties to the first task).

        A value of task c narrows task t by the variance (s_t . s_c)^2 / (own_c^2 + s_c . s_c)."""
        open_ = np.isfinite(self.mean) & (np.ones(len(self.mean), bool) if among is None else among)
        shared, own = np.nan_to_num(self.shared), np.nan_to_num(self.own)
        chosen: list[int] = []
        rest = np.isfinite(self.mean)
        while open_.any() and len(chosen) < count:
            cross = shared @ shared.T
            variance = own**2 + np.diag(cross)
            narrowed = np.maximum(variance[:, None] - cross**2 / np.maximum(variance, 1e-12), 0.0)
            left = np.sqrt(narrowed[rest]).sum(axis=0) - np.sqrt(np.diag(narrowed)) * rest
            best = int(np.argmin(np.where(open_, left, np.inf)))
            direction = shared[best]
            gain = np.eye(shared.shape[1]) - np.outer(direction, direction) / max(float(variance[best]), 1e-12)
            shared = shared @ _root(gain)
            chosen.append(best)
            open_[best] = rest[best] = False
        return chosen


def _root(matrix: Array) -> Array:
    """A square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def draw_some(value: Array, count: int, seed: int, name: str) -> Array | None:
    """`count` of a model's known values, (tasks,), drawn by seed and the model's name, NaN of the others; None of a
    model that has no more than those."""
    known = np.flatnonzero(np.isfinite(value))
    if len(known) <= count:
        return None
    drawn = np.random.default_rng([seed, zlib.crc32(name.encode())]).choice(known, count, replace=False)
    found = np.full(len(value), np.nan)
    found[drawn] = value[drawn]
    return found


def draw_given(panel: Panel, targets: Sequence[int], count: int, seed: int) -> tuple[Array, list[int]]:
    """`count` of each target's known scores, drawn by seed: (tasks, models) for `History.given`, NaN of all others, and
    the targets that have more scores than that; the others have none to forecast.

    Each model's draw depends on its name, the seed and which tasks it was asked, and on no other model."""
    given = np.full(panel.value.shape, np.nan)
    kept = []
    for target in targets:
        drawn = draw_some(panel.value[:, target], count, seed, panel.models[target])
        if drawn is not None:
            given[:, target] = drawn
            kept.append(target)
    return given, kept
