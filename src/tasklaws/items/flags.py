"""Items that look bad: better models do worse on them, or the best fall below chance, as where the answer is wrong."""

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from scipy.stats import binom, norm

from tasklaws.core.arrays import Array
from tasklaws.items.ability import Levels
from tasklaws.items.table import ItemTable

OK = "ok"
NEGATIVE = "negative discrimination"
FLAG_BELOW_CHANCE = "best models below chance"
_PROBABLE = 0.5  # posterior probability of a negative slope that is worth a flag
_UNLIKELY = 0.01  # probability, were an item answered at chance, of as few right answers of the best
_BEST = 1 / 3  # of the models
_WRONG = 0.05  # the share of items that have a negative slope, a priori; a slope is about 1, or -1
_SLOPE_SD = 0.5
_SLOPE_GRID = np.linspace(-2.5, 2.5, 26)
_OFFSETS = np.linspace(-3.0, 3.0, 31)  # in standard deviations of the items' offsets


def item_flags(table: ItemTable) -> pd.DataFrame:
    """For each item `discrimination`, how much steeper than others it tells able models from weak ones, and `flag`,
    what looks bad about it, "ok" where nothing does.

    P(m solves i) = c_i + (1 - c_i) sigmoid(a_i theta_m + d_i), the abilities theta those of a one-parameter fit, a_i
    ~ N(1, 0.5^2) and d_i ~ N(mean, spread^2) of that fit, summed over a grid: `discrimination` is the posterior mean
    of a_i. An item is flagged where a_i < 0 has a posterior probability above 0.9; and where the best third of the
    models solve it so rarely that, at chance, they would with a probability below 0.01."""
    levels = Levels.of(table)
    chance = table.chance
    mean, negative = np.empty(len(chance)), np.empty(len(chance))
    for each in np.unique(chance):
        of_chance = chance == each
        mean[of_chance], negative[of_chance] = _slopes(table, levels, of_chance, float(each))
    below = _below_chance(table, levels)
    flags = [
        "; ".join(name for name, found in ((NEGATIVE, wrong > _PROBABLE), (FLAG_BELOW_CHANCE, low)) if found) or OK
        for wrong, low in zip(negative, below, strict=True)
    ]
    return pd.DataFrame({"discrimination": mean, "flag": flags}, index=table.items.index)


def _slopes(table: ItemTable, levels: Levels, items: np.ndarray, chance: float) -> tuple[Array, Array]:
    """The posterior mean of each of some items' slope, and the probability that it is negative."""
    centre, spread = float(levels.offsets.mean()), float(max(levels.offsets.std(), 1.0))
    slopes, offsets = (grid.ravel() for grid in np.meshgrid(_SLOPE_GRID, centre + spread * _OFFSETS, indexing="ij"))
    prior = np.logaddexp(
        np.log1p(-_WRONG) + norm.logpdf(slopes, 1, _SLOPE_SD), np.log(_WRONG) + norm.logpdf(slopes, -1, _SLOPE_SD)
    )
    prior += norm.logpdf(offsets, centre, spread)
    logits = slopes * levels.ability[:, None] + offsets
    solve = np.clip(chance + (1 - chance) * expit(logits), 1e-9, 1 - 1e-9)
    scores = table.scores[items]
    asked = np.isfinite(scores) * (1.0 if levels.trials is None else levels.trials[items])
    right = asked * np.nan_to_num(scores)
    posterior = softmax(prior + right @ np.log(solve) + (asked - right) @ np.log1p(-solve), axis=1)
    return posterior @ slopes, posterior @ (slopes < 0)


def _below_chance(table: ItemTable, levels: Levels) -> Array:
    """(N,) whether the best models solved an item more rarely than guessing explains."""
    best = np.argsort(levels.earlier, kind="stable")[-max(1, int(len(levels.earlier) * _BEST)) :]
    scores = table.scores[:, best]
    return np.asarray(
        binom.cdf(np.floor(np.nansum(scores, axis=1)), np.isfinite(scores).sum(axis=1), table.chance) < _UNLIKELY
    )
