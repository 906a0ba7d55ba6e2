"""Ability as a function of date or size: a trend with its own error, to say where the next model will be."""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit, softmax

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import Explanation
from tasklaws.items.irt import fit_item_response
from tasklaws.items.table import ItemTable, Repeats
from tasklaws.stats.rasch import ability_for_mean, solve_probability

# Prior standard deviations, in logits: of a level, and of the change over the span of the models seen.
LEVEL_SD, DRIFT_SD = 5.0, 3.0
# Medians of the priors on the random walk's spread over that span and on a model's own deviation, each uncertain by
# FACTOR.
WALK_SD, NOISE_SD, FACTOR = 0.5, 0.3, 2.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
# The prior on how far a record lies above the one before, in logits, and how many steps that prior is worth.
_STEP, _STEPS = 0.3, 3.0
_FEWEST = 3  # earlier models that a forecast needs to count in the choice between two forecasts
_LEARNING_ROUNDS = 3  # of learning from one another what several attempts are worth and how far items lie apart
_RECENT = 20  # how many of the latest models that choice rests on: enough, and long tables stay quick


@dataclass(frozen=True)
class Levels:
    """Where models stand on one set of items, whatever share of them each was asked: `earlier` (M,) are logits of the
    mean solve probability over all items, from a 1PL fit that fills the gaps; `offsets` (N,) the items' log odds in
    that fit and `ability` (M,) the models'; `trials` (N, M) how many answers each score is worth
    (`independent_trials`), None where all are of one."""

    earlier: Array
    offsets: Array
    ability: Array
    trials: Array | None

    @classmethod
    def of(cls, table: ItemTable) -> "Levels":
        """The levels of a table's models."""
        nothing, trials = Explanation(np.zeros((len(table.items), 0)), {}), None
        level = {"level": np.ones((len(table.models), 1))}
        fit = fit_item_response(table.scores, nothing, level, table.chance)
        for _ in range(_LEARNING_ROUNDS):
            if table.repeats is None:
                break
            solved = solve_probability(fit.ability, -fit.offsets(np.ones(1))[:, None], table.chance[:, None])
            trials = trials_worth(table.repeats, solved)
            fit = fit_item_response(table.scores, nothing, level, table.chance, trials)
        offsets = fit.offsets(np.ones(1))
        earlier = logit(expit(fit.ability + offsets[:, None]).mean(axis=0))
        return cls(earlier, offsets, fit.ability, trials)

    def only(self, items: NDArray[np.bool_]) -> "Levels":
        """The same levels, of all items, beside some of the items only."""
        trials = None if self.trials is None else self.trials[items]
        return Levels(self.earlier, self.offsets[items], self.ability, trials)

    def given_mean(self, mean: float, asked: NDArray[np.intp], chance: Array) -> float:
        """The level of another model, from its mean score over the items it was asked; finite: half an item from none
        and all."""
        ability = ability_for_mean(-self.offsets[asked], chance[asked], mean)
        half_an_item = 0.5 / len(self.offsets)
        return float(logit(np.clip(expit(ability + self.offsets).mean(), half_an_item, 1 - half_an_item)))


def trials_worth(repeats: Repeats, solved: Array) -> Array:
    """(N, M) how many independent answers several attempts are worth: n / (1 + (n - 1) r).

    r is the correlation of a model's attempts at an item beyond what its ability and the item's difficulty say,
    learned from the table: 1 - r is the variance between the attempts of a cell, over what it would be, p (1 - p),
    were they independent given the probability p in `solved` (N, M). It is 0 where they scatter like coins, and 1 where
    a model always does at an item what it did before, so that more attempts tell nothing new."""
    known = np.isfinite(repeats.variances)
    apart = repeats.variances[known].sum() / (solved * (1 - solved))[known].sum() if known.any() else 0.0
    correlation = float(np.clip(1 - apart, 0.0, 1.0))
    return np.asarray(repeats.counts / (1 + (np.maximum(repeats.counts, 1) - 1) * correlation))


class LevelForecast(NamedTuple):
    """A normal forecast of a new model's level."""

    mean: float
    stderr: float


def forecast_level(positions: Array, levels: Array, at: float) -> LevelForecast:
    """Forecast the level of a model at position `at` from earlier models' positions and levels (M,).

        level_m = start + drift position_m + walk(position_m) + deviation_m

    with normal start, drift and deviations and a Brownian walk: a straight line as far as the models keep to one, the
    latest levels where they do not (a Gaussian process; Harvey 1989, the local linear trend). It is averaged over the
    spreads of walk and deviations, by their log-normal priors (on a Gauss-Hermite grid) times marginal likelihood:
    with few models, one value of each would make the error too small. The standard error is of one new model, its
    deviation included."""
    span = float(np.ptp(positions)) or 1.0
    every = np.append((positions - positions.min()) / span, (at - positions.min()) / span)
    centre = float(levels.mean())
    y = levels - centre
    straight = LEVEL_SD**2 + DRIFT_SD**2 * np.outer(every, every)
    common = np.minimum(every[:, None], every[None])
    log_weights, means, variances = [], [], []
    for (walk_node, walk_weight), (noise_node, noise_weight) in product(zip(_NODES, _WEIGHTS, strict=True), repeat=2):
        walk, noise = WALK_SD * FACTOR**walk_node, NOISE_SD * FACTOR**noise_node
        covariance = straight + walk**2 * common + noise**2 * np.eye(len(every))
        factor = cho_factor(covariance[:-1, :-1], lower=True)
        known, cross = cho_solve(factor, y), cho_solve(factor, covariance[:-1, -1])
        likelihood = -y @ known / 2 - np.log(np.diagonal(factor[0])).sum()
        log_weights.append(likelihood + np.log(walk_weight * noise_weight))
        means.append(y @ cross)
        variances.append(covariance[-1, -1] - covariance[-1, :-1] @ cross)
    weights = softmax(log_weights)
    mean = weights @ np.array(means)
    variance = weights @ (np.array(variances) + (np.array(means) - mean) ** 2)
    return LevelForecast(centre + float(mean), float(np.sqrt(variance)))


def record_setters(positions: Array, means: Array) -> NDArray[np.bool_]:
    """(M,) whose mean reaches or exceeds that of every model before it, in order of position, then as given."""
    order = np.argsort(positions, kind="stable")
    records = np.empty(len(means), bool)
    records[order] = means[order] >= np.maximum.accumulate(means[order])
    return records


def _forecast_frontier(positions: Array, levels: Array, at: float) -> LevelForecast:
    """`forecast_level` from the record setters only."""
    frontier = record_setters(positions, levels)
    return forecast_level(positions[frontier], levels[frontier], at)


def _forecast_record(positions: Array, levels: Array, at: float) -> LevelForecast:
    """Forecast the next record from earlier ones in order (M,), whenever it comes: a step up from the last.

    Steps are exponential, their rate with a gamma prior of _STEPS steps of mean _STEP; the predictive distribution of a
    step is then Lomax, and its mean and standard deviation are returned."""
    steps = np.diff(levels)
    shape, scale = _STEPS + len(steps), (_STEPS - 1) * _STEP + steps.sum()
    mean = scale / (shape - 1)
    return LevelForecast(float(levels[-1] + mean), float(mean * np.sqrt(shape / (shape - 2))))


def forecast_next(positions: Array, levels: Array, at: float, record: bool) -> LevelForecast:
    """Forecast the next model's level: from all earlier models or from their record setters, by a trend; of a model
    known to set a record, from the record setters, by a trend or by the steps between records.

    Of the two forecasts the one that had the higher mean log density on the earlier models, each forecast from those
    before it; the first where there are too few. Most sets hold a few weak models beside a moving frontier."""
    order = np.argsort(positions, kind="stable")
    positions, levels = positions[order], levels[order]
    forecasters = (forecast_level, _forecast_frontier)
    if record:
        frontier = record_setters(positions, levels)
        positions, levels, forecasters = positions[frontier], levels[frontier], (forecast_level, _forecast_record)
    densities: list[list[float]] = [[], []]
    for index in range(len(positions))[-_RECENT:]:
        before = positions < positions[index]
        if before.sum() < _FEWEST:
            continue
        for forecaster, found in zip(forecasters, densities, strict=True):
            mean, stderr = forecaster(positions[before], levels[before], float(positions[index]))
            z = (levels[index] - mean) / stderr
            found.append(-z * z / 2 - np.log(stderr))
    second = bool(densities[0] and np.mean(densities[1]) > np.mean(densities[0]))
    return forecasters[second](positions, levels, at)
