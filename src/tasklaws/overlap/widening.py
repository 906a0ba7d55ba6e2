"""What overlap adds to the interval of a forecast: the variance of a score that comes from which skills were drawn."""

import numpy as np
from numpy.typing import ArrayLike

from tasklaws.core.arrays import Array


def next_rung_variance(last: ArrayLike, score: ArrayLike, n_eff: ArrayLike) -> Array:
    """Variance of the next rung's score, of mean p', when the same items had p at the last rung, which is known.

    Thresholds persist: of n_eff tasks those not yet solved are each learned with probability q = (p' - p) / (1 - p),
    so it is (1 - p) q (1 - q) / n_eff = (p' - p) (1 - p') / ((1 - p) n_eff), less than p' (1 - p') / n_eff, which it
    would be if p were not known. Where p' < p, solved ones are lost: (p - p') p' / (p n_eff)."""
    p, after, number = (np.asarray(value, dtype=float) for value in (last, score, n_eff))
    moved = np.abs(after - p)
    stays = np.where(after >= p, 1 - after, after)
    room = np.where(after >= p, 1 - p, p)
    return np.asarray(np.where(moved > 0, moved * stays / np.where(room > 0, room, 1.0), 0.0) / number)
