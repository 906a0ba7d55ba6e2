"""Solve rates from few people, shrunk towards what is usual for the set: a beta-binomial."""

import numpy as np
from scipy.optimize import minimize
from scipy.stats import betabinom

from tasklaws.difficulty.table import Floats

STRENGTH = 4.0
"""Median of the prior on a + b, in attempts: about as many people as a task of METR's has."""


def shrunk_solve_rates(solved: Floats, attempts: Floats) -> Floats:
    """The posterior mean of each item's solve rate, (solved + a) / (attempts + a + b).

    `solved` and `attempts` are (N,) counts. The beta prior's a and b maximise the beta-binomial likelihood of all
    items times a log-normal prior on a + b, without which items that all agree would make it infinite. (Gelman et
    al., Bayesian Data Analysis, 3rd ed., section 5.3.)
    """

    def cost(parameters: Floats) -> float:
        share, strength = 1 / (1 + np.exp(-parameters[0])), np.exp(parameters[1])
        likelihood = np.sum(betabinom.logpmf(solved, attempts, share * strength, (1 - share) * strength))
        return float(-likelihood + parameters[0] ** 2 / 8 + (parameters[1] - np.log(STRENGTH)) ** 2 / 2)

    found = minimize(cost, np.array([0.0, np.log(STRENGTH)]), method="L-BFGS-B", bounds=[(-8, 8), (-3, 7)]).x
    share, strength = 1 / (1 + np.exp(-found[0])), np.exp(found[1])
    rates: Floats = (solved + share * strength) / (attempts + strength)
    return rates
