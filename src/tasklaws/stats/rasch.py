"""Which items the next model will solve: item difficulty from the fit rungs, set to the family's forecast.

P(model p solves item i) = chance + (1 - chance) sigmoid(ability_p - difficulty_i), difficulties N(0,
spread^2): the Rasch model with guessing (Rasch 1960; Birnbaum 1968). The ability of a new rung is the one
whose mean over items is the family's forecast."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm

from tasklaws.core.arrays import Array
from tasklaws.stats.links import ARCSINE

ABILITY_SD = 5.0  # weak prior that keeps the ability of a rung that solves nothing, or all, finite
_ROUNDS = 200
_REACH = 40.0  # logits searched for a new rung's ability
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
    for _ in range(_ROUNDS):
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
    low, high = np.full(len(targets), -_REACH), np.full(len(targets), _REACH)
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


NEAR = 1e-9  # how close to 0 and 1 a share may lie, so that its logit exists


def hardness(probability: Array, chance: float) -> Array:
    """Difficulties (logits, at ability 0) that give these probabilities."""
    return np.asarray(-logit(np.clip((probability - chance) / (1 - chance), NEAR, 1 - NEAR)))


def at_total(probability: Array, chance: float, total: int) -> Array:
    """The same items' probabilities at the ability whose mean is `total` of them (smoothed by half an item)."""
    hard = hardness(probability, chance)
    ability = solve_ability(hard, chance, smooth(np.array([total / len(hard)]), len(hard)))
    return np.asarray(chance + (1 - chance) * expit(ability - hard))


def at_forecast(probability: Array, chance: float, mean: float, sd: float) -> Array:
    """The items' probabilities (ability by item) at equally likely abilities; their mean over these is `probability`.

    The abilities are those of a family mean that is normal on the arcsine scale, N(mean, sd^2)."""
    hard = hardness(probability, chance)
    ability = solve_ability(hard, chance, smooth(ARCSINE.inverse(mean + sd * QUANTILES), len(hard)))
    easy = solve_ability(-ability, chance, np.clip(probability, chance + NEAR, 1 - NEAR))
    return np.asarray(chance + (1 - chance) * expit(ability[:, None] + easy))


def count_pmf(probability: Array) -> Array:
    """P(0), ..., P(n) of the number of successes of independent trials (Poisson-binomial), exact."""
    pmf = np.ones(1)
    for one in probability:
        pmf = np.convolve(pmf, [1 - one, one])
    return pmf


def given_total(inside: Array, outside: Array, total: int) -> Array:
    """P(k successes `inside`), k = 0..len(inside), given `total` successes inside and outside together."""
    few, others = count_pmf(inside), count_pmf(outside)
    rest = total - np.arange(len(few))
    possible = (rest >= 0) & (rest < len(others))
    joint = np.where(possible, few * others[np.clip(rest, 0, len(others) - 1)], 0.0)
    return np.asarray(joint / joint.sum())


def each_given_total(probability: Array, total: int) -> Array:
    """P(item i is solved | `total` items are), for every i; they sum to `total`."""
    before = [np.ones(1)]
    for one in probability:
        before.append(np.convolve(before[-1], [1 - one, one]))
    all_of_them = before[-1][total]
    after = np.ones(1)
    found = np.zeros(len(probability))
    for place in range(len(probability) - 1, -1, -1):
        one = probability[place]
        found[place] = one * coefficient(before[place], after, total - 1) / all_of_them
        after = np.convolve(after, [1 - one, one])
    return np.clip(found, 0.0, 1.0)


def coefficient(one: Array, other: Array, at: int) -> float:
    """The coefficient of x^at in the product of two polynomials."""
    low, high = max(0, at - len(other) + 1), min(at, len(one) - 1)
    return float(one[low : high + 1] @ other[at - high : at - low + 1][::-1]) if low <= high else 0.0


def tails(pmf: Array) -> tuple[Array, Array]:
    """P(K >= k) and P(K <= k) for every k."""
    return np.minimum(np.cumsum(pmf[::-1])[::-1], 1.0), np.minimum(np.cumsum(pmf), 1.0)


FARTHEST = 60.0
"""Abilities are searched this many logits around the items: beyond, every probability is 0 or 1 to double precision."""


def probabilities(ability: float | Array, offsets: Array, chance: Array) -> Array:
    """c + (1 - c) sigmoid(ability + offset)."""
    solved: Array = chance + (1 - chance) * expit(ability + offsets)
    return solved


def ability_for_mean(offsets: Array, chance: Array, mean: float) -> float:
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
