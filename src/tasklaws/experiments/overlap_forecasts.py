"""What the ladder scored on every set: a curve over the rungs, and how its items went together."""

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.workers import run_each
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.engine import forecast_tables
from tasklaws.forecast.panel import build_panels
from tasklaws.overlap.effective_number import observed_number
from tasklaws.overlap.residuals import between_seeds, read_cells
from tasklaws.tables import SET_CURVES, SET_FORECASTS, SIZES

_SET = ["overlap", "set_seed"]
_BASELINES = ("repeat_last", "logistic", "two_step")  # no guess solves a chain, so that chance would be 0


def set_curves(sets: pd.DataFrame, scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """One row (tables.SET_CURVES) for each set and rung, `value` being the mean over its items and the rung's seeds.

    `sets` as tables.read_sets gives it, `scores` one row an item, rung and seed, `sizes` one a rung. n_eff is that of
    the items that were asked, n^2 / sum of squared sizes of the groups that share a skill. A set whose items were all
    left out, and one with an item that was not scored, raise TasklawsError.
    """
    by_item = scores.groupby(["rung", "item"])[["exact_match", "target_bits_per_byte"]].mean().reset_index()
    rows = []
    for (overlap, number), members in sets.groupby(_SET, sort=True):
        asked = members[~members["is_learned"]]
        groups = asked["skill"].value_counts()
        if asked.empty:
            raise TasklawsError(f"set {number} of overlap {overlap}: the corpus holds all its questions: draw others")
        kept = by_item[by_item["item"].isin(asked["item"])]
        counts = [len(asked), len(members) - len(asked), len(asked) ** 2 / float((groups**2).sum())]
        for rung, *size in sizes[["rung", *SIZES]].itertuples(index=False):
            own = kept[kept["rung"] == rung]
            if len(own) < len(asked):
                raise TasklawsError(
                    f"rung {rung}: {len(asked) - len(own)} items of set {number} of overlap {overlap} have no score: "
                    f"run `dvc repro overlap_score@{rung}`"
                )
            means = [own[metric].mean() for metric in ("exact_match", "target_bits_per_byte")]
            rows.append([overlap, number, rung, *size, *counts, *means])
    return SET_CURVES.frame(rows)


def observed_numbers(sets: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """n_eff of each set as observed between the seeds of a rung, by (overlap, set_seed); NaN where no item's score
    differs between them, or they differ at one rung only."""
    found = {}
    for key, members in sets[~sets["is_learned"]].groupby(_SET, sort=True):
        own = scores[scores["item"].isin(members["item"])]
        try:
            found[key] = observed_number(between_seeds(read_cells(own, "exact_match")), 0.9).n_eff.value
        except TasklawsError:
            found[key] = np.nan
    return pd.Series(found)


def forecast_sets(curves: pd.DataFrame, min_rungs: int, workers: int) -> pd.DataFrame:
    """Rolling-origin forecasts of the next rung (tables.SET_FORECASTS), from `min_rungs` rungs on, and the baselines';
    `wide_lower` and `wide_upper` are the interval once the engine knows the designed n_eff. `workers` processes
    share the overlaps."""
    jobs = [(curve, min_rungs) for _, curve in curves.groupby("overlap", sort=True)]
    return pd.concat(run_each(_forecast_overlap, jobs, workers, "overlaps"), ignore_index=True)


def _forecast_overlap(curves: pd.DataFrame, min_rungs: int) -> pd.DataFrame:
    return pd.concat([_forecast_set(curve, min_rungs) for _, curve in curves.groupby(_SET, sort=True)])


def _forecast_set(curve: pd.DataFrame, min_rungs: int) -> pd.DataFrame:
    history = History(build_panels(set_points(curve), ["exact_match"])[0])
    n_eff = float(curve["n_eff"].iloc[0])
    sharing = history.with_n_eff(n_eff)
    found = []
    for origin in range(min_rungs, len(history.panel.models)):
        table, methods = forecast_tables(history, origin, [origin])
        known = combined_forecast(sharing, origin, origin)
        wide_lower, _, wide_upper = known.predictive(history.panel.link).interval
        by_method = methods.set_index("method")["predicted"]
        row = table.rename(columns={"model": "rung"}).assign(n_fit=origin, last=history.panel.value[0, origin - 1])
        row = row.assign(wide_lower=wide_lower[0], wide_upper=wide_upper[0])
        found.append(row.assign(**{name: by_method.get(name, np.nan) for name in _BASELINES}))
    of_set = {name: curve[name].iloc[0] for name in (*_SET, "n_eff")}
    return pd.concat(found).assign(**of_set)[SET_FORECASTS.columns]


def set_points(curve: pd.DataFrame) -> pd.DataFrame:
    """A set's curve as the table that the engine takes: its exact match, and the loss of its right answers beside."""
    columns = {"ladder": "sets", "task": "set", "model": curve["rung"], "is_final": True, "step": np.nan}
    columns |= {"stderr": np.nan, "chance": 0.0, "n_items": curve["n_items"].astype(float)}
    columns |= {name: curve[name].astype(float) for name in SIZES}
    values = {"exact_match": "value", "target_bits_per_byte": "target_bits_per_byte"}
    parts = [pd.DataFrame({**columns, "metric": metric, "value": curve[name]}) for metric, name in values.items()]
    return pd.concat(parts, ignore_index=True)
