"""Intervals of a solve rate or a mean score, alone, by stratum, and reweighted to a target population."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """What is known of means in [0, 1]: for each the estimate, and mean and variance of its posterior (one shape).

    The posterior is that of the Bayesian bootstrap (Rubin 1981) with half a person who scored 0 and half a person
    who scored 1 put to the n who were seen: with N = n + 1, `centre` = (sum s + 1/2) / N and
    `variance` = ((sum s^2 + 1/2) / N - centre^2) / (N + 1). For scores of 0 and 1 its Beta of equal mean and variance
    is exactly Beta(k + 1/2, n - k + 1/2), so the interval is Jeffreys'; a score of 0.17 counts as 0.17 of a success
    and, as it varies less than a coin, narrows the interval.
    """

    estimate: Array
    centre: Array
    variance: Array

    @classmethod
    def of(cls, n: ArrayLike, total: ArrayLike, squares: ArrayLike) -> "Mean":
        """From the number of scores, their sum and the sum of their squares; n >= 1 (counts k: total = squares = k)."""
        count, total, squares = (np.asarray(value, dtype=float) for value in (n, total, squares))
        centre = (total + 0.5) / (count + 1)
        variance = ((squares + 0.5) / (count + 1) - centre**2) / (count + 2)
        return cls(total / count, centre, variance)

    def interval(self, level: float) -> tuple[Array, Array]:
        """Equal-tailed limits, the estimate among them; 0 is one where every score is 0, and 1 where every score is 1.

        The equal-tailed Jeffreys interval, closed at the ends, covers close to its level on average over rates, for
        few people as for many; the exact one (Clopper-Pearson) covers more, Wald's less (Brown, Cai, DasGupta 2001).
        """
        low, high = beta_interval(self.centre, self.variance, level)
        low = np.where(self.estimate <= 0, 0.0, np.minimum(low, self.estimate))
        return low, np.where(self.estimate >= 1, 1.0, np.maximum(high, self.estimate))

    def reweighted(self, shares: ArrayLike) -> "Mean":
        """Post-stratified over the last axis, the strata: sum W m, variance sum W^2 v, for `shares` W that sum to 1."""
        weights = np.asarray(shares, dtype=float)
        return Mean(
            np.asarray(self.estimate @ weights),
            np.asarray(self.centre @ weights),
            np.asarray(self.variance @ weights**2),
        )


def beta_interval(centre: Array, variance: Array, level: float) -> tuple[Array, Array]:
    """Equal-tailed limits of the Beta distribution with this mean and variance."""
    precision = centre * (1 - centre) / variance - 1
    tail = (1 - level) / 2
    first, second = centre * precision, (1 - centre) * precision
    return np.asarray(beta.ppf(tail, first, second)), np.asarray(beta.ppf(1 - tail, first, second))
