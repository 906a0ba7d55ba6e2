"""Ability as a function of date or size: a trend with its own error, to say where the next model will be."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit, logit

from tasklaws.difficulty.covariates import Explanation
from tasklaws.difficulty.item_response import fit_item_response
from tasklaws.difficulty.solve import ability_for_mean
from tasklaws.difficulty.table import Floats, ItemTable

LEVEL_SD, DRIFT_SD = 5.0, 3.0
"""Prior standard deviations, in logits: of a level, and of the change over the span of the models seen."""
WALK_SD, NOISE_SD, FACTOR = 0.5, 0.3, 2.0
"""Medians of the priors on the random walk's spread over that span and on a model's own deviation, uncertain by FACTOR."""
FEWEST = 3
"""Models needed before the first forecast by which a choice between trends is judged."""
RECENT = 20
"""How many of the latest models judge it: enough for the choice, and long tables stay quick."""


@dataclass(frozen=True)
class Levels:
    """Where models stand on one set of items, whatever share of them each was asked: `earlier` (M,) are logits of the mean
    solve probability over all items, from a 1PL fit that fills the gaps; `offsets` (N,) the items' log odds in that fit."""

    earlier: Floats
    offsets: Floats

    @classmethod
    def of(cls, table: ItemTable) -> "Levels":
        """The levels of a table's models."""
        n_items, n_models = table.scores.shape
        level = np.ones((n_models, 1))
        fit = fit_item_response(table.scores, Explanation(np.zeros((n_items, 0)), {}), {"level": level}, table.chance)
        offsets = fit.offsets(np.ones(1))
        return cls(logit(expit(fit.ability + offsets[:, None]).mean(axis=0)), offsets)

    def given_mean(self, mean: float, asked: np.ndarray, chance: Floats) -> float:
        """The level of another model, from its mean score over the items it was asked; finite: half an item from none and all."""
        ability = ability_for_mean(self.offsets[asked], chance[asked], mean)
        half_an_item = 0.5 / len(self.offsets)
        return float(logit(np.clip(expit(ability + self.offsets).mean(), half_an_item, 1 - half_an_item)))


@dataclass(frozen=True)
class Forecast:
    """A normal forecast of a new model's level."""

    mean: float
    stderr: float


def forecast_level(positions: Floats, levels: Floats, at: float) -> Forecast:
    """Forecast the level of a model at position `at` from earlier models' positions and levels (M,).

        level_m = start + drift position_m + walk(position_m) + deviation_m

    with normal start, drift and deviations and a Brownian walk: a straight line as far as the models keep to one, the latest
    levels where they do not (a Gaussian process; Harvey 1989, the local linear trend). The spreads of walk and deviations maximise the
    marginal likelihood times log-normal priors. The standard error is of one new model, its deviation included.
    """
    span = float(np.ptp(positions)) or 1.0
    x, new = (positions - positions.min()) / span, (at - positions.min()) / span
    centre = float(levels.mean())
    y = levels - centre
    medians = np.log([WALK_SD, NOISE_SD])

    def covariance(left: Floats, right: Floats, walk: float) -> Floats:
        common: Floats = (
            LEVEL_SD**2 + DRIFT_SD**2 * np.outer(left, right) + walk**2 * np.minimum(left[:, None], right[None])
        )
        return common

    def cost(logs: Floats) -> float:
        walk, noise = np.exp(logs)
        factor, _ = cho_factor(covariance(x, x, walk) + noise**2 * np.eye(len(x)), lower=True)
        fit = cho_solve((factor, True), y)
        prior = (((logs - medians) / np.log(FACTOR)) ** 2).sum() / 2
        return float(y @ fit / 2 + np.log(np.diagonal(factor)).sum() + prior)

    walk, noise = np.exp(minimize(cost, medians, method="L-BFGS-B", bounds=[(-5, 3), (-4, 2)]).x)
    factor = cho_factor(covariance(x, x, walk) + noise**2 * np.eye(len(x)))
    cross = covariance(x, np.array([new]), walk)[:, 0]
    variance = covariance(np.array([new]), np.array([new]), walk)[0, 0] + noise**2 - cross @ cho_solve(factor, cross)
    return Forecast(centre + float(cross @ cho_solve(factor, y)), float(np.sqrt(variance)))


def record_setters(positions: Floats, means: Floats) -> np.ndarray:
    """(M,) which models' mean reaches or exceeds that of every model before them, in order of position, then as given."""
    order = np.argsort(positions, kind="stable")
    best = np.maximum.accumulate(means[order])
    records = np.empty(len(means), bool)
    records[order] = means[order] >= best
    return records


def forecast_next(positions: Floats, levels: Floats, at: float, record: bool) -> Forecast:
    """Forecast the next model's level from all earlier models, or from the record setters among them only.

    From those alone if the next is known to set a record. If not, from whichever of the two forecast the earlier models
    better, each from those before it (mean log density): most sets hold a few weak models beside a moving frontier.
    """
    frontier = record_setters(positions, levels)
    if record:
        return forecast_level(positions[frontier], levels[frontier], at)
    densities: dict[bool, list[float]] = {False: [], True: []}
    for index in np.argsort(positions, kind="stable")[-RECENT:]:
        before = positions < positions[index]
        if before.sum() < FEWEST:
            continue
        for only_frontier, kept in densities.items():
            chosen = before & frontier if only_frontier else before
            forecast = forecast_level(positions[chosen], levels[chosen], positions[index])
            z = (levels[index] - forecast.mean) / forecast.stderr
            kept.append(-z * z / 2 - np.log(forecast.stderr))
    better = bool(densities[True]) and np.mean(densities[True]) > np.mean(densities[False])
    chosen = frontier if better else np.ones(len(levels), bool)
    return forecast_level(positions[chosen], levels[chosen], at)
