"""Models held out of a table: which they are, what is known before them, and fits of a method to that."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.items.ability import Levels, record_setters
from tasklaws.items.covariates import Explanation
from tasklaws.items.methods import FittedMethod, ItemMethod
from tasklaws.items.table import ItemTable
from tasklaws.stats.rasch import ability_for_mean, solve_probability
from tasklaws.stats.scores import cross_entropy


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

    def fit(
        self,
        method: ItemMethod,
        explanation: Explanation,
        sd: Mapping[str, float] | None = None,
        learn: bool = True,
    ) -> FittedMethod:
        """A method fitted to the earlier models; `sd` and `learn` as in `fit_item_response`."""
        return FittedMethod.to(self.earlier, self.levels, method, explanation, sd, learn)

    def given(self, offsets: Array) -> Array:
        """(n,) probabilities on the items asked, with the one ability that makes their mean the mean of the scores."""
        chance = self.earlier.chance[self.asked]
        difficulty = -offsets[self.asked]
        return solve_probability(ability_for_mean(difficulty, chance, self.scores.mean()), difficulty, chance)

    def nats(self, fitted: FittedMethod) -> float:
        """What a fit's probabilities, the mean given, lose on the items asked."""
        return float(cross_entropy(self.scores, self.given(fitted.offsets(*self.place))).sum())


def fit_for_best(table: ItemTable, method: ItemMethod) -> tuple[FittedMethod, int, tuple[float, float]]:
    """A method fitted to all models of a table; the index of the best of them, and its level and position."""
    levels = Levels.of(table)
    best = int(levels.earlier.argmax())
    fitted = FittedMethod.to(table, levels, method, method.explanation(table))
    return fitted, best, (float(levels.earlier[best]), float(table.position[best]))
