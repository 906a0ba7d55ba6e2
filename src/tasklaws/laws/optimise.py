"""Many small bounded minimisations at once: Levenberg-Marquardt on arrays, then Newton."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.batch import Batch, Evaluation, Mask, Problem, Rows
from tasklaws.stats.links import half_item_away

DIFFERENCE = 1e-6  # step of the gradient's differences


# The objective of searches at `theta` (m, p), each of the problem's row `rows` (m); its curvature only where wanted.
Objective = Callable[[Array, Rows, bool], Evaluation]


def minimise(
    problem: Objective,
    theta: Array,
    bounds: Array,
    iterations: int = 100,
    tolerance: float = 1e-9,
    newton: bool = False,
) -> tuple[Array, Array, Mask]:
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


def curve(problem: Objective, theta: Array, rows: Rows, base: Array, upper: Array) -> Array:
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


STARTS = 8  # of the grid's points, searched from
POLISHED = 3  # of the searches' ends, taken to the bottom
CHUNK = 150_000  # numbers in one gradient: what a processor's cache holds
MANY_POINTS = 4_000  # from here on the search runs on every k-th point, and only its best end on all


def search(batch: Batch, weight: Array) -> tuple[Array, Array, Mask]:
    """The ends of the best searches of every curve, best first: coordinates (T, k, P), objectives (T, k), whether at
    rest (T, k)."""
    stride = -(-batch.target.shape[1] // MANY_POINTS)
    if stride > 1:
        theta = search(batch.part(slice(None), stride), weight[:, ::stride])[0][:, :1]
        return descend(batch, theta, weight, iterations=30, tolerance=1e-9, newton=True)
    grid = starts(batch)
    n_tables, n_starts, width = grid.shape
    tables = np.repeat(np.arange(n_tables), n_starts)
    pick = np.arange(n_tables)[:, None]
    theta = solve_linear(batch, grid.reshape(-1, width), tables, weight)
    problem = batch.problem(tables, weight)
    objective = np.concatenate([problem(theta[part], part, False)[0] for part in chunks(batch, len(theta))])
    chosen = best_rows(objective.reshape(n_tables, n_starts), STARTS)
    theta = theta.reshape(n_tables, n_starts, width)[pick, chosen]
    theta, objective, _ = descend(batch, theta, weight, iterations=60, tolerance=1e-6)
    theta = theta[pick, best_rows(objective, POLISHED)]
    theta, objective, rested = descend(batch, theta, weight, iterations=100, tolerance=1e-8)
    theta, objective, fine = descend(batch, theta, weight, iterations=200, tolerance=1e-14, newton=True)
    order = np.argsort(objective, axis=1, kind="stable")
    return theta[pick, order], objective[pick, order], (rested | fine)[pick, order]


def descend(
    batch: Batch, theta: Array, weight: Array, iterations: int, tolerance: float, newton: bool = False
) -> tuple[Array, Array, Mask]:
    """Searches from `theta` (T, k, P) on each curve's own values."""
    shape = theta.shape[:2]
    problem = batch.problem(np.repeat(np.arange(shape[0]), shape[1]), weight)
    found = run(problem, theta.reshape(-1, theta.shape[2]), iterations, tolerance, newton)
    return found[0].reshape(theta.shape), found[1].reshape(shape), found[2].reshape(shape)


def run(
    problem: Problem, theta: Array, iterations: int, tolerance: float, newton: bool = False
) -> tuple[Array, Array, Mask]:
    """`minimise`, in chunks that the cache holds."""

    def one(rows: Rows) -> tuple[Array, Array, Mask]:
        part = problem.part(rows)
        return minimise(part, theta[rows], problem.batch.bounds[part.tables], iterations, tolerance, newton)

    # NumPy's loops run side by side; chunks do not depend on the number of threads.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ends, objectives, rested = zip(*pool.map(one, chunks(problem.batch, len(theta))), strict=True)
    return np.concatenate(ends), np.concatenate(objectives), np.concatenate(rested)


def chunks(batch: Batch, count: int) -> list[Rows]:
    """The numbers of `count` searches, in pieces."""
    size = max(1, CHUNK // (batch.target.shape[1] * batch.bounds.shape[2]))
    return [np.arange(first, min(first + size, count)) for first in range(0, count, size)]


def best_rows(objective: Array, count: int) -> Rows:
    return np.argsort(np.where(np.isfinite(objective), objective, np.inf), axis=1, kind="stable")[:, :count]


def starts(batch: Batch) -> Array:
    """The grid (T, s, P) in search coordinates; linear coordinates are left at their lower bound."""
    law = batch.law
    searched = [index for index, parameter in enumerate(law.parameters) if not parameter.linear]
    points = np.array(list(product(*(law.parameters[index].starts for index in searched))))
    found = np.repeat(batch.bounds[:, :1], len(points), axis=1)
    for column, index in enumerate(searched):
        parameter = law.parameters[index]
        value = points[:, column] + np.zeros((len(batch.level), 1))
        if parameter.place:
            x = batch.x[law.inputs[0]]
            low = np.log(np.where(batch.real, x, np.inf).min(axis=1, keepdims=True))
            high = np.log(np.where(batch.real, x, 0.0).max(axis=1, keepdims=True))
            value = low + value * (high - low)
        elif parameter.log:
            value = np.log(value)
        found[:, :, batch.owner == index] = value[..., None]
    return np.clip(found, batch.bounds[:, :1], batch.bounds[:, 1:])


def solve_linear(batch: Batch, theta: Array, tables: Rows, weight: Array) -> Array:
    """`theta` (m, P) with its linear coordinates at the weighted least squares of the law's value, inside their
    bounds.

    Weights are those of relative errors for losses, of binomial ones for accuracies. What leaves its bounds is put
    there and the rest solved again, which is exact enough for a start."""
    if not batch.linear.any():
        return theta
    lower, upper = batch.bounds[tables, 0], batch.bounds[tables, 1]
    logged = batch.logged & batch.linear
    lower, upper = (np.where(logged, np.exp(np.where(logged, side, 0.0)), side) for side in (lower, upper))
    held = np.broadcast_to(~batch.linear, theta.shape) | (lower == upper)
    plain = np.where(batch.linear, np.clip(0.0, lower, upper), theta)
    if batch.kind == "loss":
        precision = 1 / batch.law_target**2
    else:
        inside = half_item_away(batch.target, batch.n_items)
        precision = batch.n_items / (inside * (1 - inside))
    precision = precision * weight * batch.real
    parts = [
        solve_part(batch, plain[rows], held[rows], lower[rows], upper[rows], tables[rows], precision[tables[rows]])
        for rows in chunks(batch, len(theta))
    ]
    return np.concatenate(parts)


def solve_part(
    batch: Batch, plain: Array, held: Mask, lower: Array, upper: Array, tables: Rows, precision: Array
) -> Array:
    """`solve_linear` for searches whose linear coordinates are `plain`, without logs, where they are `held`."""
    logged = batch.logged & batch.linear
    ones = np.where(logged, 0.0, plain)  # ln 1
    value, slope = batch.law_value(ones, tables)  # linear: the gradient at 1 is the basis
    basis = slope * batch.linear
    at = np.where(logged, 1.0, plain)
    rest = value - np.einsum("mnp,mp->mn", basis, np.where(batch.linear, at, 0.0))
    gram = np.matmul((basis * precision[..., None]).transpose(0, 2, 1), basis)
    moment = np.einsum("mnp,mn->mp", basis, precision * (batch.law_target[tables] - rest))
    index = np.arange(plain.shape[1])
    fixed = held.copy()
    solution = np.where(batch.linear, plain, 0.0)
    for _ in range(3):
        free = ~fixed
        matrix = gram * (free[:, :, None] & free[:, None, :])
        diagonal = matrix[:, index, index]
        matrix[:, index, index] = np.where(free, diagonal * (1 + 1e-10) + 1e-200, 1.0)
        right = moment - np.einsum("mpq,mq->mp", gram, np.where(fixed & batch.linear, solution, 0.0))
        scale = 1 / np.sqrt(matrix[:, index, index])
        scaled = matrix * scale[:, :, None] * scale[:, None, :]
        scaled[:, index, index] += 1e-12
        solved = np.linalg.solve(scaled, (np.where(free, right, 0.0) * scale)[..., None])[..., 0] * scale
        clipped = np.clip(np.where(free, solved, solution), lower, upper)
        solution = np.where(batch.linear, clipped, 0.0)
        outside = free & (solved != clipped)
        if not outside.any():
            break
        fixed |= outside
    solution = np.where(logged, np.log(np.maximum(solution, 1e-300)), solution)
    return np.where(batch.linear, solution, plain)
