"""What the fit rungs' curves look like, as one JSON file: laws fitted to each, and how hard each item is."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tasklaws.core.checked import Natural, Share, read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json
from tasklaws.core.settings import Laws
from tasklaws.laws.fitting import fit
from tasklaws.laws.forms import refuse_unfit
from tasklaws.stats.rasch import fit_rasch
from tasklaws.tables import CurveKey, by_curve, is_loss


@dataclass(frozen=True)
class FittedLaw:
    """One law fitted to one curve: `Fit.to_dict` without points and draws, numbers to eight digits; what is None there
    is absent. Of a law that could not be fitted nothing but the reason is known."""

    law: str
    status: Literal["converged", "bound_hit", "unidentified", "failed"]
    reason: str
    inputs: tuple[str, ...] = ()
    kind: str = ""
    chance: Share | None = None
    ladders: tuple[str, ...] = ()
    params: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    stderr: dict[str, float] = field(default_factory=dict)
    interval: dict[str, tuple[float, ...]] = field(default_factory=dict)
    at_bounds: tuple[str, ...] = ()
    n_points: Natural = 0
    objective: float | None = None
    misfit: float | None = None
    overdispersion: float | None = None
    level: Share | None = None

    def __post_init__(self) -> None:
        if self.status != "failed" and (not self.params or self.misfit is None):
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


def fit_ladder(observations: pd.DataFrame, scores: pd.DataFrame, laws: Laws, seed: int) -> list[FittedCurve]:
    """Fit every curve of the final `observations` of the fit rungs; `scores` are the items' behind them.

    A law that does not exist, or gives no loss and is to be fitted to losses, raises TasklawsError.
    """
    refuse_unfit(laws)
    return [fit_curve(key, table, scores, laws, seed) for key, table in by_curve(observations)]


def fit_curve(key: CurveKey, table: pd.DataFrame, scores: pd.DataFrame, laws: Laws, seed: int) -> FittedCurve:
    names = laws.losses if is_loss(key.metric) else laws.scores
    chance = table["chance"].mean() if table["chance"].notna().any() else None
    difficulty = None
    if key.metric == "exact_match":
        own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
        solved = own.pivot(index="item", columns=["rung", "seed"], values=key.metric).sort_index()
        hardness = fit_rasch(solved.to_numpy(dtype=float), chance or 0.0).difficulty
        difficulty = {str(item): round(float(value), 6) for item, value in zip(solved.index, hardness, strict=True)}
    fitted = tuple(fit_law(name, table.assign(model=table["rung"]), laws.replicates, seed) for name in names)
    return FittedCurve(*key, laws=fitted, chance=None if chance is None else float(chance), difficulty=difficulty)


def fit_law(name: str, table: pd.DataFrame, replicates: int, seed: int) -> FittedLaw:
    try:
        found = fit(table, name, replicates=replicates, seed=seed)
    except TasklawsError as error:
        return FittedLaw(name, "failed", str(error))
    return read(FittedLaw, _kept(found.to_dict(whole=False)), name, "this is a fault of tasklaws")


def _kept(value: Any) -> Any:
    """Without what is None, and numbers to eight digits: what arithmetic on another machine may well agree on."""
    if isinstance(value, dict):
        return {name: _kept(one) for name, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [_kept(one) for one in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


def save_fits(path: Path, ladder: str, curves: list[FittedCurve]) -> None:
    write_json(path, {"ladder": ladder, "curves": [_kept(asdict(curve)) for curve in curves]})


def load_fits(path: Path, ladder: str) -> tuple[FittedCurve, ...]:
    """Read fits.json; another ladder's, or a malformed one, raises TasklawsError."""
    found = read(Fits, read_json(path), str(path), "run `dvc repro fit`")
    if found.ladder != ladder:
        raise TasklawsError(f"{path} holds the fits of {found.ladder}, not of {ladder}: run `dvc repro fit`")
    return found.curves
