"""What some scores of a wanted model, already known, say of its others."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.combine import LEAST_RUNGS, History
from tasklaws.stats.predictive import Predictive

_ALIKE = 0.5  # correlation of two tasks' errors that is believed before any is seen
_BELIEF = 10.0  # and how many earlier targets that belief is worth


def given_scores(history: History, origin: int, target: int, said: Predictive, shown: Array) -> Predictive:
    """The forecasts of all tasks once some scores of the model are known: `shown` (tasks,), NaN where not.

    Errors of a model's tasks, in their standard deviations, have one part in common, f ~ N(0, 1), whose share rho is
    that of all earlier tests (`shared_error`): given errors e of known tasks, f is normal with precision 1 + sum rho /
    (1 - rho) and mean sqrt(rho) / (1 - rho) sum e over it (a one-factor model's scores, Bartlett 1937 with a prior)."""
    mean, sd = said.moments
    error = (said.link.of(shown, np.inf) - mean) / np.maximum(sd, 1e-6)
    error = error[np.isfinite(error)]
    if not len(error):
        return said
    rho = shared_error(history, origin)
    precision = 1 + len(error) * rho / (1 - rho)
    common = np.sqrt(rho) / (1 - rho) * error.sum() / precision
    ratio = np.sqrt(1 - rho + rho / precision)
    moved = mean + np.sqrt(rho) * sd * common
    return Predictive(said.link, said.weight, moved[:, None] + ratio * (said.mean - mean[:, None]), ratio * said.sd)


def shared_error(history: History, origin: int) -> float:
    """The correlation of two tasks' errors on one model: the mean product of their errors, in standard deviations, over
    all pairs of tasks and the next rung of every earlier origin, and _ALIKE as if seen _BELIEF times."""
    panel = history.panel
    total, count = _BELIEF * _ALIKE, _BELIEF
    for start in filter(panel.is_origin, range(LEAST_RUNGS, origin)):
        earlier = history.combined(start, start)
        error = (panel.link.of(panel.value[:, start], np.inf) - earlier.mean) / earlier.width
        error = np.clip(error[np.isfinite(error)], -3, 3)
        pairs = len(error) * (len(error) - 1)
        if pairs:
            total += (error.sum() ** 2 - (error**2).sum()) / pairs
            count += 1
    return float(np.clip(total / count, 0.05, 0.95))
