"""Few factors behind many tasks and models, with missing cells: forecasts of new models from what is known of them.

A value is z_tm = b_t + a_t . theta_m + r_tm + e_tm: a task's level and loadings, a model's few factors, what alike
models share in one task, and noise. Each factor is a Gaussian process over models, theta_k ~ N(0, sum_c h_kc Q_c),
whose kernels Q_c say which models are alike (size, date, maker; one is a model's own deviation); r_t likewise, with
kernels of its own. (b_t, a_t) are drawn from one normal of all tasks. All variances are learned: variational Bayes in
closed forms, q(theta) q(b, a, r) (Bishop 2006, ch. 10 and 12.2; Luttinen and Ilin 2009, Gaussian process factors)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from tasklaws.core.arrays import Array

_RIDGE = 1e-6
Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Kernels:
    """Kernels (kernels, models, models) over known models, followed by the wanted ones, the variances that are
    expected of each, and how many observations' worth of belief that expectation has."""

    matrices: Array
    variances: Array
    belief: float

    def ranks(self, count: int) -> Array:
        """How many independent effects each kernel has among the first `count` models."""
        found = [np.linalg.matrix_rank(matrix[:count, :count], hermitian=True) for matrix in self.matrices]
        return np.array(found, dtype=float)


@dataclass(frozen=True, eq=False)
class Factors:
    """Forecasts on the scale of z, each (tasks, targets): `mean`, `sd`; the part of the error that tasks have in
    common is `shared` (tasks, targets, rank): the covariance of two tasks' errors is the product of their rows."""

    mean: Array
    sd: Array
    shared: Array


@dataclass(eq=False)
class _Tasks:
    """What is believed of tasks: `coefficients` (tasks, 1 + rank) with their covariance, the mean and covariance of all
    tasks' ones, `noise` variances, and `alike` variances of the kernels of r."""

    coefficients: Array
    covariance: Array
    centre: Array
    spread: Array
    noise: Array
    alike: Array
    usual_noise: float


@dataclass(eq=False)
class _Models:
    """What is believed of the known models' factors: `mean` (rank, models), `covariance` (rank, models, rank, models),
    and `variances` (rank, kernels)."""

    mean: Array
    covariance: Array
    variances: Array

    def blocks(self) -> Array:
        """Each model's covariance, (models, rank, rank)."""
        return np.asarray(np.einsum("kmlm->mkl", self.covariance))


def forecast_targets(
    z: Array,
    variance: Array,
    over_models: Kernels,
    within_task: Kernels,
    rank: int,
    rounds: int,
    censored: NDArray[np.bool_] | None = None,
) -> Factors:
    """Forecast every task at the wanted models.

    `z` (tasks, known models) with NaN where unknown; `variance` is the part of its noise that is known, that of
    sampling. Of `censored` values it is known but that they are no more than z. Kernels are over known models and,
    behind them, the wanted ones."""
    n_known = z.shape[1]
    patterns = list(_patterns(z))
    tasks, models = _start(z, over_models, within_task, rank)
    ranks = over_models.ranks(n_known), within_task.ranks(n_known)
    limit, sampled = z, variance
    for _ in range(rounds):
        residual = _update_tasks(z, variance, models, tasks, within_task, ranks[1], patterns)
        _update_models(z - residual, variance, models, tasks, over_models, ranks[0])
        if censored is not None and censored.any():
            expected = tasks.coefficients[:, :1] + tasks.coefficients[:, 1:] @ models.mean + residual
            z, variance = _below(limit, sampled, expected, tasks.noise[:, None], censored)
    return _predict(z, variance, models, tasks, over_models, within_task, patterns)


def _below(
    limit: Array, sampled: Array, expected: Array, noise: Array, censored: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Values and variances of normal observations that say of an expected value what "z <= limit" does, to the second
    order: ln Phi(x), x = (limit - expected) / s, has the slope -q / s and the curvature -q (q + x) / s^2 in `expected`,
    q = phi(x) / Phi(x)."""
    sd = np.sqrt(noise + sampled)
    x = np.clip((limit - expected) / sd, -30, 30)
    q = np.exp(-0.5 * x**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(x))
    precision = np.maximum(q * (q + x), 1e-6) / sd**2
    z = np.where(censored, expected - q / sd / precision, limit)
    return z, np.where(censored, np.maximum(1 / precision - noise, 0.0), sampled)


def _patterns(z: Array) -> Iterator[tuple[Rows, Rows]]:
    """Tasks that were asked of the same models, with these models: their matrices are inverted together."""
    there = np.isfinite(z)
    kinds, where = np.unique(there, axis=0, return_inverse=True)
    for index, kind in enumerate(kinds):
        yield np.flatnonzero(where.ravel() == index), np.flatnonzero(kind)


def _start(z: Array, over_models: Kernels, within_task: Kernels, rank: int) -> tuple[_Tasks, _Models]:
    """Principal components of what is left of task and model means, missing cells counting as 0."""
    there = np.isfinite(z)
    level = np.nanmean(z, axis=1)
    left = np.where(there, z - level[:, None], 0.0)
    factors = np.zeros((rank, z.shape[1]))
    for index in range(rank):
        score = left.sum(axis=0) / (there.sum(axis=0) + 1.0)
        if index:
            score = np.linalg.svd(left, full_matrices=False)[2][0]
        score = (score - score.mean()) / max(float(score.std()), 1e-9)
        load = (left @ score) / (there @ score**2 + 1.0)
        left = np.where(there, left - load[:, None] * score, 0.0)
        factors[index] = score
    usual = max(float((left**2).sum() / there.sum()), 1e-3)
    size = 1 + rank
    spread = np.diag([1.0, *[0.3] * rank])
    n_models = z.shape[1]
    tasks = _Tasks(
        coefficients=np.zeros((len(z), size)),
        covariance=np.zeros((len(z), size, size)),
        centre=np.array([float(np.nanmean(z)), *[0.0] * rank]),
        spread=spread,
        noise=np.full(len(z), usual),
        alike=within_task.variances.copy() * usual,
        usual_noise=usual,
    )
    covariance: Array = np.zeros((rank, n_models, rank, n_models))
    for index in range(rank):
        covariance[index, np.arange(n_models), index, np.arange(n_models)] = 0.1
    models = _Models(factors, covariance, np.tile(over_models.variances, (rank, 1)))
    return tasks, models


def _moments(matrices: Array, variances: Array, ranks: Array, inverse: Array, second: Array) -> Array:
    """E[w'w] of the effects w of each kernel, x = sum_c F_c w_c, F_c F_c' = Q_c, given E[x x'] = `second`:
    h^2 tr(Q K^-1 (E[x x'] - K) K^-1) + h rank, with K = sum h Q and its inverse."""
    middle = inverse @ second @ inverse - inverse
    return np.asarray(variances**2 * np.einsum("cij,...ji->...c", matrices, middle) + variances * ranks)


def _update_tasks(
    z: Array,
    variance: Array,
    models: _Models,
    tasks: _Tasks,
    within: Kernels,
    ranks: Array,
    patterns: Sequence[tuple[Rows, Rows]],
) -> Array:
    """Update what is believed of tasks; returns E[r] (tasks, known models), 0 where z is unknown."""
    blocks = models.blocks()
    prior = np.linalg.inv(tasks.spread)
    found = np.zeros_like(z)
    seen = np.zeros(len(tasks.alike))
    effects = np.zeros(len(tasks.alike))
    noise = np.zeros(len(z))
    for rows, columns in patterns:
        kernel = within.matrices[:, columns[:, None], columns]
        inverse = np.linalg.inv(_task_covariance(kernel, tasks, variance, rows, columns))
        design = np.vstack([np.ones(len(columns)), models.mean[:, columns]]).T
        precision = design.T @ inverse @ design + prior
        diagonal = np.einsum("tii->ti", inverse)
        precision[:, 1:, 1:] += np.einsum("tm,mkl->tkl", diagonal, blocks[columns])
        known = z[np.ix_(rows, columns)]
        right = np.einsum("mk,tmn,tn->tk", design, inverse, known) + prior @ tasks.centre
        covariance = np.linalg.inv(precision)
        coefficients = np.einsum("tkl,tl->tk", covariance, right)
        left = known - coefficients @ design.T
        weighed = np.einsum("tmn,tn->tm", inverse, left)
        found[np.ix_(rows, columns)] = np.einsum("c,cmn,tn->tm", tasks.alike, kernel, weighed)
        tasks.coefficients[rows], tasks.covariance[rows] = coefficients, covariance
        second = left[:, :, None] * left[:, None, :] + np.einsum("mk,tkl,nl->tmn", design, covariance, design)
        own = _own_variance(coefficients, covariance, blocks[columns])
        second[:, np.arange(len(columns)), np.arange(len(columns))] += own
        middle = inverse @ second @ inverse - inverse
        counted = ranks * (len(columns) / z.shape[1])
        effects += tasks.alike**2 * np.einsum("cij,tji->c", kernel, middle) + tasks.alike * counted * len(rows)
        seen += counted * len(rows)
        variances = tasks.noise[rows]
        noise[rows] = variances**2 * np.einsum("tii->t", middle) + variances * len(columns)
    count = np.isfinite(z).sum(axis=1)
    expected = within.variances * tasks.usual_noise
    tasks.alike = np.maximum((effects + within.belief * expected) / (seen + within.belief), _RIDGE)
    tasks.usual_noise = max(float((noise.sum() + 0.01) / (count.sum() + 1)), 1e-4)
    tasks.noise = np.maximum((noise + 4 * tasks.usual_noise) / (count + 4), 1e-4)
    tasks.centre = tasks.coefficients.mean(axis=0)
    off = tasks.coefficients - tasks.centre
    size = len(tasks.centre)
    expected_spread = np.diag([1.0, *[0.1] * (size - 1)])
    tasks.spread = (off.T @ off + tasks.covariance.sum(axis=0) + size * expected_spread) / (len(z) + size)
    return found


def _task_covariance(kernel: Array, tasks: _Tasks, variance: Array, rows: Rows, columns: Rows) -> Array:
    """Of the values of some tasks, all asked of the same models: (rows, models, models)."""
    full = np.repeat(np.einsum("c,cmn->mn", tasks.alike, kernel)[None], len(rows), axis=0)
    place = np.arange(len(columns))
    full[:, place, place] += tasks.noise[rows, None] + variance[np.ix_(rows, columns)]
    return full


def _own_variance(coefficients: Array, covariance: Array, blocks: Array) -> Array:
    """Variance of a_t . theta_m that comes of theta's uncertainty, (tasks, models)."""
    second = covariance[:, 1:, 1:] + coefficients[:, 1:, None] * coefficients[:, None, 1:]
    return np.asarray(np.einsum("tkl,mkl->tm", second, blocks))


def _update_models(z: Array, variance: Array, models: _Models, tasks: _Tasks, over: Kernels, ranks: Array) -> None:
    """Update what is believed of the models' factors, from z less E[r]."""
    rank, n_models = models.mean.shape
    there = np.isfinite(z)
    weight = np.where(there, 1 / (tasks.noise[:, None] + variance), 0.0)
    loading, level = tasks.coefficients[:, 1:], tasks.coefficients[:, 0]
    second = tasks.covariance[:, 1:, 1:] + loading[:, :, None] * loading[:, None, :]
    shift = tasks.covariance[:, 0, 1:]  # of level with loadings
    precision = np.einsum("tm,tkl->mkl", weight, second)
    left = np.where(there, z - level[:, None], 0.0)
    right = np.einsum("tm,tk->km", weight * left, loading) - np.einsum("tm,tk->km", weight, shift)
    matrices = over.matrices[:, :n_models, :n_models]
    priors = np.einsum("kc,cmn->kmn", models.variances, matrices)
    inverses = np.linalg.inv(priors + _RIDGE * np.eye(n_models))
    full = np.zeros((rank, n_models, rank, n_models))
    place = np.arange(n_models)
    for one in range(rank):
        full[one, :, one, :] += inverses[one]
        for other in range(rank):
            full[one, place, other, place] += precision[:, one, other]
    size = rank * n_models
    covariance = np.linalg.inv(full.reshape(size, size))
    models.mean = (covariance @ right.ravel()).reshape(rank, n_models)
    models.covariance = np.asarray(covariance.reshape(rank, n_models, rank, n_models))
    _unit_scale(models, tasks)
    for one in range(rank):
        moment = models.covariance[one, :, one, :] + np.outer(models.mean[one], models.mean[one])
        prior = np.einsum("c,cmn->mn", models.variances[one], matrices) + _RIDGE * np.eye(n_models)
        effects = _moments(matrices, models.variances[one], ranks, np.linalg.inv(prior), moment)
        found = (effects + over.belief * over.variances) / (ranks + over.belief)
        models.variances[one] = np.maximum(found, _RIDGE)


def _unit_scale(models: _Models, tasks: _Tasks) -> None:
    """Give each factor a root mean square of 1 over the known models, loadings in inverse proportion: the data tell
    but their product, and what is expected of variances is on that scale."""
    scale = np.maximum(np.sqrt((models.mean**2).mean(axis=1)), 1e-6)
    models.mean = models.mean / scale[:, None]
    models.covariance = models.covariance / scale[:, None, None, None] / scale[None, None, :, None]
    models.variances = models.variances / scale[:, None] ** 2
    by = np.concatenate([[1.0], scale])
    tasks.coefficients = tasks.coefficients * by
    tasks.covariance = tasks.covariance * by[:, None] * by
    tasks.centre = tasks.centre * by
    tasks.spread = tasks.spread * by[:, None] * by


def _predict(
    z: Array,
    variance: Array,
    models: _Models,
    tasks: _Tasks,
    over: Kernels,
    within: Kernels,
    patterns: Sequence[tuple[Rows, Rows]],
) -> Factors:
    """The wanted models' values: factors by regression on the known models' ones, r by its own kernels."""
    rank, n_known = models.mean.shape
    n_wanted = over.matrices.shape[1] - n_known
    priors = np.einsum("kc,cmn->kmn", models.variances, over.matrices)
    theta = np.empty((rank, n_wanted))
    onto = np.empty((rank, n_wanted, n_known))
    spread = np.zeros((n_wanted, rank, rank))
    for one in range(rank):
        known = priors[one, :n_known, :n_known] + _RIDGE * np.eye(n_known)
        cross = priors[one, n_known:, :n_known]
        onto[one] = np.linalg.solve(known, cross.T).T
        theta[one] = onto[one] @ models.mean[one]
        left = np.einsum("ss->s", priors[one, n_known:, n_known:]) - (onto[one] * cross).sum(axis=1)
        spread[:, one, one] += np.maximum(left, 0.0)
    spread += np.einsum("ksm,kmln,lsn->skl", onto, models.covariance, onto)
    mean = tasks.coefficients[:, :1] + tasks.coefficients[:, 1:] @ theta
    design = np.vstack([np.ones(n_wanted), theta])
    own = np.einsum("ks,tkl,ls->ts", design, tasks.covariance, design)
    own += np.einsum("tkl,skl->ts", tasks.covariance[:, 1:, 1:], spread)
    shared = np.einsum("tk,skl->tsl", tasks.coefficients[:, 1:], np.linalg.cholesky(spread + 1e-9 * np.eye(rank)))
    for rows, columns in patterns:
        kernel = within.matrices[:, columns[:, None], columns]
        inverse = np.linalg.inv(_task_covariance(kernel, tasks, variance, rows, columns))
        cross = np.einsum("c,cms->ms", tasks.alike, within.matrices[:, columns, n_known:])
        left = (
            z[np.ix_(rows, columns)]
            - tasks.coefficients[rows, :1]
            - tasks.coefficients[rows, 1:] @ models.mean[:, columns]
        )
        mean[rows] += np.einsum("ms,tmn,tn->ts", cross, inverse, left)
        prior = np.einsum("c,css->s", tasks.alike, within.matrices[:, n_known:, n_known:])
        own[rows] += np.maximum(prior - np.einsum("ms,tmn,ns->ts", cross, inverse, cross), 0.0)
    own += tasks.noise[:, None]
    return Factors(mean, np.sqrt(own + (shared**2).sum(axis=2)), shared)
