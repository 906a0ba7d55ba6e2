"""What the fit rungs' curves look like, as one JSON file: laws fitted to each, and how hard each item is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json
from tasklaws.core.typed import Natural, Share, typed
from tasklaws.laws import LawSettings, fit
from tasklaws.stats.rasch import difficulties
from tasklaws.tables import CurveKey, by_curve, is_loss


@dataclass(frozen=True)
class Estimate:
    """A parameter in `unit`s, with the ends of its bootstrap interval."""

    value: float
    unit: str
    lower: float
    upper: float


@dataclass(frozen=True)
class FittedLaw:
    """One law fitted to one curve along `inputs`; `misfit` is the root mean square of its residuals (of a loss, of its
    logarithm). Of a law that could not be fitted nothing but the reason is known."""

    law: str
    status: Literal["converged", "bound_hit", "unidentified", "failed"]
    reason: str
    inputs: tuple[str, ...]
    n_points: Natural
    parameters: dict[str, Estimate]
    misfit: float | None = None

    def __post_init__(self) -> None:
        if self.status != "failed" and (not self.parameters or self.misfit is None):
            raise TasklawsError(f"{self.law} is {self.status}, but lacks its parameters or its misfit")


@dataclass(frozen=True)
class FittedCurve:
    """One curve's laws, its chance (None where its metric has none), and the difficulty of its items (logits, by item;
    of exact_match only)."""

    family: str
    elicitation: str
    metric: str
    laws: tuple[FittedLaw, ...]
    chance: Share | None = None
    difficulty: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if self.metric == "exact_match" and (self.chance is None or not self.difficulty):
            raise TasklawsError(f"{self.key} lacks its chance or the difficulty of its items")

    @property
    def key(self) -> CurveKey:
        return CurveKey(self.family, self.elicitation, self.metric)


@dataclass(frozen=True)
class Fits:
    """The file's content."""

    ladder: str
    curves: tuple[FittedCurve, ...]


def fit_ladder(observations: pd.DataFrame, scores: pd.DataFrame, settings: LawSettings, seed: int) -> list[FittedCurve]:
    """Fit every curve of the final `observations` of the fit rungs; `scores` are the items' behind them."""
    return [fit_curve(key, table, scores, settings, seed) for key, table in by_curve(observations)]


def fit_curve(
    key: CurveKey, table: pd.DataFrame, scores: pd.DataFrame, settings: LawSettings, seed: int
) -> FittedCurve:
    names = settings.losses if is_loss(key.metric) else settings.scores
    chance = table["chance"].mean() if table["chance"].notna().any() else None
    difficulty = None
    if key.metric == "exact_match":
        own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
        solved = own.pivot(index="item", columns=["rung", "seed"], values=key.metric).sort_index()
        hardness = difficulties(solved.to_numpy(dtype=float), chance or 0.0)
        difficulty = {str(item): round(float(value), 6) for item, value in zip(solved.index, hardness, strict=True)}
    laws = tuple(fit_law(name, table.assign(model=table["rung"]), settings.replicates, seed) for name in names)
    return FittedCurve(*key, laws=laws, chance=None if chance is None else float(chance), difficulty=difficulty)


def fit_law(name: str, table: pd.DataFrame, replicates: int, seed: int) -> FittedLaw:
    try:
        found = fit(table, name, replicates=replicates, seed=seed)
    except TasklawsError as error:
        return FittedLaw(name, "failed", str(error), (), 0, {})
    estimates = {
        parameter: Estimate(shortened(value), found.units[parameter], *map(shortened, found.interval[parameter]))
        for parameter, value in found.params.items()
    }
    misfit = shortened(float(np.sqrt(np.mean(found.points["residual"] ** 2))))
    return FittedLaw(name, found.status, found.reason, found.law.inputs, found.n_points, estimates, misfit)


def shortened(value: float) -> float:
    """Eight digits: what arithmetic on another machine may well agree on."""
    return float(f"{value:.8g}")


def save_fits(path: Path, ladder: str, curves: list[FittedCurve]) -> None:
    rows = [without_none({**asdict(one), "laws": [without_none(asdict(law)) for law in one.laws]}) for one in curves]
    write_json(path, {"ladder": ladder, "curves": rows})


def without_none(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def load_fits(path: Path, ladder: str) -> tuple[FittedCurve, ...]:
    """Read fits.json; another ladder's, or a malformed one, raises TasklawsError."""
    found = typed(Fits, read_json(path), str(path), "run `dvc repro fit`")
    if found.ladder != ladder:
        raise TasklawsError(f"{path} holds the fits of {found.ladder}, not of {ladder}: run `dvc repro fit`")
    return found.curves
