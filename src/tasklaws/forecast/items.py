"""Which items the next model will solve: item difficulty from the fit rungs, set to the family's forecast.

P(model p solves item i) = chance + (1 - chance) sigmoid(ability_p - difficulty_i), difficulties N(0,
spread^2): the Rasch model with guessing (Rasch 1960; Birnbaum 1968). The ability of a new rung is the one
whose mean over items is the family's forecast."""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from tasklaws.forecast.links import ARCSINE, Array

ABILITY_SD = 5.0  # weak prior that keeps the ability of a rung that solves nothing, or all, finite
ROUNDS = 200
REACH = 40.0  # logits searched for a new rung's ability
QUANTILES = norm.ppf((np.arange(20) + 0.5) / 20)


def difficulties(scores: Array, chance: float) -> Array:
    """Difficulty (logits) of each item from `scores` (item by point, NaN where unknown), shrunk towards the
    mean.

    The spread of the prior is learned (EM with a Laplace posterior), so items on which the rungs do not
    disagree beyond luck come out alike."""
    known = np.isfinite(scores)
    seen = np.where(known, scores, 0.0)
    ability = np.zeros(scores.shape[1])
    difficulty = np.zeros(len(scores))
    spread = 1.0
    for _ in range(ROUNDS):
        pull, weight = score_and_information(seen, known, ability - difficulty[:, None], chance)
        ability += bounded((pull.sum(axis=0) - ability / ABILITY_SD**2) / (weight.sum(axis=0) + ABILITY_SD**-2))
        pull, weight = score_and_information(seen, known, ability - difficulty[:, None], chance)
        certainty = weight.sum(axis=1) + 1 / spread
        difficulty += bounded((-pull.sum(axis=1) - difficulty / spread) / certainty)
        difficulty -= difficulty.mean()
        spread = max(float(np.mean(difficulty**2 + 1 / certainty)), 1e-4)
    return difficulty


def bounded(step: Array) -> Array:
    return np.asarray(np.clip(step, -1.0, 1.0))


def score_and_information(seen: Array, known: np.ndarray, logits: Array, chance: float) -> tuple[Array, Array]:
    """Derivative of the log likelihood by the logit, and its Fisher information, of every answer."""
    share = expit(logits)
    slope = (1 - chance) * share * (1 - share)
    probability = np.clip(chance + (1 - chance) * share, 1e-9, 1 - 1e-9)
    per_answer = slope / (probability * (1 - probability)) * known
    return (seen - probability) * per_answer, slope * per_answer


def solve_ability(difficulty: Array, chance: float, targets: Array) -> Array:
    """The abilities whose mean probability over items is each of `targets` (bisection)."""
    low, high = np.full(len(targets), -REACH), np.full(len(targets), REACH)
    for _ in range(80):
        middle = (low + high) / 2
        mean = (chance + (1 - chance) * expit(middle[:, None] - difficulty)).mean(axis=1)
        low, high = np.where(mean < targets, middle, low), np.where(mean < targets, high, middle)
    return np.asarray((low + high) / 2)


def forecast_items(difficulty: Array, chance: float, mean: float, sd: float) -> Array:
    """Each item's probability at a new rung, averaged over the family's forecast, which is normal on the arcsine scale;
    the items' mean is its median (but at least half an item away from 0 and 1, and not below chance)."""
    items = len(difficulty)
    target = smooth(ARCSINE.inverse(np.array([mean])), items)
    ability = solve_ability(difficulty, chance, smooth(ARCSINE.inverse(mean + sd * QUANTILES), items))
    mixed = expit(ability[:, None] - difficulty).mean(axis=0)
    hardness = -logit(np.clip(mixed, 1e-12, 1 - 1e-12))
    shift = solve_ability(hardness, chance, target)
    return np.asarray(chance + (1 - chance) * expit(shift - hardness))


def smooth(share: Array, n_items: int) -> Array:
    """(n p + 1/2) / (n + 1): n items cannot show a probability of 0 or 1 (Jeffreys)."""
    return np.asarray((n_items * share + 0.5) / (n_items + 1))
