"""Many small bounded fits at once: Levenberg-Marquardt on arrays, and the two objectives that it
minimises."""

from collections.abc import Callable

import numpy as np
from scipy.special import xlogy

from tasklaws.laws.curve import LOSS_FLOOR, Array, Curve, smooth

Evaluation = tuple[Array, Array, Array]  # objective (m), its gradient (m, p), its approximate curvature (m, p, p)


def deviance(value: Array, gradient: Array, target: Array, weight: Array, n_items: Array) -> Evaluation:
    """Binomial deviance / 2, summed over points: 0 for a perfect fit; fractional successes are weighted
    ones."""
    shrink = n_items / (n_items + 1)
    seen, model = smooth(target, n_items), smooth(value, n_items)
    objective = weight * n_items * (
        xlogy(seen, seen / model) + xlogy(1 - seen, (1 - seen) / (1 - model))
    )  # fmt: skip
    precision = weight * n_items / (model * (1 - model))
    return assemble(objective, precision * shrink * (model - seen), precision * shrink**2, gradient)


def huber_log(value: Array, gradient: Array, target: Array, weight: Array, delta: float) -> Evaluation:
    """Huber loss of the difference of logarithms, summed over points (Hoffmann et al. 2022)."""
    inside = np.maximum(value, LOSS_FLOOR)
    residual = np.log(inside) - np.log(np.maximum(target, LOSS_FLOOR))
    size = np.abs(residual)
    objective = weight * np.where(size <= delta, residual**2 / 2, delta * (size - delta / 2))
    pull = weight * np.clip(residual, -delta, delta)
    stiffness = weight * delta / np.maximum(size, delta)
    slope = (value > LOSS_FLOOR) / inside
    return assemble(objective, pull * slope, stiffness * slope**2, gradient)


def assemble(objective: Array, first: Array, second: Array, gradient: Array) -> Evaluation:
    pull = np.einsum("mn,mnp->mp", first, gradient)
    scaled = gradient * second[..., None]
    return objective.sum(axis=1), pull, np.matmul(scaled.transpose(0, 2, 1), gradient)


def evaluate(curve: Curve, delta: float, value: Array, gradient: Array, target: Array, weight: Array) -> Evaluation:
    """The objective of `curve`'s kind, where the rows of `target` and `weight` take the place of its
    values."""
    if curve.kind == "loss":
        return huber_log(value, gradient, target, weight, delta)
    return deviance(value, gradient, target, weight, curve.n_items)


def minimise(
    problem: Callable[[Array, np.ndarray], Evaluation],
    theta: Array,
    bounds: Array,
    iterations: int = 200,
    tolerance: float = 1e-11,
) -> tuple[Array, Array, np.ndarray]:
    """Minimise `problem(theta[rows], rows)` for every row of `theta` (m, p) inside `bounds` (2, p).

    Returns the best theta, its objective, and whether the search came to rest: no step made the objective
    smaller by more than `tolerance` of itself."""
    lower, upper = bounds
    best = np.clip(theta, lower, upper)
    objective, gradient, curvature = problem(best, np.arange(len(best)))
    damping = np.full(len(best), 1e-3)
    active = np.isfinite(objective)
    for _ in range(iterations):
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        here = best[rows]
        step = damped_step(here, gradient[rows], curvature[rows], damping[rows], bounds)
        trial = np.clip(here + step, lower, upper)
        value, slope, bend = problem(trial, rows)
        gain = objective[rows] - value
        better = np.isfinite(value) & (gain > 0)
        winners = rows[better]
        best[winners], objective[winners] = trial[better], value[better]
        gradient[winners], curvature[winners] = slope[better], bend[better]
        settled = better & (gain <= tolerance * np.abs(objective[rows]) + 1e-300) & (damping[rows] < 1)
        damping[rows] = np.clip(np.where(better, damping[rows] / 5, damping[rows] * 4), 1e-12, None)
        still = np.abs(trial - here).max(axis=1) <= 1e-13 * (1 + np.abs(here).max(axis=1))
        active[rows[settled | still | (damping[rows] > 1e10)]] = False
    return best, objective, ~active & np.isfinite(objective)


def damped_step(theta: Array, gradient: Array, curvature: Array, damping: Array, bounds: Array) -> Array:
    """The Marquardt step in the coordinates that no bound holds back."""
    lower, upper = bounds
    held = (lower == upper) | ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    diagonal = np.einsum("mpp->mp", curvature)
    held |= diagonal <= 0
    free = ~held
    matrix = curvature * (free[:, :, None] & free[:, None, :])
    index = np.arange(theta.shape[1])
    matrix[:, index, index] = np.where(held, 1.0, diagonal * (1 + damping[:, None]) + 1e-300)
    scale = 1 / np.sqrt(matrix[:, index, index])
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    step = np.linalg.solve(scaled, (-gradient * free * scale)[..., None])[..., 0]
    return np.asarray(step * scale)
