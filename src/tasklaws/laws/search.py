"""Multi-start: a grid of the parameters that are not linear, the linear ones solved inside, the best of them searched
on."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

from tasklaws.laws.batch import Batch, Mask, Problem, Rows
from tasklaws.laws.law import Array
from tasklaws.laws.objective import smooth
from tasklaws.laws.optimise import minimise

STARTS = 8  # of the grid's points, searched from
POLISHED = 3  # of the searches' ends, taken to the bottom
CHUNK = 150_000  # numbers in one gradient: what a processor's cache holds
MANY_POINTS = 4_000  # from here on the search runs on every k-th point, and only its best end on all


def search(batch: Batch, weight: Array) -> tuple[Array, Array, Mask]:
    """The ends of the best searches of every curve, best first: coordinates (T, k, P), objectives (T, k), whether at
    rest (T, k)."""
    stride = -(-batch.target.shape[1] // MANY_POINTS)
    theta, objective, rested = search_all(batch.part(slice(None), stride), weight[:, ::stride])
    if stride > 1:
        theta, objective, rested = descend(batch, theta[:, :1], weight, iterations=30, tolerance=1e-9, newton=True)
    return theta, objective, rested


def search_all(batch: Batch, weight: Array) -> tuple[Array, Array, Mask]:
    """`search` with every point in every step."""
    grid = starts(batch)
    n_tables, n_starts, width = grid.shape
    tables = np.repeat(np.arange(n_tables), n_starts)
    pick = np.arange(n_tables)[:, None]
    theta = solve_linear(batch, grid.reshape(-1, width), tables, weight)
    problem = curves(batch, tables, weight)
    objective = np.concatenate([problem(theta[part], part, False)[0] for part in chunks(len(theta), problem)])
    chosen = best_rows(objective.reshape(n_tables, n_starts), STARTS)
    theta = theta.reshape(n_tables, n_starts, width)[pick, chosen]
    theta, objective, _ = descend(batch, theta, weight, iterations=60, tolerance=1e-6)
    theta = theta[pick, best_rows(objective, POLISHED)]
    theta, objective, rested = descend(batch, theta, weight, iterations=100, tolerance=1e-8)
    theta, objective, fine = descend(batch, theta, weight, iterations=200, tolerance=1e-14, newton=True)
    rested |= fine
    order = np.argsort(objective, axis=1, kind="stable")
    return theta[pick, order], objective[pick, order], rested[pick, order]


def descend(
    batch: Batch, theta: Array, weight: Array, iterations: int, tolerance: float, newton: bool = False
) -> tuple[Array, Array, Mask]:
    """Searches from `theta` (T, k, P) on each curve's own values."""
    shape = theta.shape[:2]
    tables = np.repeat(np.arange(shape[0]), shape[1])
    found = run(curves(batch, tables, weight), theta.reshape(-1, theta.shape[2]), iterations, tolerance, newton)
    return found[0].reshape(theta.shape), found[1].reshape(shape), found[2].reshape(shape)


def run(
    problem: Problem, theta: Array, iterations: int, tolerance: float, newton: bool = False
) -> tuple[Array, Array, Mask]:
    """`minimise`, in chunks that the cache holds."""

    def one(rows: Rows) -> tuple[Array, Array, Mask]:
        part = problem.part(rows)
        bounds = problem.batch.bounds[part.tables]
        return minimise(part, theta[rows], bounds, iterations, tolerance, newton)

    with ThreadPoolExecutor(
        os.cpu_count()
    ) as pool:  # NumPy's loops run side by side; chunks do not depend on the count
        found = list(pool.map(one, chunks(len(theta), problem)))
    ends, objectives, rested = zip(*found, strict=True)
    return np.concatenate(ends), np.concatenate(objectives), np.concatenate(rested)


def chunks(count: int, problem: Problem) -> list[Rows]:
    size = max(1, CHUNK // (problem.target.shape[1] * problem.batch.bounds.shape[2]))
    return [np.arange(first, min(first + size, count)) for first in range(0, count, size)]


def curves(batch: Batch, tables: Rows, weight: Array) -> Problem:
    return Problem(batch, tables, batch.target[tables], (weight * batch.real)[tables])


def best_rows(objective: Array, count: int) -> Rows:
    return np.argsort(np.where(np.isfinite(objective), objective, np.inf), axis=1, kind="stable")[:, :count]


def starts(batch: Batch) -> Array:
    """The grid (T, s, P) in search coordinates; linear coordinates are left at their lower bound."""
    law = batch.law
    named = law.starts()
    points = list(product(*named.values()))
    grid = np.array(points).reshape(len(points), len(named))
    found = np.repeat(batch.bounds[:, :1], len(grid), axis=1)
    for column, name in enumerate(named):
        index = law.names.index(name)
        parameter = law.parameters[index]
        value = grid[:, column] + np.zeros((len(batch.level), 1))
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
        inside = smooth(batch.target, batch.n_items)
        precision = batch.n_items / (inside * (1 - inside))
    precision = precision * weight * batch.real
    found = theta.copy()
    problem = curves(batch, tables, weight)
    for rows in chunks(len(theta), problem):
        found[rows] = solve_part(
            batch, plain[rows], held[rows], lower[rows], upper[rows], tables[rows], precision[tables[rows]]
        )
    return found


def solve_part(
    batch: Batch, plain: Array, held: Mask, lower: Array, upper: Array, tables: Rows, precision: Array
) -> Array:
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
