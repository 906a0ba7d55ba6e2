"""Whether an aggregate curve is smooth or a step, and how much of a step its number of independent tasks explains."""

from collections.abc import Sequence

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.overlap.effective_number import Estimate
from tasklaws.overlap.residuals import Cells
from tasklaws.stats.jumps import excess_share, smooth_rise

_CURVE_DRAWS = 2_000


def index(ln_size: Array, curves: Array) -> Array:
    """The largest excess share of any gap between rungs, from 0 (a straight rise, or none) to 1 (a step).

    `curves` (..., rungs) hold mean scores; a gap that makes a share s of the whole rise and is a share w of the range
    of ln size has the excess (s - w) / (1 - w) (`stats.jumps`)."""
    return np.asarray(np.clip(excess_share(ln_size, curves).max(axis=-1), 0, 1))


def observed_index(cells: Cells, ln_size: Array, groups: Sequence[str], level: float, seed: int) -> Estimate:
    """The index of the mean scores by rung (`ln_size` of each, rising), with a bootstrap interval.

    Cells are of one checkpoint a run. Groups of items (those that share a skill) and the seeds of a rung get
    exponential weights (Rubin 1981): items of one skill come and go together. Where every rung has one seed the luck
    of training is not in the interval. Fewer than three rungs raise TasklawsError."""
    if len(ln_size) < 3:
        raise TasklawsError(f"{len(ln_size)} rungs: a discontinuity needs three or more")
    if not np.isfinite(cells.score).all():
        raise TasklawsError("an item has no score at some rung: leave it out, a curve needs the same items throughout")
    rng = np.random.default_rng(seed)
    names, group = np.unique(np.array(groups), return_inverse=True)
    member = cells.rung == np.arange(len(ln_size))[:, None]  # (rungs, cells)
    by_group = np.array([cells.score[group == place].sum(axis=0) for place in range(len(names))])
    size = np.bincount(group).astype(float)

    def curves(of_group: Array, of_cell: Array) -> Array:
        means = (of_group @ by_group) / (of_group @ size)[:, None]
        return np.asarray(((means * of_cell) @ member.T) / (of_cell @ member.T))

    whole = curves(np.ones((1, len(names))), np.ones((1, len(cells.rung))))
    drawn = curves(
        rng.exponential(size=(_CURVE_DRAWS, len(names))), rng.exponential(size=(_CURVE_DRAWS, len(cells.rung)))
    )
    low, high = np.quantile(index(ln_size, drawn), [(1 - level) / 2, (1 + level) / 2])
    value = float(index(ln_size, whole)[0])
    return Estimate(value, min(float(low), value), max(float(high), value))


def expected_index(ln_size: Array, curve: Array, n_eff: float, level: float, seed: int) -> Estimate:
    """The index that n_eff independent thresholds would show: median and limits.

    Thresholds fall into the gaps as the smooth rise set to `curve` (`stats.jumps.smooth_rise`, steepest in its middle
    gap) rises there, or below or above the ladder: a multinomial draw of round(n_eff), so that the mean score strays by
    sqrt(p (1 - p) / n_eff). One threshold always makes a step; draws that all miss the ladder do not count, and where
    no draw hits it TasklawsError is raised."""
    rng = np.random.default_rng(seed)
    smooth = np.clip(smooth_rise(ln_size, curve, (len(ln_size) - 1) // 2), 0, 1)
    parts = np.clip(np.diff(smooth, prepend=0.0, append=1.0), 0, None)
    count = max(round(n_eff), 1)
    drawn = rng.multinomial(count, parts / parts.sum(), _CURVE_DRAWS)[:, :-1].cumsum(axis=1) / count
    drawn = drawn[np.ptp(drawn, axis=1) > 0]
    if not len(drawn):
        raise TasklawsError("the curve does not rise over the ladder: there is no jump to expect")
    middle, low, high = np.quantile(index(ln_size, drawn), [0.5, (1 - level) / 2, (1 + level) / 2])
    return Estimate(float(middle), float(low), float(high))
