"""Every curve of a ladder fitted and judged; the fits as one JSON file."""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_json, write_json
from tasklaws.forecast.backtest import Backtest, backtest, calibrate, weigh
from tasklaws.forecast.items import difficulties
from tasklaws.forecast.tables import Key, LadderCurve, curves
from tasklaws.forecast.verdict import Judgement, judge, too_few
from tasklaws.laws.curve import Curve
from tasklaws.laws.fitting import fit
from tasklaws.laws.forms import LAWS
from tasklaws.laws.result import Fit
from tasklaws.laws.settings import LawSettings


@dataclass(frozen=True)
class CurveFit:
    """One curve: `used`, the fit that forecasts it, every law as plain JSON types, how they did in the
    backtest (None below `min_rungs` rungs), the verdict. `chance` is None where the metric has none;
    `difficulty` (logits, by item) is empty but for exact_match."""

    key: Key
    used: Fit
    verdict: str
    evidence: str
    chance: float | None
    laws: dict[str, dict[str, Any]] = field(default_factory=dict)
    backtest: dict[str, Any] | None = None
    difficulty: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        row = {**asdict(self), "used": self.used.to_dict(), **self.key._asdict()}
        del row["key"]
        return {name: value for name, value in row.items() if value is not None}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "CurveFit":
        """Read `to_dict` back; a missing part raises TasklawsError."""
        try:
            key = Key(row["family"], row["elicitation"], row["metric"])
            rest = {name: row[name] for name in ("verdict", "evidence", "laws", "difficulty")}
            return cls(
                key,
                Fit.from_dict(row["used"]),
                chance=row.get("chance"),
                backtest=row.get("backtest"),
                **rest,
            )
        except (KeyError, TypeError) as error:
            raise TasklawsError(f"malformed fit ({error!r}): run `dvc repro fit`") from error


def stream(seed: int, purpose: str, key: Key) -> np.random.Generator:
    """A random stream of its own for every curve, so that its numbers do not depend on which others exist."""
    return np.random.default_rng([seed, zlib.crc32("\0".join((purpose, *key)).encode())])


def fit_ladder(observations: pd.DataFrame, scores: pd.DataFrame, settings: LawSettings, seed: int) -> list[CurveFit]:
    """Fit every curve of the final `observations` of the fit rungs; `scores` are the items' behind them."""
    return [fit_curve(found, settings, seed) for found in curves(observations, settings.x, scores)]


def fit_curve(found: LadderCurve, settings: LawSettings, seed: int) -> CurveFit:
    """Fit, backtest and judge one curve; below `min_rungs` rungs the last one is repeated."""
    key, curve = found.key, found.curve
    rng = stream(seed, "fit", key)
    laws: dict[str, Fit] = {}
    tested = None
    if curve.n_rungs < settings.min_rungs:
        judgement = too_few(curve, settings)
    else:
        laws = {name: fit(curve, name, settings, rng) for name in LAWS}
        tested = backtest(curve, laws, settings)
        seed_sd = fit(curve, "constant", settings).noise.seed
        judgement = judge(curve, tested, seed_sd, settings, rng)
    difficulty: dict[str, float] = {}
    if curve.items is not None and key.metric == "exact_match":
        solved = difficulties(curve.items, curve.chance or 0.0)
        difficulty = {item: round(float(value), 6) for item, value in zip(found.items, solved, strict=True)}
    return CurveFit(
        key=key,
        used=forecasting_fit(curve, judgement, laws, tested, settings, rng),
        verdict=judgement.verdict,
        evidence=judgement.evidence,
        chance=curve.chance,
        laws={name: without_draws(law) for name, law in laws.items()},
        backtest=None if tested is None else asdict(tested),
        difficulty=difficulty,
    )


def forecasting_fit(
    curve: Curve,
    judgement: Judgement,
    laws: dict[str, Fit],
    tested: Backtest | None,
    settings: LawSettings,
    rng: np.random.Generator,
) -> Fit:
    if judgement.forecast_by == "law" and tested is not None and tested.chosen is not None:
        weights = weigh(curve, tested.errors)
        return calibrate(laws[tested.chosen], curve, settings, rng, weights, judgement.step_at)
    if judgement.forecast_by == "constant":
        return calibrate(fit(curve, "constant", settings, rng), curve, settings, rng, {}, None)
    return fit(curve, "repeat_last", settings, rng)


def without_draws(found: Fit) -> dict[str, Any]:
    row = found.to_dict()
    del row["draws"]
    return row


def save_fits(path: Path, ladder: str, fits: list[CurveFit]) -> None:
    write_json(path, {"ladder": ladder, "curves": [found.to_dict() for found in fits]})


def load_fits(path: Path, ladder: str) -> list[CurveFit]:
    """Read fits.json; another ladder's, or a malformed one, raises TasklawsError."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("ladder") != ladder or "curves" not in content:
        raise TasklawsError(f"{path} does not hold the fits of {ladder}: run `dvc repro fit`")
    return [CurveFit.from_dict(row) for row in content["curves"]]
