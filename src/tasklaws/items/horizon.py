"""METR's time horizon: the human minutes of a task that a model solves every other time."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError

PENALTY = 0.1
"""METR's ridge: half of it times the slope squared, against the cross entropy under weights that sum to 1."""


def run_weights(tasks: pd.Series, families: pd.Series) -> Array:
    """(n,) weights of one model's runs, summing to 1: 1 / (runs of its task x sqrt(tasks of its family))."""
    runs = tasks.map(tasks.value_counts()).to_numpy(float)
    per_family = families.map(tasks.groupby(families).nunique()).to_numpy(float)
    weights = 1 / (runs * np.sqrt(per_family))
    normed: Array = weights / weights.sum()
    return normed


def time_horizon(scores: Array, minutes: Array, weights: Array) -> float:
    """The 50% time horizon in minutes, 2^(-a / b), of a ridge logistic regression of success on log2 minutes.

        minimise  sum_r w_r CE(y_r, sigmoid(a + b log2 minutes_r)) + PENALTY b^2 / 2

    for scores in [0, 1] (n,), minutes > 0 (n,), weights (n,) that sum to 1. Raises TasklawsError where success does
    not fall with minutes, so that no horizon exists. (Kwa et al. 2025, arXiv 2503.14499.)"""
    x = np.log2(minutes)

    def cost(parameters: Array) -> tuple[float, Array]:
        z = parameters[0] + parameters[1] * x
        error = weights * (expit(z) - scores)
        loss = weights @ (np.logaddexp(0, z) - scores * z) + PENALTY * parameters[1] ** 2 / 2
        return float(loss), np.array([error.sum(), error @ x + PENALTY * parameters[1]])

    intercept, slope = minimize(cost, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    if slope >= 0:
        raise TasklawsError(f"success does not fall with human minutes (slope {slope:g}): no time horizon exists")
    return float(2 ** (-intercept / slope))
