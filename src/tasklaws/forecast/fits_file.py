"""fits.json: the laws fitted to every curve of a ladder's fit rungs, and how hard each item is.

Apart from the fitting (forecast.curve_fits), so that who reads the file needs no optimiser.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasklaws.core.checked import Natural, Share, read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json
from tasklaws.tables import CurveKey


@dataclass(frozen=True)
class FittedLaw:
    """One law fitted to one curve: `Fit.to_dict` without points and draws, numbers to eight digits; what is None there
    is absent. Of a law that could not be fitted nothing but the reason is known."""

    law: str
    status: Literal["converged", "bound_hit", "unidentified", "failed"]
    reason: str
    inputs: tuple[str, ...]
    kind: str
    ladders: tuple[str, ...]
    params: dict[str, float]
    units: dict[str, str]
    stderr: dict[str, float]
    interval: dict[str, tuple[float, ...]]
    at_bounds: tuple[str, ...]
    n_points: Natural
    chance: Share | None = None
    objective: float | None = None
    misfit: float | None = None
    overdispersion: float | None = None
    level: Share | None = None

    @classmethod
    def failed(cls, law: str, reason: str) -> "FittedLaw":
        """A law that could not be fitted."""
        return cls(law, "failed", reason, (), "", (), {}, {}, {}, {}, (), 0)

    def __post_init__(self) -> None:
        if self.status != "failed" and (
            not self.params or None in (self.misfit, self.objective, self.overdispersion, self.level)
        ):
            raise TasklawsError(f"{self.law} is {self.status}, but lacks its parameters or how well they fit")


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
        if self.chance is not None and any(law.status != "failed" and law.chance is None for law in self.laws):
            raise TasklawsError(f"a law of {self.key} lacks its chance")

    @property
    def key(self) -> CurveKey:
        return CurveKey(self.family, self.elicitation, self.metric)


@dataclass(frozen=True)
class Fits:
    """The file's content."""

    ladder: str
    curves: tuple[FittedCurve, ...]


def to_eight_digits(value: Any) -> Any:
    """Without what is None, and numbers to eight digits: what arithmetic on another machine may well agree on."""
    if isinstance(value, dict):
        return {name: to_eight_digits(one) for name, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [to_eight_digits(one) for one in value]
    return float(f"{value:.8g}") if isinstance(value, float) else value


def save_fits(path: Path, ladder: str, curves: list[FittedCurve]) -> None:
    write_json(path, {"ladder": ladder, "curves": [to_eight_digits(asdict(curve)) for curve in curves]})


def load_fits(path: Path, ladder: str) -> tuple[FittedCurve, ...]:
    """Read fits.json; another ladder's, or a malformed one, raises TasklawsError."""
    found = read(Fits, read_json(path), str(path), "run `dvc repro fit`")
    if found.ladder != ladder:
        raise TasklawsError(f"{path} holds the fits of {found.ladder}, not of {ladder}: run `dvc repro fit`")
    return found.curves
