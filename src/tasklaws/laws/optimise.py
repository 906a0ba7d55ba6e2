"""Many small bounded minimisations at once: Levenberg-Marquardt on arrays, then Newton."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasklaws.laws.law import Array
from tasklaws.laws.objective import Evaluation

DIFFERENCE = 1e-6  # step of the gradient's differences


class Objective(Protocol):
    """The objective of searches at `theta` (m, p), each of the problem's row `rows` (m); its curvature only where
    wanted."""

    def __call__(self, theta: Array, rows: NDArray[np.intp], curved: bool = True) -> Evaluation: ...


def minimise(
    problem: Objective,
    theta: Array,
    bounds: Array,
    iterations: int = 100,
    tolerance: float = 1e-9,
    newton: bool = False,
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Minimise `problem(theta[rows], rows)` for every row of `theta` (m, p) inside its `bounds` (m, 2, p).

    Each row has a Marquardt damping of its own. The curvature is the problem's own, or with `newton` the difference
    of gradients, which also sees what Huber's loss and the formula add. Returns the best theta, its objective, and
    whether the search came to rest: no step made the objective smaller by more than `tolerance` of itself."""
    lower, upper = bounds[:, 0], bounds[:, 1]
    best = np.clip(theta, lower, upper)
    everything = np.arange(len(best))
    objective, gradient, curvature = problem(best, everything, not newton)
    if newton:
        curvature = curve(problem, best, everything, gradient, upper)
    damping = np.full(len(best), 1e-3)
    active = np.isfinite(objective)
    for _ in range(iterations):
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        here = best[rows]
        step = damped_step(here, gradient[rows], curvature[rows], damping[rows], lower[rows], upper[rows])
        trial = np.clip(here + step, lower[rows], upper[rows])
        value, slope, bend = problem(trial, rows, not newton)
        gain = objective[rows] - value
        better = np.isfinite(value) & (gain > 0)
        winners = rows[better]
        best[winners], objective[winners] = trial[better], value[better]
        gradient[winners] = slope[better]
        if newton:
            bend = curve(problem, trial[better], winners, slope[better], upper[winners])
        curvature[winners] = bend if newton else bend[better]
        settled = better & (gain <= tolerance * np.abs(objective[rows]) + 1e-300) & (damping[rows] < 1)
        damping[rows] = np.clip(np.where(better, damping[rows] / 5, damping[rows] * 4), 1e-12, None)
        still = np.abs(trial - here).max(axis=1) <= 1e-13 * (1 + np.abs(here).max(axis=1))
        active[rows[settled | still | (damping[rows] > 1e10)]] = False
    return best, objective, ~active & np.isfinite(objective)


def curve(problem: Objective, theta: Array, rows: NDArray[np.intp], base: Array, upper: Array) -> Array:
    """The curvature (m, p, p) by differences from the gradient `base`, with its negative directions turned round."""
    m, p = theta.shape
    if not m:
        return np.empty((0, p, p))
    columns = []
    for index in range(p):
        size = DIFFERENCE * np.maximum(1.0, np.abs(theta[:, index]))
        size = np.where(theta[:, index] + size > upper[:, index], -size, size)
        moved = theta.copy()
        moved[:, index] += size
        columns.append((problem(moved, rows, False)[1] - base) / size[:, None])
    found = np.stack(columns, axis=-1)
    found = np.nan_to_num((found + found.transpose(0, 2, 1)) / 2)
    diagonal = np.sqrt(np.maximum(np.abs(np.einsum("mpp->mp", found)), 1e-300))
    scale = diagonal[:, :, None] * diagonal[:, None, :]
    # Where a gradient is all but flat one way, what goes with it would overflow.
    values, vectors = np.linalg.eigh(np.clip(found / scale, -1e8, 1e8))
    values = np.maximum(np.abs(values), 1e-9)
    return np.asarray(np.matmul(vectors * values[:, None, :], vectors.transpose(0, 2, 1)) * scale)


def damped_step(theta: Array, gradient: Array, curvature: Array, damping: Array, lower: Array, upper: Array) -> Array:
    """The Marquardt step in the coordinates that no bound holds back."""
    held = (lower == upper) | ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    diagonal = np.einsum("mpp->mp", curvature)
    held |= diagonal <= 0
    free = ~held
    matrix = curvature * (free[:, :, None] & free[:, None, :])
    index = np.arange(theta.shape[1])
    matrix[:, index, index] = np.where(held, 1.0, diagonal * (1 + damping[:, None]) + 1e-300)
    scale = 1 / np.sqrt(matrix[:, index, index])
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    scaled[:, index, index] = np.maximum(scaled[:, index, index], 1.0) + 1e-13
    step = np.linalg.solve(scaled, (-gradient * free * scale)[..., None])[..., 0]
    return np.asarray(step * scale)
