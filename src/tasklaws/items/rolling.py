"""Each held-out model predicted from those before it: the rolling origin."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from tasklaws.core.arrays import Array
from tasklaws.items.ability import LevelForecast, forecast_next
from tasklaws.items.held_out import HeldOutModel
from tasklaws.items.methods import ITEM_METHODS, FittedMethod, ItemMethod
from tasklaws.items.table import ItemTable
from tasklaws.stats.rasch import ability_for_mean, solve_probability

# What the learned standard deviations are multiplied by in the fits that are averaged besides. Learned from few answers
# an item they come out too small (Laplace's approximation), from noisy ones too large.
SCALES = (0.6, 1.7, 2.9)
_SCORES = 1000  # of earlier models, the latest first, on which the weights of these fits rest: no more than it takes
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


@dataclass(frozen=True)
class AveragedMethod:
    """Fits of one method, the first as learned, averaged with `weights` (K,) that sum to 1."""

    fits: tuple[FittedMethod, ...]
    weights: Array

    def offsets(self, level: float, position: float) -> Array:
        """(N,) log odds of each item, up to the model's ability: the mean of the fits'."""
        return np.asarray(self.weights @ np.stack([each.offsets(level, position) for each in self.fits]))

    @property
    def converged(self) -> bool:
        """Whether every fit settled."""
        return all(each.fit.converged for each in self.fits)


@dataclass(frozen=True)
class Rolling:
    """The models of a table, each to be predicted from all at earlier positions.

    A method with random effects is fitted with the standard deviations as learned and with SCALES times these, and one
    that explains difficulty besides also without the explanation. The fits are averaged by how well each foretold the
    latest of the earlier models from those before them: weights exp(-nats), Bayes' for predictive densities (Dawid
    1984, J. R. Stat. Soc. A 147:278), equal where no earlier model has two before itself. So no width of a prior, and
    no covariate, has to suit every set. `nats` keeps model -> method -> (K,) what each fit lost."""

    table: ItemTable
    nats: dict[int, dict[str, Array]] = field(default_factory=dict)

    def averaged(self, index: int) -> tuple[HeldOutModel, dict[str, AveragedMethod]]:
        """Model `index`, and every usable method as averaged for it."""
        target, fits = self._fitted(index)
        before = self._latest_before(index)
        for earlier in before:
            if earlier not in self.nats:
                self._fitted(earlier)
        lost = {name: sum((self.nats[each][name] for each in before), np.zeros(len(fits[name]))) for name in fits}
        return target, {name: AveragedMethod(fits[name], softmax(-lost[name])) for name in fits}

    def _latest_before(self, index: int) -> list[int]:
        """The latest models before `index` that have two before themselves, until they hold enough scores."""
        position, found, scores = self.table.position, list[int](), 0
        for earlier in np.flatnonzero(position < position[index])[::-1]:
            if scores >= _SCORES or (position < position[earlier]).sum() < 2:
                break
            found.append(int(earlier))
            scores += int(np.isfinite(self.table.scores[:, earlier]).sum())
        return found

    def _fitted(self, index: int) -> tuple[HeldOutModel, dict[str, tuple[FittedMethod, ...]]]:
        """Model `index` and every usable method's fits for it; what they lost is kept."""
        target, fits = HeldOutModel.of(self.table, index), dict[str, tuple[FittedMethod, ...]]()
        for name, method in ITEM_METHODS.items():
            if method.usable(self.table):
                fits[name] = self._fits(target, method, fits)
        self.nats[index] = {name: np.array([target.nats(each) for each in found]) for name, found in fits.items()}
        return target, fits

    def _fits(
        self, target: HeldOutModel, method: ItemMethod, others: Mapping[str, tuple[FittedMethod, ...]]
    ) -> tuple[FittedMethod, ...]:
        explanation = method.explanation(self.table)
        if not method.blocks:
            return (target.fit(method, explanation),)
        plain = others.get("item_response", ())
        if plain and not explanation.design.shape[1]:
            return plain
        learned = target.fit(method, explanation, plain[0].fit.sd if plain else None)
        spreads = [learned.fit.scaled(scale) for scale in SCALES]
        return learned, *(target.fit(method, explanation, sd, learn=False) for sd in spreads), *plain


def predict(table: ItemTable, index: int, record: bool, rolling: Rolling | None = None) -> Origin:
    """Predict model `index` from all models at earlier positions; `record`: it is known to set a record. `rolling`, of
    the same table, knows what other models' predictions have shown."""
    target, averaged = (rolling or Rolling(table)).averaged(index)
    forecast = forecast_next(target.earlier.position, target.levels.earlier, target.place[1], record)
    folds = family_folds(table)
    predictions = {}
    for name, method in averaged.items():
        predictions[name] = ItemPrediction(
            given=target.given(method.offsets(*target.place)),
            extrapolated=_extrapolated(method, forecast, target.place[1], table.chance)[target.asked],
            unseen=None if folds is None else target.given(_unseen(target, ITEM_METHODS[name], method.fits[0], folds)),
            converged=method.converged,
        )
    never_solved = np.asarray(~(target.earlier.scores[target.asked] >= 0.5).any(axis=1))
    return Origin(
        table.models[index], target.asked, target.scores, never_solved, target.place[0], forecast, predictions
    )


def _extrapolated(fitted: AveragedMethod, forecast: LevelForecast, position: float, chance: Array) -> Array:
    """(N,) probabilities averaged over the forecast of the level."""
    total = np.zeros(len(chance))
    for node, weight in zip(_NODES, _WEIGHTS / _WEIGHTS.sum(), strict=True):
        level = forecast.mean + node * forecast.stderr
        difficulty = -fitted.offsets(level, position)
        total += weight * solve_probability(ability_for_mean(difficulty, 0.0, expit(level)), difficulty, chance)
    return total


def _unseen(target: HeldOutModel, method: ItemMethod, fitted: FittedMethod, folds: NDArray[np.intp]) -> Array:
    """(N,) offsets, each fold's from a fit to the items of the other folds; 0 for a method that explains nothing.

    The folds' fits begin with the standard deviations of the fit to all, which spares them most of their steps."""
    offsets = np.zeros(len(folds))
    if not method.covariates and not method.groupings:
        return offsets
    explanation = method.explanation(target.earlier)
    for fold in range(folds.max() + 1):
        seen, unseen = folds != fold, np.flatnonzero(folds == fold)
        part = explanation.take(np.flatnonzero(seen))
        levels = target.levels.only(seen)
        found = FittedMethod.to(target.earlier.only(seen), levels, method, part, fitted.fit.sd)
        offsets[unseen] = found.unseen_offsets(*target.place, explanation.take(unseen))
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
