"""The Chinchilla surfaces that points allow where they do not determine one."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import fdtri

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.assess import LEAST_SPREAD
from tasklaws.laws.batch import SQUARE, Batch, Problem, curve_bounds, places
from tasklaws.laws.forms.chinchilla import CHINCHILLA, SURFACE_EXPONENTS
from tasklaws.laws.law import LOSS_FLOOR, Law, Parameter
from tasklaws.laws.optimise import run, search
from tasklaws.laws.result import Fit

Numbers = tuple[float, float, float, float, float]  # E, A, B, alpha, beta
_BEYOND = 1e3  # the factor either way from a plan's size within which others are tried
_TRIED = 49  # tried in that range
_FLOORS = 21  # tried from 0 to the lowest loss
_MOST_POINTS = 2_000  # that a profile looks at, by taking every k-th


def _slope_at_optimum(
    n: Array, d: Array, share: Array, floor: Array, slope: Array, alpha: Array, beta: Array
) -> tuple[Array, ...]:
    log_n, log_d = np.log(n), np.log(d)
    part_n, part_d = np.exp(-alpha * log_n) / alpha, np.exp(-beta * log_d) / (beta * share)
    by_alpha, by_beta = -part_n * (log_n + 1 / alpha), -part_d * (log_d + 1 / beta)
    total = part_n + part_d
    return floor + slope * total, np.ones_like(total), total, slope * by_alpha, slope * by_beta


_ALPHA = Parameter("alpha", "1", 0.01, 3.0, SURFACE_EXPONENTS)
# A surface by its optimum: at N* and D* the loss falls as fast by ln N as by ln D, each by its share of the cost.
_OPTIMUM = Law(
    name="optimum",
    formula="E + g ((N / N*)^-alpha / alpha + (D / D*)^-beta / (beta k)), k = 1 + served / (3 D*)",
    citation="none: Hoffmann et al. 2022, arXiv 2203.15556, eqs. 2 and 4, written about the optimum",
    inputs=("n_params", "n_tokens", "served"),
    parameters=(
        LOSS_FLOOR,
        Parameter("g", "value", 1e-12, 1e4, log=True, linear=True),
        _ALPHA,
        replace(_ALPHA, name="beta"),
    ),
    curve=_slope_at_optimum,
)


def allowed_surfaces(fit: Fit, n_params: float, n_tokens: float, served: float) -> list[Numbers]:
    """Surfaces that fit the points of a fit of `chinchilla` as well as the best one, by a likelihood ratio at its
    level: of the surfaces with their optimum at sizes around `n_params`, at the cost of the plan `n_params`, `n_tokens`
    and `served` tokens served, and of those with floors from 0 to the lowest loss.

    Sources: profile likelihood, Venzon and Moolgavkar 1988, Applied Statistics 37, 87. No more points than parameters,
    and points that allow sizes a thousand times off, raise TasklawsError with the reason."""
    points = fit.points[~fit.failed]
    free = len(points[["n_params", "n_tokens"]].drop_duplicates()) - len(CHINCHILLA.parameters)
    if free < 1:
        raise TasklawsError("it has no more points than parameters, which allow any plan")
    points = points.iloc[:: -(-len(points) // _MOST_POINTS)]
    sizes = n_params * np.geomspace(1 / _BEYOND, _BEYOND, _TRIED)
    tokens = ((6 * n_params * n_tokens + 2 * n_params * served) / sizes - 2 * served) / 6
    sizes, tokens = sizes[tokens > 0], tokens[tokens > 0]
    by_size, misfit_by_size = _with_optimum(points, sizes, tokens, 1 + served / (3 * tokens))
    by_floor, misfit_by_floor = _with_floor(points, np.linspace(0.0, 1.0, _FLOORS, endpoint=False))
    misfit = np.concatenate([misfit_by_size, misfit_by_floor])
    least = max(float(misfit.min()), len(points) * LEAST_SPREAD**2)
    allowed = misfit <= least * (1 + float(fdtri(1, free, fit.level)) / free)
    if allowed[0] or allowed[len(sizes) - 1]:
        raise TasklawsError(f"its points allow sizes down to {sizes[0]:.2g} or up to {sizes[-1]:.2g} parameters")
    return [_numbers(row) for row in np.concatenate([by_size, by_floor])[allowed]]


def _numbers(row: Array) -> Numbers:
    floor, size, data, alpha, beta = row.tolist()
    return floor, size, data, alpha, beta


def _with_optimum(points: pd.DataFrame, sizes: Array, tokens: Array, share: Array) -> tuple[Array, Array]:
    """The best surfaces (K, 5) whose optimum lies at each of K sizes and tokens, and their sums of squares."""
    x = {
        "n_params": points["n_params"].to_numpy()[None] / sizes[:, None],
        "n_tokens": points["n_tokens"].to_numpy()[None] / tokens[:, None],
    }
    x["served"] = np.broadcast_to(share[:, None], x["n_params"].shape)
    batch = _batch(_OPTIMUM, points, x, dict.fromkeys(x, np.ones(len(sizes))))
    theta, misfit = _least_squares(batch, points)
    floor, slope, alpha, beta = batch.parameters(theta).T
    slope = slope * batch.level
    found = [floor * batch.level, slope / alpha * sizes**alpha, slope / (beta * share) * tokens**beta, alpha, beta]
    return np.stack(found, axis=1), misfit


def _with_floor(points: pd.DataFrame, shares: Array) -> tuple[Array, Array]:
    """The best surfaces (K, 5) whose floor is each of K `shares` of the lowest loss, and their sums of squares."""
    scale = {name: np.exp(np.log(points[name]).mean()) for name in CHINCHILLA.inputs}
    x = {name: np.repeat(points[name].to_numpy()[None] / size, len(shares), axis=0) for name, size in scale.items()}
    batch = _batch(CHINCHILLA, points, x, {name: np.full(len(shares), size) for name, size in scale.items()})
    bounds = batch.bounds.copy()
    bounds[:, :, 0] = (shares * points["value"].min() / points["value"].max())[:, None]
    batch = replace(batch, bounds=bounds)
    theta, misfit = _least_squares(batch, points)
    return np.stack([batch.natural(one, table)[0] for table, one in enumerate(theta)]), misfit


def _batch(law: Law, points: pd.DataFrame, x: dict[str, Array], scale: dict[str, Array]) -> Batch:
    """The same losses as K curves, whose inputs are `x` (K, n)."""
    count, level = len(x["n_params"]), float(points["value"].max())
    shape = (count, len(points))
    bounds = curve_bounds(law, "loss", None, x["n_params"][0])
    return Batch(
        law=law,
        kind="loss",
        n_ladders=1,
        x=x,
        target=np.broadcast_to(points["value"].to_numpy() / level, shape),
        n_items=np.ones(shape),
        real=np.ones(shape, dtype=bool),
        ladder=np.zeros(shape, dtype=np.intp),
        chance=(None,) * count,
        scale=scale,
        level=np.full(count, level),
        bounds=np.repeat(bounds[None, :, places(law, 1)[1]], count, axis=0),
    )


def _least_squares(batch: Batch, points: pd.DataFrame) -> tuple[Array, Array]:
    """The coordinates (K, P) of the curves' least squares of log losses, and their sums."""
    weight = points["weight"].to_numpy() if "weight" in points else np.ones(len(points))
    weight = np.broadcast_to(weight, batch.target.shape)
    tables = np.arange(len(batch.level))
    start = search(batch, weight)[0][:, 0]
    theta, half, _ = run(Problem(batch, tables, batch.target, weight, SQUARE), start, iterations=100, tolerance=1e-10)
    return theta, 2 * half
