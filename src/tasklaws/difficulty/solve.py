"""The ability at which a model's mean score over a set of items is as given."""

from scipy.optimize import brentq
from scipy.special import expit

from tasklaws.difficulty.table import Floats

FARTHEST = 60.0
"""Abilities are searched this many logits around the items: beyond, every probability is 0 or 1 to double precision."""


def probabilities(ability: float | Floats, offsets: Floats, chance: Floats) -> Floats:
    """c + (1 - c) sigmoid(ability + offset)."""
    solved: Floats = chance + (1 - chance) * expit(ability + offsets)
    return solved


def ability_for_mean(offsets: Floats, chance: Floats, mean: float) -> float:
    """The ability that makes the mean of `probabilities` equal `mean`; the farthest one when none does (0, 1, below
    chance)."""

    def excess(ability: float) -> float:
        return float(probabilities(ability, offsets, chance).mean()) - mean

    low, high = -float(offsets.max()) - FARTHEST, -float(offsets.min()) + FARTHEST
    if excess(low) >= 0:
        return low
    if excess(high) <= 0:
        return high
    return float(brentq(excess, low, high, xtol=1e-10))
