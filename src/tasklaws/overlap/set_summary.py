"""Forecast errors against overlap, and against what independent thresholds would give without any free parameter."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.checked import read
from tasklaws.core.files import REMAKE, read_json
from tasklaws.overlap.discontinuity import index
from tasklaws.stats.proportions import next_rung_variance
from tasklaws.tables import SET_SUMMARY, VERDICT_NAMES

_SET_DRAWS = 2_000
_TAILS = ((1 - 0.9) / 2, (1 + 0.9) / 2)  # of 90% limits


@dataclass(frozen=True, eq=False)
class Errors:
    """Forecast less outcome of the combination and of the naive forecast (the last rung's value), each (overlaps, sets,
    targets); `n_eff` (overlaps), the mean of its sets."""

    overlaps: Array
    n_eff: Array
    forecast: Array
    naive: Array

    @classmethod
    def of(cls, forecasts: pd.DataFrame) -> "Errors":
        """From the table of forecasts, in which every set has the same targets."""
        table = forecasts.sort_values(["overlap", "set_seed", "n_fit"])
        overlaps = np.unique(table["overlap"])
        shape = (len(overlaps), table["set_seed"].nunique(), table["n_fit"].nunique())
        off = [(table[name] - table["observed"]).to_numpy().reshape(shape) for name in ("predicted", "repeat_last")]
        number = table["n_eff"].to_numpy().reshape(shape).mean(axis=(1, 2))
        return cls(overlaps, number, *off)

    def redrawn(self, seed: int) -> "Errors":
        """Bootstrap replicates in a leading axis: sets are drawn again by their seed, the same for all overlaps, as
        sets of one seed share their items. Rungs are not drawn: the ladder's own luck is in no interval."""
        count = self.forecast.shape[1]
        draw = np.random.default_rng(seed).integers(count, size=(_SET_DRAWS, count))
        parts = [np.moveaxis(part[:, draw], 1, 0) for part in (self.forecast, self.naive)]
        return Errors(self.overlaps, self.n_eff, *parts)

    def measures(self) -> dict[str, Array]:
        """Kinds of error, by overlap (the last axis): mean absolute (`mae`) and root mean square (`rmse`) error, those
        of the naive forecast, `advantage` (by how much its mae exceeds the forecast's) and `spread`.

        The spread is how far sets differ in their error: its standard deviation over sets of one overlap and target,
        root mean square over targets. What sets have in common (the forecast misjudges the mean curve) is not in it.
        """
        mae, naive = (np.abs(off).mean(axis=(-2, -1)) for off in (self.forecast, self.naive))
        rmse, naive_rmse = (np.sqrt((off**2).mean(axis=(-2, -1))) for off in (self.forecast, self.naive))
        found = {"mae": mae, "mae_repeat_last": naive, "advantage": naive - mae}
        found |= {"rmse": rmse, "rmse_repeat_last": naive_rmse}
        return found | {"spread": np.sqrt(self.forecast.var(axis=-2, ddof=1).mean(axis=-1))}


def slope(n_eff: Array, error: Array) -> Array:
    """Least-squares slope of ln error on ln n_eff."""
    x = np.log(n_eff) - np.log(n_eff).mean()
    return np.asarray(np.log(np.maximum(error, 1e-9)) @ x / (x @ x))


@dataclass(frozen=True)
class Theory:
    """What independent thresholds leave open when the mean curve over all sets is known: `step` is the mean over
    targets of next_rung_variance at n_eff 1, `rise` that of the squared rise, from which the naive forecast suffers."""

    step: float
    rise: float

    @classmethod
    def of(cls, curves: pd.DataFrame, min_rungs: int) -> "Theory":
        """From the mean over all sets of one overlap, and over overlaps, at each rung."""
        mean = curves.groupby("train_flops")["value"].mean().sort_index().to_numpy()
        last, after = mean[min_rungs - 1 : -1], mean[min_rungs:]
        return cls(float(next_rung_variance(last, after, 1.0).mean()), float(((after - last) ** 2).mean()))

    def error(self, n_eff: Array) -> Array:
        """Root mean square error of the best forecast: sqrt(step / n_eff)."""
        return np.asarray(np.sqrt(self.step / n_eff))

    def naive(self, n_eff: Array) -> Array:
        """That of the last rung's value: sqrt(rise + step / n_eff)."""
        return np.asarray(np.sqrt(self.rise + self.step / n_eff))


def bootstrap_limits(draws: Array) -> tuple[Array, Array]:
    """The limits of the middle 90% of `draws` (draws, ...), NaN left out."""
    low, high = np.nanquantile(draws, _TAILS, axis=0)
    return low, high


def summary_table(
    curves: pd.DataFrame, forecasts: pd.DataFrame, observed: pd.Series, theory: Theory, seed: int
) -> pd.DataFrame:
    """One row (tables.SET_SUMMARY) for each overlap, with bootstrap intervals over the sets' seeds; of `index` and
    `n_eff_seen` (from `observed`) the middle of the sets and the limits within which 90% of them lie."""
    errors = Errors.of(forecasts)
    again = errors.redrawn(seed).measures()
    columns = {"overlap": errors.overlaps, "n_eff": errors.n_eff}
    for name, value in errors.measures().items():
        columns[name] = value
        columns[f"{name}_low"], columns[f"{name}_high"] = bootstrap_limits(again[name])
    columns |= _between_sets("index", _set_indices(curves)) | _between_sets("n_eff_seen", observed)
    columns["theory"], columns["theory_repeat_last"] = theory.error(errors.n_eff), theory.naive(errors.n_eff)
    table = forecasts.assign(
        mae_logistic=(forecasts["logistic"] - forecasts["observed"]).abs(),
        mae_two_step=(forecasts["two_step"] - forecasts["observed"]).abs(),
        coverage=forecasts["observed"].between(forecasts["lower"] - 1e-9, forecasts["upper"] + 1e-9),
        coverage_widened=forecasts["observed"].between(forecasts["wide_lower"] - 1e-9, forecasts["wide_upper"] + 1e-9),
        width=forecasts["upper"] - forecasts["lower"],
        width_widened=forecasts["wide_upper"] - forecasts["wide_lower"],
        **{verdict: forecasts["verdict"] == verdict for verdict in VERDICT_NAMES},
    )
    for name in [name for name in SET_SUMMARY.columns if name in table and name not in columns]:
        columns[name] = table.groupby("overlap", sort=True)[name].mean().to_numpy(dtype=float)
    return pd.DataFrame(columns).assign(n_sets=errors.forecast.shape[1])[SET_SUMMARY.columns]


def _set_indices(curves: pd.DataFrame) -> pd.Series:
    """The discontinuity index of every set's curve; NaN where it does not rise."""
    found = {}
    for key, curve in curves.sort_values("train_flops").groupby(["overlap", "set_seed"], sort=True):
        value = curve["value"].to_numpy(dtype=float)
        rises = np.ptp(value) > 0
        found[key] = float(index(np.log(curve["n_params"].to_numpy(dtype=float)), value)) if rises else np.nan
    return pd.Series(found)


def _between_sets(name: str, values: pd.Series) -> dict[str, Array]:
    """Median and the limits of 90% of the sets, by overlap."""
    by_overlap = values.groupby(level=0, sort=True)
    levels = {"": 0.5, "_low": _TAILS[0], "_high": _TAILS[1]}
    return {f"{name}{end}": by_overlap.quantile(level).to_numpy(dtype=float) for end, level in levels.items()}


def slopes(errors: Errors, seed: int) -> dict[str, dict[str, float]]:
    """The slope of ln error on ln n_eff of each kind of error, with its bootstrap limits."""
    here, again = errors.measures(), errors.redrawn(seed).measures()
    found = {}
    for name in ("mae", "rmse", "spread"):
        values = (slope(errors.n_eff, here[name]), *bootstrap_limits(slope(errors.n_eff, again[name])))
        found[name] = {key: round(float(value), 6) for key, value in zip(("slope", "low", "high"), values, strict=True)}
    return found


def gain_crossing(errors: Errors, seed: int) -> dict[str, float]:
    """The n_eff at which the forecast's advantage, straight in ln n_eff between overlaps, first falls to 0 (absent if
    it never does), and the share of bootstrap replicates in which it never does."""
    draws = np.array([_first_zero(errors.n_eff, one) for one in errors.redrawn(seed).measures()["advantage"]])
    found = {"share_never": round(float(np.isnan(draws).mean()), 4)}
    here = _first_zero(errors.n_eff, errors.measures()["advantage"])
    if not np.isnan(here):
        low, high = bootstrap_limits(draws)
        found |= {"n_eff": here, "low": float(low), "high": float(high)}
    return found


def _first_zero(n_eff: Array, gain: Array) -> float:
    """The first zero of `gain` along falling n_eff; NaN if it stays above 0."""
    below = np.flatnonzero(gain <= 0)
    if not len(below):
        return float("nan")
    place = int(below[0])
    if place == 0:
        return float(n_eff[0])
    before, after = np.log(n_eff[place - 1]), np.log(n_eff[place])
    share = gain[place - 1] / (gain[place - 1] - gain[place])
    return float(np.exp(before + share * (after - before)))


@dataclass(frozen=True)
class Facts:
    """What summary.json holds: counts of questions, where the forecast's gain is 0 (`gain_crossing`), the `slopes` and
    the numbers of the `Theory`."""

    n_questions: int
    n_questions_left_out: int
    crossing: dict[str, float]
    slopes: dict[str, dict[str, float]]
    theory: dict[str, float]

    @classmethod
    def of(cls, sets: pd.DataFrame, forecasts: pd.DataFrame, theory: Theory, seed: int) -> "Facts":
        errors = Errors.of(forecasts)
        return cls(
            n_questions=int(sets.loc[~sets["is_learned"], "item"].nunique()),
            n_questions_left_out=int(sets.loc[sets["is_learned"], "item"].nunique()),
            crossing=gain_crossing(errors, seed),
            slopes=slopes(errors, seed),
            theory={"step": round(theory.step, 6), "rise": round(theory.rise, 6)},
        )

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """Those of a file; another content raises TasklawsError."""
        return read(cls, read_json(path), str(path), REMAKE)
