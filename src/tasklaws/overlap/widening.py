"""What overlap adds to the interval of a forecast: the variance of a score that comes from which skills were drawn."""

import numpy as np
from numpy.typing import ArrayLike

from tasklaws.core.arrays import Array


def score_variance(score: ArrayLike, n_eff: ArrayLike) -> Array:
    """p (1 - p) / n_eff: variance of the score of a set worth n_eff independent tasks, each solved with probability p.

    The error of an aggregate of independent thresholds; with one shared skill (n_eff = 1) it is that of a step, which
    is either 0 or 1.
    """
    p, number = np.asarray(score, dtype=float), np.asarray(n_eff, dtype=float)
    return np.asarray(p * (1 - p) / number)


def added_variance(score: ArrayLike, n_items: ArrayLike, n_eff: ArrayLike) -> Array:
    """p (1 - p) (1 / n_eff - 1 / n_items): what a forecast adds that already counts its items as independent.

    The variance then is the binomial one times the design effect n_items / n_eff (Kish 1965).
    """
    return np.asarray(score_variance(score, n_eff) - score_variance(score, n_items))


def next_rung_variance(last: ArrayLike, score: ArrayLike, n_eff: ArrayLike) -> Array:
    """Variance of the next rung's score, of mean p', when the same items had p at the last rung, which is known.

    Thresholds persist: of n_eff tasks those not yet solved are each learned with probability q = (p' - p) / (1 - p),
    so it is (1 - p) q (1 - q) / n_eff = (p' - p) (1 - p') / ((1 - p) n_eff), less than `score_variance`. Where p' < p,
    solved ones are lost: (p - p') p' / (p n_eff).
    """
    p, after, number = (np.asarray(value, dtype=float) for value in (last, score, n_eff))
    moved = np.abs(after - p)
    stays = np.where(after >= p, 1 - after, after)
    room = np.where(after >= p, 1 - p, p)
    return np.asarray(np.where(moved > 0, moved * stays / np.where(room > 0, room, 1.0), 0.0) / number)
