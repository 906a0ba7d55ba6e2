"""Solve rates of alike items, shrunk towards each other: what few successes mean beside the other items."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit

from tasklaws.humans.intervals import beta_interval

Array = NDArray[np.float64]
N_MEANS, N_PRECISIONS = 41, 31


def pooled_rates(k: Array, n: Array, level: float) -> tuple[Array, Array, Array]:
    """Mean and limits of each item's rate when the rates of all items are draws from one Beta distribution.

    k_i ~ Binomial(n_i, p_i), p_i ~ Beta(mu nu, (1 - mu) nu), mu ~ Beta(1/2, 1/2), and nu with the uniform shrinkage
    prior m / (m + nu)^2, m the median number of people (Christiansen and Morris 1997). Given mu and nu the posterior is
    Beta(mu nu + k, (1 - mu) nu + n - k), the mean (k + nu mu) / (n + nu); mu and nu are summed over a grid, so that the
    limits carry their uncertainty; a Beta of the same mean and variance gives the limits. Shape of each: (items,).
    """
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    kinds, where = np.unique(np.stack([k, n]), axis=1, return_inverse=True)
    counts = np.bincount(where.ravel())
    k, n = kinds
    scale = float(np.median(n))
    # A coarse grid of logit mu and log nu first, then a fine one over what mass it found.
    ranges = [(-10.0, 10.0), (np.log(scale) - 7, np.log(scale) + 7)]
    for _ in range(3):
        mean, precision = np.meshgrid(
            np.linspace(*ranges[0], N_MEANS), np.linspace(*ranges[1], N_PRECISIONS), indexing="ij"
        )
        mu, nu = expit(mean.ravel()), np.exp(precision.ravel())
        first, second = mu * nu, (1 - mu) * nu
        log = np.log(mu * (1 - mu)) / 2 + np.log(nu) - 2 * np.log(scale + nu)
        log += (betaln(first[:, None] + k, second[:, None] + n - k) - betaln(first, second)[:, None]) @ counts
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        for axis, values in enumerate((mean.ravel(), precision.ravel())):
            centre = weight @ values
            step = (ranges[axis][1] - ranges[axis][0]) / 30
            spread = 5 * max(np.sqrt(weight @ (values - centre) ** 2), step)
            ranges[axis] = max(centre - spread, ranges[axis][0]), min(centre + spread, ranges[axis][1])
    total = nu[:, None] + n
    given = (first[:, None] + k) / total
    centre = weight @ given
    variance = weight @ (given * (1 - given) / (total + 1)) + weight @ (given - centre) ** 2
    low, high = beta_interval(centre, variance, level)
    return centre[where.ravel()], low[where.ravel()], high[where.ravel()]
