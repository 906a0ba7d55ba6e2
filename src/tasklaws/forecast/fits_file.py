"""fits.json: the laws fitted to every curve of a ladder's fit rungs, and how hard each item is.

Apart from the fitting (forecast.curve_fits), so that who reads the file needs no optimiser.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json
from tasklaws.core.typed import Natural, Share, typed
from tasklaws.tables import CurveKey


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
