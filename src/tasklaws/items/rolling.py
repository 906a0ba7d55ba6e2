"""Each held-out model predicted from those before it: the rolling origin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.items.ability import LevelForecast, Levels, forecast_next, record_setters
from tasklaws.items.covariates import Explanation
from tasklaws.items.methods import ITEM_METHODS, FittedMethod, ItemMethod
from tasklaws.items.table import ItemTable
from tasklaws.stats.rasch import ability_for_mean, solve_probability

_FOLDS = 5
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)  # Gauss-Hermite quadrature over the forecast ability


@dataclass(frozen=True)
class ItemPrediction:
    """One method's (n,) probabilities that a held-out model solves the items it was asked.

    `given`: its mean score is known; `extrapolated`: its mean is forecast too; `unseen`: the mean is known, but every
    item's difficulty comes from fits without its family (None without families); `converged`: the fit to all items
    settled."""

    given: Array
    extrapolated: Array
    unseen: Array | None
    converged: bool


@dataclass(frozen=True)
class Origin:
    """One held-out model: its scores (n,) on the items asked (indices `asked`), which of them no earlier model solved,
    its level as it was and as forecast, and each usable method's prediction."""

    model: str
    asked: NDArray[np.intp]
    scores: Array
    never_solved: NDArray[np.bool_]
    level: float
    forecast: LevelForecast
    predictions: dict[str, ItemPrediction]


def held_out(table: ItemTable, last: int, records: bool) -> list[int]:
    """The indices of the last models, by position; with `records`, of the last that set or reached a record.

    A model sets a record if its mean score reaches or exceeds the mean of every model before it (in order of
    position, then name). Raises TasklawsError where there are not `last` such models that have at least one model
    earlier than themselves: models at one position are contemporaries, and none is predicted from another."""
    means = np.nanmean(table.scores, axis=0)
    eligible = record_setters(table.position, means) if records else np.ones(len(means), bool)
    chosen = np.flatnonzero(eligible & (table.position > table.position.min()))
    if not len(chosen):
        raise TasklawsError("all models are at one date or size: nothing is earlier, so nothing can be predicted")
    if not 1 <= last <= len(chosen):
        kind = "record-setting models" if records else "models"
        raise TasklawsError(f"last is {last}: {len(chosen)} {kind} have earlier ones: give 1 to {len(chosen)}")
    return [int(index) for index in chosen[-last:]]


@dataclass(frozen=True)
class HeldOutModel:
    """A model to be predicted: the models at earlier positions and their `levels`; the items it was asked (indices
    `asked`), its `scores` (n,) on them; its `place`, the level where its mean score puts it and its position."""

    earlier: ItemTable
    levels: Levels
    asked: NDArray[np.intp]
    scores: Array
    place: tuple[float, float]

    @classmethod
    def of(cls, table: ItemTable, index: int) -> "HeldOutModel":
        """Model `index` of the table."""
        earlier = table.take(np.flatnonzero(table.position < table.position[index]))
        asked = np.flatnonzero(~np.isnan(table.scores[:, index]))
        scores = table.scores[asked, index]
        levels = Levels.of(earlier)
        level = levels.given_mean(float(scores.mean()), asked, table.chance)
        return cls(earlier, levels, asked, scores, (level, float(table.position[index])))

    def fit(self, method: ItemMethod, explanation: Explanation) -> FittedMethod:
        """A method fitted to the earlier models."""
        return FittedMethod.to(self.earlier, self.levels, method, explanation)

    def given(self, offsets: Array) -> Array:
        """(n,) probabilities on the items asked, with the one ability that makes their mean the mean of the scores."""
        chance = self.earlier.chance[self.asked]
        difficulty = -offsets[self.asked]
        return solve_probability(ability_for_mean(difficulty, chance, self.scores.mean()), difficulty, chance)


def predict(table: ItemTable, index: int, record: bool) -> Origin:
    """Predict model `index` from all models at earlier positions; `record`: it is known to set a record."""
    target = HeldOutModel.of(table, index)
    forecast = forecast_next(target.earlier.position, target.levels.earlier, target.place[1], record)
    folds = family_folds(table)
    predictions = {}
    for name, method in ITEM_METHODS.items():
        if method.usable(table):
            explanation = method.explanation(table)
            fitted = target.fit(method, explanation)
            predictions[name] = ItemPrediction(
                given=target.given(fitted.offsets(*target.place)),
                extrapolated=_extrapolated(fitted, forecast, target.place[1], table.chance)[target.asked],
                unseen=None if folds is None else target.given(_unseen(target, method, explanation, folds)),
                converged=fitted.fit.converged,
            )
    never_solved = np.asarray(~(target.earlier.scores[target.asked] >= 0.5).any(axis=1))
    return Origin(
        table.models[index], target.asked, target.scores, never_solved, target.place[0], forecast, predictions
    )


def fit_for_best(table: ItemTable, method: ItemMethod) -> tuple[FittedMethod, int, tuple[float, float]]:
    """A method fitted to all models of a table; the index of the best of them, and its level and position."""
    levels = Levels.of(table)
    best = int(levels.earlier.argmax())
    fitted = FittedMethod.to(table, levels, method, method.explanation(table))
    return fitted, best, (float(levels.earlier[best]), float(table.position[best]))


def _extrapolated(fitted: FittedMethod, forecast: LevelForecast, position: float, chance: Array) -> Array:
    """(N,) probabilities averaged over the forecast of the level."""
    total = np.zeros(len(chance))
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        level = forecast.mean + node * forecast.stderr
        difficulty = -fitted.offsets(level, position)
        total += weight * solve_probability(ability_for_mean(difficulty, 0.0, expit(level)), difficulty, chance)
    return total


def _unseen(target: HeldOutModel, method: ItemMethod, explanation: Explanation, folds: NDArray[np.intp]) -> Array:
    """(N,) offsets, each fold's from a fit to the items of the other folds; 0 for a method that explains nothing."""
    offsets = np.zeros(len(folds))
    if not method.covariates and not method.groupings:
        return offsets
    for fold in range(folds.max() + 1):
        seen, unseen = folds != fold, np.flatnonzero(folds == fold)
        part = explanation.take(np.flatnonzero(seen))
        fitted = FittedMethod.to(target.earlier.only(seen), target.levels.only(seen), method, part)
        offsets[unseen] = fitted.unseen_offsets(*target.place, explanation.take(unseen))
    return offsets


def family_folds(table: ItemTable) -> NDArray[np.intp] | None:
    """(N,) which of at most _FOLDS folds each item is in, families whole, as even as largest-first makes them.

    Items without a family form one of their own. None where there are not two families."""
    if "family" not in table.items:
        return None
    families = table.items["family"].fillna("")
    counts = families.value_counts()
    if len(counts) < 2:
        return None
    loads = np.zeros(min(_FOLDS, len(counts)), int)
    fold_of = {}
    for family in sorted(counts.index, key=lambda name: (-counts[name], name)):
        fold_of[family] = int(loads.argmin())
        loads[fold_of[family]] += counts[family]
    return families.map(fold_of).to_numpy(np.intp)
