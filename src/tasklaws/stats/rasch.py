"""The Rasch model: a solver's ability less an item's difficulty decides who solves what.

P(solver m solves item i) = c_i + (1 - c_i) sigmoid(ability_m - difficulty_i), c_i the chance of a guess (Rasch 1960;
Birnbaum 1968). One estimator of difficulty (`fit_rasch`), one way to find the ability that gives a mean score
(`ability_for_mean`), and what the model says of items once a total or its forecast is given (Andersen 1973, A goodness
of fit test for the Rasch model, Psychometrika 38). `items.irt` explains difficulty besides."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, ndtri

from tasklaws.core.arrays import Array
from tasklaws.stats.links import ARCSINE, half_item_away

_ABILITY_SD = 10.0  # weak prior, in logits, that keeps the ability of one who solves nothing, or all, finite
_SPREAD_SETTLED = 1e-3  # when to stop learning the spread: the change of its logarithm in one step
_LOGIT_SETTLED = 1e-8
_LARGEST_STEP = 2.0  # no logit moves further at once: keeps Newton's method from overshooting
_DAMPING = 0.7  # scoring with the expected curvature can step across the mode for ever where guessing helps
_MAX_STEPS = 200
_NEAREST = 1e-300  # keeps a quotient finite where a solver's probability underflows
_FARTHEST = 60.0  # abilities are searched so many logits around the items: beyond, all is 0 or 1 in double precision
_BISECTIONS = 70
_QUANTILES = ndtri((np.arange(20) + 0.5) / 20)
_NEAR = 1e-9  # how close to 0 and 1 a share may lie, so that its logit exists


@dataclass(frozen=True, eq=False)
class RaschFit:
    """Item difficulties (items,), abilities (solvers,) and the difficulties' standard deviation, in logits."""

    difficulty: Array
    ability: Array
    spread: float


def fit_rasch(
    scores: Array, chance: Array | float = 0.0, x: Array | None = None, spread: float | None = None
) -> RaschFit:
    """Fit ability and difficulty to `scores` (items, solvers) in [0, 1], NaN where unknown; in logits.

    Difficulties are N(0, spread^2). Where no `spread` is given it is learned (EM with Laplace's approximation of the
    posterior), so that items on which solvers do not disagree beyond luck come out alike. Abilities are N(0,
    _ABILITY_SD^2) each, next to free, or x @ slope for `x` (solvers, d), slopes with that prior. `chance` is one number
    or (items,). Newton steps (Fisher's scoring where guessing helps), items eliminated."""
    known = np.isfinite(scores)
    filled = np.where(known, scores, 0.0)
    guess = np.broadcast_to(np.asarray(chance, dtype=float), len(scores))[:, None]
    x = np.eye(scores.shape[1]) if x is None else x
    easiness, slope = np.zeros(len(scores)), np.zeros(x.shape[1])
    settled, spread = (False, 1.0) if spread is None else (True, spread)
    longest, prior = _DAMPING if guess.any() else 1.0, np.eye(x.shape[1]) / _ABILITY_SD**2
    for _ in range(_MAX_STEPS):
        share = expit(easiness[:, None] + x @ slope)
        expected = np.maximum(guess + (1 - guess) * share, _NEAREST)
        weight = known * (1 - guess) * share**2 * (1 - share) / expected
        error = known * (filled - expected) * share / expected
        own = weight.sum(axis=1) + spread**-2
        cross = weight @ x
        pull_item = error.sum(axis=1) - easiness / spread**2
        pull_slope = error.sum(axis=0) @ x - prior @ slope
        curvature = (x.T * weight.sum(axis=0)) @ x + prior - cross.T @ (cross / own[:, None])
        move = np.linalg.solve(curvature, pull_slope - cross.T @ (pull_item / own))
        shift = (pull_item - cross @ move) / own
        change = float(np.abs(shift[:, None] + x @ move).max())
        if settled and change < _LOGIT_SETTLED:
            break
        scale = min(longest, _LARGEST_STEP / max(change, _LARGEST_STEP))
        easiness, slope = easiness + scale * shift, slope + scale * move
        if not settled:
            of_slope = ((cross @ np.linalg.inv(curvature)) * cross).sum(axis=1)
            learned = float(np.sqrt((easiness**2 + 1 / own + of_slope / own**2).mean()))
            settled, spread = abs(np.log(learned / spread)) < _SPREAD_SETTLED, learned
    return RaschFit(-easiness, np.asarray(x @ slope), spread)


def solve_probability(ability: Array | float, difficulty: Array, chance: Array | float) -> Array:
    """chance + (1 - chance) sigmoid(ability - difficulty)."""
    return np.asarray(chance + (1 - chance) * expit(ability - difficulty))


def ability_for_mean(difficulty: Array, chance: Array | float, mean: Array | float) -> Array:
    """The abilities at which the mean probability over the items is each of `mean` (any shape), by bisection.

    _FARTHEST beyond the hardest or the easiest item where none is (1, 0, or not above chance)."""
    low = np.full(np.shape(mean), difficulty.min() - _FARTHEST)
    high = np.full(np.shape(mean), difficulty.max() + _FARTHEST)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = solve_probability(middle[..., None], difficulty, chance).mean(axis=-1) < mean
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def forecast_items(difficulty: Array, chance: float, mean: float, sd: float) -> Array:
    """Each item's probability at a new rung, averaged over the family's forecast, which is normal on the arcsine scale;
    the items' mean is its median (but at least half an item away from 0 and 1, and not below chance)."""
    ability = _forecast_abilities(difficulty, chance, mean, sd)
    mixed = expit(ability[:, None] - difficulty).mean(axis=0)
    typical = -logit(np.clip(mixed, 1e-12, 1 - 1e-12))
    median = half_item_away(ARCSINE.inverse(np.array([mean])), len(difficulty))
    return solve_probability(ability_for_mean(typical, chance, median), typical, chance)


def _forecast_abilities(difficulty: Array, chance: float, mean: float, sd: float) -> Array:
    """Equally likely abilities, given that the family's mean is N(mean, sd^2) on the arcsine scale."""
    means = half_item_away(ARCSINE.inverse(mean + sd * _QUANTILES), len(difficulty))
    return ability_for_mean(difficulty, chance, means)


def _difficulty(probability: Array, chance: float) -> Array:
    """Difficulties (logits, at ability 0) that give these probabilities."""
    return np.asarray(-logit(np.clip((probability - chance) / (1 - chance), _NEAR, 1 - _NEAR)))


def at_total(probability: Array, chance: float, total: int) -> Array:
    """The same items' probabilities at the ability whose mean is `total` of them (smoothed by half an item)."""
    difficulty = _difficulty(probability, chance)
    mean = half_item_away(np.array([total / len(difficulty)]), len(difficulty))
    return solve_probability(ability_for_mean(difficulty, chance, mean), difficulty, chance)


def at_forecast(probability: Array, chance: float, mean: float, sd: float) -> Array:
    """The items' probabilities (ability by item) at equally likely abilities; their mean over these is `probability`.

    The abilities are those of a family mean that is normal on the arcsine scale, N(mean, sd^2)."""
    ability = _forecast_abilities(_difficulty(probability, chance), chance, mean, sd)
    easiness = ability_for_mean(-ability, chance, np.clip(probability, chance + _NEAR, 1 - _NEAR))
    return solve_probability(ability[:, None], -easiness, chance)


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
        found[place] = one * _coefficient(before[place], after, total - 1) / all_of_them
        after = np.convolve(after, [1 - one, one])
    return np.clip(found, 0.0, 1.0)


def _coefficient(one: Array, other: Array, at: int) -> float:
    """The coefficient of x^at in the product of two polynomials."""
    low, high = max(0, at - len(other) + 1), min(at, len(one) - 1)
    return float(one[low : high + 1] @ other[at - high : at - low + 1][::-1]) if low <= high else 0.0


def tails(pmf: Array) -> tuple[Array, Array]:
    """P(K >= k) and P(K <= k) for every k."""
    return np.minimum(np.cumsum(pmf[::-1])[::-1], 1.0), np.minimum(np.cumsum(pmf), 1.0)
