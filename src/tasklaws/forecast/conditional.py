"""How many of some items a model solves, given how many it solves of all: the Rasch model's conditional inference.

In the Rasch model the total solved is sufficient for a model's ability: given the total, which items are solved
depends on the difficulties alone, not on how well the ability was forecast (Rasch 1960; Andersen 1973, A goodness of
fit test for the Rasch model, Psychometrika 38). With a chance of guessing that holds only near the ability used."""

import numpy as np
from scipy.special import expit, logit

from tasklaws.forecast.items import QUANTILES, smooth, solve_ability
from tasklaws.forecast.links import ARCSINE, Array

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
