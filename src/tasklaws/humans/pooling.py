"""Solve rates of alike items, shrunk towards each other: what few successes mean beside the other items."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import betaln, expit, logit

from tasklaws.humans.intervals import beta_interval

Array = NDArray[np.float64]
MOST_SHARED = 0.99  # of items that the very same people solve there is nothing to compare


def pooled_rates(k: Array, n: Array, level: float, shared: float = 0.0) -> tuple[Array, Array, Array]:
    """Mean and limits of each item's rate when the rates of all items are draws from one Beta distribution.

    k_i ~ Binomial(n_i, p_i), p_i ~ Beta(mu nu, (1 - mu) nu), mu ~ Beta(1/2, 1/2), and nu with the uniform shrinkage
    prior m / (m + nu)^2, m the median number of people (Christiansen and Morris 1997). Given mu and nu the posterior is
    Beta(mu nu + k, (1 - mu) nu + n - k), of mean (k + mu nu) / (n + nu); mu and nu are summed over a grid, so that the
    limits carry their uncertainty; a Beta of the same mean and variance gives the limits. Shape of each: (items,).

    `shared` is the correlation between the errors of two items' counts (`shared_error`). It is 0 where each item had
    people of its own. The same people at all items tell little of the level, however many items there are, and much
    of the differences: the items are compared as if n / (1 - shared) people had attempted each, and then the variance
    of the level, shared p (1 - p) / n, is added.
    """
    kinds, where = np.unique(np.stack([k, n]), axis=1, return_inverse=True)
    k, n = kinds / (1 - shared)
    mu, nu, weight = _grid(k, n, np.bincount(where.ravel()))
    first = mu * nu
    given = (first[:, None] + k) / (nu[:, None] + n)
    centre = weight @ given
    variance = weight @ (given * (1 - given) / (nu[:, None] + n + 1)) + weight @ (given - centre) ** 2
    variance += shared * centre * (1 - centre) / (n * (1 - shared))
    low, high = beta_interval(centre, variance, level)
    return centre[where.ravel()], low[where.ravel()], high[where.ravel()]


def shared_error(solved: pd.DataFrame) -> float:
    """The mean correlation, at least 0, between the errors of two items' solve rates that comes of common people.

    `solved` has a row an attempt: person, item, in_time. With r_ij = (y_ij - p_i) / sqrt(p_i (1 - p_i)) of person j at
    item i it is sum r_ij r_kj over people and pairs of items, divided by the sum of sqrt(n_i n_k) over those pairs.
    Items that all or none solved tell nothing of it.
    """
    people, items = (pd.factorize(solved[column])[0] for column in ("person", "item"))
    y = solved["in_time"].to_numpy(float)
    rate = (np.bincount(items, y) / np.bincount(items))[items]
    mixed = (rate > 0) & (rate < 1)
    residual = (y - rate)[mixed] / np.sqrt(rate * (1 - rate))[mixed]
    n = np.bincount(items[mixed])
    pairs = np.sqrt(n).sum() ** 2 - n.sum()
    common = (np.bincount(people[mixed], residual) ** 2).sum() - (residual**2).sum()
    return float(np.clip(common / pairs, 0, MOST_SHARED)) if np.count_nonzero(n) > 1 else 0.0


def _grid(k: Array, n: Array, counts: NDArray[np.intp]) -> tuple[Array, Array, Array]:
    """Values of mu and nu and the posterior weight of each pair, from items of which `counts` have the same k and n.

    For each nu the values of mu lie within six standard errors, in log odds, of the mean rate: an item counts there as
    n (1 + nu) / (n + nu) people, one where items differ widely and all n where they are alike.
    """
    scale = float(np.median(n))
    nu = np.exp(np.linspace(np.log(scale) - 7, np.log(scale) + 7, 57))[:, None]
    people = counts * n * (1 + nu) / (n + nu)
    total = people.sum(axis=1, keepdims=True) + 1
    mean = ((people * k / n).sum(axis=1, keepdims=True) + 0.5) / total
    error = 1 / np.sqrt(mean * (1 - mean) * total)
    mu = expit(logit(mean) + error * np.linspace(-6, 6, 41))
    prior = np.log(mu * (1 - mu)) / 2 + np.log(nu) - 2 * np.log(scale + nu) + np.log(error)
    nu = np.broadcast_to(nu, mu.shape).ravel()
    mu = mu.ravel()
    first, second = mu * nu, (1 - mu) * nu
    likelihood = betaln(first[:, None] + k, second[:, None] + n - k) - betaln(first, second)[:, None]
    log = prior.ravel() + likelihood @ counts
    weight = np.exp(log - log.max())
    return mu, nu, weight / weight.sum()
