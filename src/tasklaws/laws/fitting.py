"""From observations and a law to a Fit."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.assess import assess
from tasklaws.laws.batch import Batch, Mask, Problem, pad
from tasklaws.laws.curve import Points, least_value
from tasklaws.laws.data import choose, choose_axis, points_to_fit, with_compute
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import Law
from tasklaws.laws.optimise import descend, run, search
from tasklaws.laws.outliers import without_outliers
from tasklaws.laws.result import Fit
from tasklaws.laws.status import LossFunction

MOST_REPLICATES = 100_000
BASINS = 2  # that every bootstrap replicate searches
_BASIN_DISTANCE = 1e-3  # in a search coordinate, from where on two ends are different basins
_RIVAL = 0.05  # of the objective: a basin this much worse than the best is no rival to it in a replicate
_MOST_DRAWN = 1e15  # that are drawn: of more the sampling is nothing
FEW = 2_000  # points that a replicate searches at the most, by taking every k-th


def fit(
    observations: pd.DataFrame,
    law: str | Law,
    *,
    task: str | None = None,
    metric: str | None = None,
    axis: str | None = None,
    final: bool = True,
    best_run: bool = False,
    loss_function: LossFunction = "huber",
    seed: int = 0,
    replicates: int = 200,
    level: float = 0.9,
) -> Fit:
    """Fit `law` to the observations of one `task` and `metric` (needed where the table has several): columns value and,
    where they exist, n_params, n_tokens, train_flops, loss, stderr, n_items, chance, weight, is_final, ladder, model.

    Missing n_tokens are train_flops / (6 n_params), missing train_flops 6 n_params n_tokens. Losses, and any positive
    quantity, which may rise: sum of Huber(1e-3) on the log, without the outliers that are worse than the law;
    accuracies: binomial likelihood with n_items, fractional successes being weighted ones, and, where n_items differ,
    weights for beta-binomial overdispersion (Williams 1982). Several ladders share exponents and have scales and floors
    of their own. `axis` is that of a law of one input (default: its own, else train_flops, n_params, n_tokens,
    whichever all rows have). `final` chooses between annealed checkpoints and others. `best_run` takes the best of the
    runs with the same inputs. The `loss_function` of losses is `huber`, `squares` (least squares of logarithms) or
    `one_sided` (Huber's, runs worse than the law counting 0.3: for runs that were not all tuned alike). `replicates`
    bootstrap refits give stderr, correlations and intervals of `level`. Tables that cannot be fitted raise
    TasklawsError. Sources: each law's citation; Hoffmann et al. 2022, arXiv 2203.15556, app. D.2 (Huber); Rubin 1981
    (Bayesian bootstrap); Newey and Powell 1987 (one side).

    >>> import pandas as pd
    >>> sizes = [1e6, 3e6, 1e7, 3e7, 1e8]
    >>> table = pd.DataFrame({"n_params": sizes, "metric": "loss", "value": [2 + 50 * n**-0.25 for n in sizes]})
    >>> found = fit(table, "power", replicates=20)
    >>> str(found.status), round(found.params.get("a"), 3), found.predict([1e9]).round(3).tolist()
    ('converged', 0.25, [2.281])
    """
    if not isinstance(observations, pd.DataFrame):
        raise TasklawsError(f"the observations are a {type(observations).__name__}: give a table, as read_points does")
    if loss_function not in get_args(LossFunction):
        raise TasklawsError(
            f"unknown loss function {loss_function!r}: choose one of {', '.join(get_args(LossFunction))}"
        )
    for name, value in (("seed", seed), ("replicates", replicates)):
        if value < 0:
            raise TasklawsError(f"{name} is {value}: give 0 or more")
    if replicates > MOST_REPLICATES:
        raise TasklawsError(f"replicates is {str(replicates)[:20]}: give at most {MOST_REPLICATES}")
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the intervals is {level}: give a number between 0 and 1")
    return fit_many(
        [choose(observations, task, metric)],
        law,
        axis=axis,
        final=final,
        best_run=best_run,
        loss_function=loss_function,
        seed=seed,
        replicates=replicates,
        level=level,
    )[0]


def fit_many(
    tables: Sequence[pd.DataFrame],
    law: str | Law,
    *,
    axis: str | None = None,
    final: bool = True,
    best_run: bool = False,
    loss_function: LossFunction = "huber",
    seed: int = 0,
    replicates: int = 200,
    level: float = 0.9,
) -> list[Fit]:
    """`fit` for every table, all searched together: the same results, much sooner."""
    if not isinstance(law, Law) and law not in LAWS:
        raise TasklawsError(f"unknown law {law!r}: choose one of {', '.join(LAWS)}")
    form = law if isinstance(law, Law) else LAWS[law]
    chosen = [form.on(axis) if axis is not None else choose_axis(form, with_compute(table)) for table in tables]
    points = [points_to_fit(table, one, final, best_run) for table, one in zip(tables, chosen, strict=True)]
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, (curve, one) in enumerate(zip(points, chosen, strict=True)):
        size = len(curve.value).bit_length()  # alike ones are padded together
        groups.setdefault((one.inputs, curve.kind, curve.better, len(curve.ladders), size), []).append(index)
    fits: dict[int, Fit] = {}
    for members in groups.values():
        batch = Batch.of(chosen[members[0]], [points[index] for index in members], loss_function)
        found = fit_batch(batch, [points[index] for index in members], loss_function, seed, replicates, level)
        fits.update(zip(members, found, strict=True))
    return [fits[index] for index in range(len(tables))]


def fit_batch(
    batch: Batch, curves: list[Points], loss_function: LossFunction, seed: int, replicates: int, level: float
) -> list[Fit]:
    given = pad([curve.weight for curve in curves], 0.0)
    weight = given
    theta, objective, rested = search(batch, weight)
    dispersion = np.zeros(len(curves))
    far = np.zeros_like(batch.real)
    if batch.kind == "loss":
        theta, objective, rested, weight, far = without_outliers(batch, curves, theta, objective, rested, weight)
    else:
        dispersion = overdispersion(batch, theta[:, 0])
        uneven = np.ptp(np.where(batch.real, batch.n_items, batch.n_items[:, :1]), axis=1) > 0
        weight = given / (1 + (batch.n_items - 1) * np.where(uneven, dispersion, 0.0)[:, None])
        theta, objective, rested = descend(batch, theta, weight, iterations=100, tolerance=1e-14)
    fitted, _ = batch.model(theta[:, 0], np.arange(len(curves)))
    draws = redraw(batch, curves, weight, theta, objective, seed, replicates)
    fits = []
    for table, curve in enumerate(curves):
        counted = batch.real[table] & (weight[table] > 0)
        status, reason, at_bounds = assess(batch, table, theta[table, 0], bool(rested[table, 0]), counted)
        fits.append(
            Fit(
                law=batch.law,
                kind=curve.kind,
                metric=curve.metric,
                task=curve.task,
                better=curve.better,
                chance=curve.chance,
                ladders=curve.ladders,
                theta=batch.natural(theta[table, 0], table),
                draws=batch.natural(draws[table], table),
                status=status,
                reason=reason,
                at_bounds=at_bounds,
                points=fitted_points(curve, fitted[table][batch.real[table]] * batch.level[table], far[table]),
                left_out=curve.left_out,
                objective=max(float(objective[table, 0]), 0.0),
                overdispersion=float(dispersion[table]),
                level=level,
                loss_function=loss_function,
                notes=curve.notes,
            )
        )
    return fits


def fitted_points(curve: Points, fitted: Array, outlier: Mask) -> pd.DataFrame:
    """Each point beside what the law says there; see `Fit` for the columns."""
    loss = curve.kind == "loss"
    residual = np.log(curve.value / np.maximum(fitted, least_value(curve.value))) if loss else curve.value - fitted
    ladders = [curve.ladders[number] for number in curve.ladder]
    names = {"model": curve.model} if curve.model else {}
    weight = {} if (curve.weight == 1).all() else {"weight": curve.weight}
    columns = {"row": curve.index, **names, "ladder": ladders, **curve.x, **weight, "value": curve.value}
    return pd.DataFrame({**columns, "fitted": fitted, "residual": residual, "outlier": outlier[: len(residual)]})


def redraw(
    batch: Batch, curves: list[Points], weight: Array, theta: Array, objective: Array, seed: int, replicates: int
) -> Array:
    """Coordinates (T, replicates, P) of every curve's bootstrap refits, each the best from the few basins found."""
    n_tables, n_points = batch.target.shape
    if not replicates:
        return np.empty((n_tables, 0, batch.bounds.shape[2]))
    stride = -(-n_points // FEW)
    found = np.empty((n_tables, replicates, batch.bounds.shape[2]))
    for table, curve in enumerate(curves):
        starts = basins(theta[table], objective[table])
        value, draw = resample(curve, replicates, seed)
        missing = ((0, 0), (0, n_points - value.shape[1]))
        target = np.pad(value / batch.level[table], missing, constant_values=1.0)
        weights = np.pad(draw, missing) * weight[table]
        one = batch.part(slice(table, table + 1), stride)
        repeat = np.repeat(np.arange(replicates), len(starts))
        own = np.zeros(len(repeat), dtype=np.intp)
        problem = Problem(one, own, target[repeat, ::stride], weights[repeat, ::stride], one.delta)
        ends, values, _ = refit(problem, np.tile(starts, (replicates, 1)))
        best = values.reshape(replicates, -1).argmin(axis=1)
        found[table] = ends.reshape(replicates, len(starts), -1)[np.arange(replicates), best]
        if stride > 1:  # a sample of n / stride points varies stride times as much (m out of n bootstrap)
            found[table] = theta[table, 0] + (found[table] - found[table].mean(axis=0)) / np.sqrt(stride)
    return found


def refit(problem: Problem, starts: Array) -> tuple[Array, Array, Mask]:
    """Searches of bootstrap replicates from near their ends."""
    found = run(problem, starts, iterations=40, tolerance=1e-5)
    return run(problem, found[0], iterations=25, tolerance=1e-7, newton=problem.batch.kind == "loss")


def basins(theta: Array, objective: Array) -> Array:
    """The best ends that differ from each other."""
    kept = [theta[0]]
    for end, value in zip(theta[1:], objective[1:], strict=True):
        rival = value <= objective[0] * (1 + _RIVAL) + 1e-12
        if rival and len(kept) < BASINS and all(np.abs(end - other).max() > _BASIN_DISTANCE for other in kept):
            kept.append(end)
    return np.array(kept)


def overdispersion(batch: Batch, theta: Array) -> Array:
    """The beta-binomial's correlation between items rho (T), by moments: Pearson's statistic with variances
    p (1 - p) (1 + (n - 1) rho) / n equals its degrees of freedom (Williams 1982, Applied Statistics 31, 144)."""
    model, _ = batch.model(theta, np.arange(len(theta)))
    inside = np.clip(model, 1e-6, 1 - 1e-6)
    squares = (batch.target - model) ** 2 * batch.n_items / (inside * (1 - inside))
    free = (batch.bounds[:, 0] < batch.bounds[:, 1]).sum(axis=1)
    found = np.zeros(len(theta))
    for table, real in enumerate(batch.real):
        degrees = int(real.sum() - free[table])
        terms, extra = squares[table][real], batch.n_items[table][real] - 1

        def excess(rho: float, terms: Array = terms, extra: Array = extra, degrees: int = degrees) -> float:
            return float((terms / (1 + extra * rho)).sum() - degrees)

        if degrees > 0 and excess(0.0) > 0:
            found[table] = brentq(excess, 0.0, 1.0) if excess(1.0) < 0 else 1.0
    return found


def resample(curve: Points, replicates: int, seed: int) -> tuple[Array, Array]:
    """Values and weights of `replicates` resampled curves, each of shape (replicates, n).

    Rungs (models, with all their points) get exponential weights (Bayesian bootstrap, Rubin 1981): drawing six rungs
    with replacement would leave the laws unidentified in most replicates. Values are drawn binomially (accuracies) or
    with their stderr (losses; where that is unknown they stay)."""
    rng = np.random.default_rng(seed)
    n_rungs = int(curve.cluster.max()) + 1
    weight = rng.exponential(size=(replicates, n_rungs))
    weight *= n_rungs / weight.sum(axis=1, keepdims=True)
    shape = (replicates, len(curve.value))
    if curve.kind == "accuracy":
        items = np.clip(np.round(curve.n_items), 1, _MOST_DRAWN).astype(int)
        value = rng.binomial(items, curve.value, shape) / items
    else:
        relative = np.where(np.isfinite(curve.stderr), curve.stderr, 0.0) / curve.value
        value = np.maximum(curve.value * np.exp(relative * rng.standard_normal(shape)), least_value(curve.value))
    return value, weight[:, curve.cluster]
