"""Forecast errors against overlap, and against what independent thresholds would give without any free parameter."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.overlap.tables import SUMMARY_COLUMNS, VERDICTS
from tasklaws.structure.discontinuity import index
from tasklaws.structure.widening import next_rung_variance

Array = NDArray[np.float64]
REPLICATES = 2_000
LEVEL = 0.9


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
        draw = np.random.default_rng(seed).integers(count, size=(REPLICATES, count))
        parts = [np.moveaxis(part[:, draw], 1, 0) for part in (self.forecast, self.naive)]
        return Errors(self.overlaps, self.n_eff, *parts)


def mae(off: Array) -> Array:
    return np.asarray(np.abs(off).mean(axis=(-2, -1)))


def rmse(off: Array) -> Array:
    return np.asarray(np.sqrt((off**2).mean(axis=(-2, -1))))


def spread(off: Array) -> Array:
    """How far sets differ in their error: its standard deviation over sets of one overlap and target, root mean square
    over targets. What all sets have in common (the forecast misjudges the mean curve) is not in it."""
    return np.asarray(np.sqrt(off.var(axis=-2, ddof=1).mean(axis=-1)))


def advantage(errors: Errors) -> Array:
    """By how much the naive mean absolute error exceeds the forecast's."""
    return mae(errors.naive) - mae(errors.forecast)


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


def limits(draws: Array) -> tuple[Array, Array]:
    low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def summary_table(
    curves: pd.DataFrame, forecasts: pd.DataFrame, seen: pd.Series, theory: Theory, seed: int
) -> pd.DataFrame:
    """One row (SUMMARY_COLUMNS) for each overlap, with bootstrap intervals over the sets' seeds; of `index` and
    `n_eff_seen` the middle of the sets and the limits within which 90% of them lie."""
    errors = Errors.of(forecasts)
    again = errors.redrawn(seed)
    columns: dict[str, Any] = {"overlap": errors.overlaps, "n_eff": errors.n_eff}
    columns["n_sets"] = errors.forecast.shape[1]
    measured = {
        "mae": (mae(errors.forecast), mae(again.forecast)),
        "mae_repeat_last": (mae(errors.naive), mae(again.naive)),
        "advantage": (advantage(errors), advantage(again)),
        "rmse": (rmse(errors.forecast), rmse(again.forecast)),
        "spread": (spread(errors.forecast), spread(again.forecast)),
    }
    for name, (value, draws) in measured.items():
        columns[name] = value
        columns[f"{name}_low"], columns[f"{name}_high"] = limits(draws)
    columns |= between_sets("index", set_indices(curves)) | between_sets("n_eff_seen", seen)
    columns["rmse_repeat_last"] = rmse(errors.naive)
    columns["theory"], columns["theory_repeat_last"] = theory.error(errors.n_eff), theory.naive(errors.n_eff)
    table = forecasts.assign(
        mae_logistic=(forecasts["logistic"] - forecasts["observed"]).abs(),
        mae_two_step=(forecasts["two_step"] - forecasts["observed"]).abs(),
        coverage=inside(forecasts, "lower", "upper"),
        coverage_widened=inside(forecasts, "wide_lower", "wide_upper"),
        width=forecasts["upper"] - forecasts["lower"],
        width_widened=forecasts["wide_upper"] - forecasts["wide_lower"],
        **{verdict: forecasts["verdict"] == verdict for verdict in VERDICTS},
    )
    by_overlap = table.groupby("overlap", sort=True)
    for name in ("mae_logistic", "mae_two_step", "coverage", "coverage_widened", "width", "width_widened", *VERDICTS):
        columns[name] = by_overlap[name].mean().to_numpy(dtype=float)
    return pd.DataFrame(columns)[SUMMARY_COLUMNS]


def inside(forecasts: pd.DataFrame, lower: str, upper: str) -> pd.Series:
    observed = forecasts["observed"]
    return (observed >= forecasts[lower] - 1e-9) & (observed <= forecasts[upper] + 1e-9)


def set_indices(curves: pd.DataFrame) -> pd.Series:
    """The discontinuity index of every set's curve; NaN where it does not rise."""
    found = {}
    for key, curve in curves.sort_values("train_flops").groupby(["overlap", "set_seed"], sort=True):
        value = curve["value"].to_numpy(dtype=float)
        rises = np.ptp(value) > 0
        found[key] = float(index(np.log(curve["n_params"].to_numpy(dtype=float)), value)) if rises else np.nan
    return pd.Series(found)


def between_sets(name: str, values: pd.Series) -> dict[str, Array]:
    """Median and the limits of 90% of the sets, by overlap."""
    by_overlap = values.groupby(level=0, sort=True)
    levels = {"": 0.5, "_low": (1 - LEVEL) / 2, "_high": (1 + LEVEL) / 2}
    return {f"{name}{end}": by_overlap.quantile(level).to_numpy(dtype=float) for end, level in levels.items()}
