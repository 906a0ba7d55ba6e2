"""The engine asked for the held-out rungs of the pipeline's ladder: nothing is read but fit observations and sizes."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import Planned, Rung
from tasklaws.forecast.combine import History, combined_forecast, without
from tasklaws.forecast.engine import forecast_tables, outlook
from tasklaws.forecast.fits_file import FittedCurve
from tasklaws.forecast.naive import RepeatLast
from tasklaws.forecast.panel import build_panels, size_gap
from tasklaws.stats.rasch import forecast_items
from tasklaws.tables import (
    BANDS,
    BASELINE_NAMES,
    FORECASTS,
    ITEM_FORECASTS,
    METHOD_FORECASTS,
    METRIC_RANGES,
    PLANNED,
    SIZES,
    curve_kind,
)
from tasklaws.tabular.points import to_points

_BAND_POINTS = 60
_BAND_REACH = 2.0  # a band ends at this many times the largest rung's size


class Forecasts(NamedTuple):
    """The forecasts of the holdout (tables.FORECASTS), and those of each method (tables.METHOD_FORECASTS)."""

    table: pd.DataFrame
    methods: pd.DataFrame


def _histories(observations: pd.DataFrame, sizes: pd.DataFrame) -> Iterator[tuple[History, int, range]]:
    """For scores and for losses: what is known of the fit rungs, followed by the models of `sizes` (rung and SIZES), of
    which nothing else is; how many models are known, and the numbers of the others."""
    points = to_points(observations)
    wanted = points[["ladder", "task", "metric"]].drop_duplicates()
    wanted = wanted.merge(sizes.rename(columns={"rung": "model"})[["model", *SIZES]], how="cross")
    table = pd.concat([points, wanted.assign(is_final=True)])
    for panel in build_panels(table, sorted(points["metric"].unique())):
        ordered, known = panel.held_last(sizes["rung"].tolist())
        yield History(ordered), known, range(known, len(ordered.models))


def forecast_ladder(observations: pd.DataFrame, sizes: pd.DataFrame) -> Forecasts:
    """Forecast every curve of the final `observations` of the fit rungs at every rung of `sizes`."""
    found = [forecast_tables(*job) for job in _histories(observations, sizes)]
    table, methods = (_in_pipeline_words(pd.concat(part)) for part in zip(*found, strict=True))
    baselines = methods[methods["method"].isin(BASELINE_NAMES)]
    wide = baselines.pivot(index=FORECASTS.keys, columns="method", values="predicted").reindex(columns=BASELINE_NAMES)
    table = table.merge(wide.reset_index(), on=FORECASTS.keys, how="left", validate="one_to_one")
    return Forecasts(FORECASTS.pick(table), METHOD_FORECASTS.pick(methods))


def only_observable(forecasts: pd.DataFrame, rungs: Mapping[str, Rung]) -> pd.DataFrame:
    """The forecasts whose outcome there will be: none of a held-out loss that is not measured, nor of what rests on
    likelihoods where a server tells none."""

    def lacks(row: pd.Series) -> bool:
        kind, source = curve_kind(row["family"], row["elicitation"], row["metric"]), rungs[row["rung"]].source
        return (kind == "heldout" and not source.heldout) or (kind == "likelihoods" and not source.likelihoods)

    return forecasts[~forecasts.apply(lacks, axis=1)] if len(forecasts) else forecasts


def forecast_planned(observations: pd.DataFrame, planned: Mapping[str, Planned]) -> pd.DataFrame:
    """Forecast every curve of the final `observations` of the fit rungs at every planned model (tables.PLANNED), which
    is never trained or asked; without any an empty table."""
    if not planned:
        return PLANNED.frame([])
    rows = [
        (name, one.n_params, one.n_tokens, train_flops(one.n_params, one.n_tokens)) for name, one in planned.items()
    ]
    sizes = pd.DataFrame(rows, columns=["rung", *SIZES])
    return PLANNED.pick(forecast_ladder(observations, sizes).table)


def forecast_bands(observations: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of models of any size, from the smallest rung to _BAND_REACH times the largest (tables.BANDS): how a
    curve goes on, with the interval of a model of that size.

    Training tokens between rungs are straight in logs; beyond the largest rung they stay what they are there. Where a
    rung's are unknown, all are: then parameters place the models."""
    rungs = pd.concat([observations, sizes]).groupby("n_params")["n_tokens"].mean().reset_index()
    grid = np.geomspace(rungs["n_params"].min(), _BAND_REACH * rungs["n_params"].max(), _BAND_POINTS)
    tokens = np.exp(np.interp(np.log(grid), np.log(rungs["n_params"]), np.log(rungs["n_tokens"])))
    if pd.concat([observations, sizes])["n_tokens"].isna().any():
        tokens = np.full_like(grid, np.nan)
    models = [f"of size {index:03}" for index in range(len(grid))]
    wanted = pd.DataFrame({"rung": models, "n_params": grid, "n_tokens": tokens, "train_flops": 6 * grid * tokens})
    parts = []
    for history, known, targets in _histories(observations, wanted):
        panel, seen = history.panel, history.known(known)
        for target in targets:
            found = combined_forecast(history, known, target)
            if panel.size[target] < panel.size[:known].max():
                found = without(RepeatLast().name, found, history, known, target)
            lower, predicted, upper = outlook(seen, size_gap(panel, known, target), found).interval
            part = pd.DataFrame(panel.tasks, columns=["task", "metric"])
            part = part.assign(ladder=panel.ladder, n_params=panel.n_params[target])
            parts.append(part.assign(predicted=predicted, lower=lower, upper=upper))
    return BANDS.pick(_in_pipeline_words(pd.concat(parts).assign(model="")))


def _in_pipeline_words(table: pd.DataFrame) -> pd.DataFrame:
    """The engine's rows with rung, family and elicitation, forecasts inside the range of their metric."""
    pair = table["task"].str.rsplit("_", n=1, expand=True)
    table = table.assign(rung=table["model"], family=pair[0], elicitation=pair[1])
    smallest, largest = (
        table["metric"].map({name: limits[place] for name, limits in METRIC_RANGES.items()}) for place in (0, 1)
    )
    for end in ("predicted", "lower", "upper"):
        table[end] = table[end].clip(smallest.fillna(-np.inf), largest.fillna(np.inf))
    return table


def forecast_ladder_items(curves: tuple[FittedCurve, ...], forecasts: pd.DataFrame) -> pd.DataFrame:
    """The probability that a holdout rung solves each item of a family (ITEM_FORECASTS).

    A share solved that was fitted but not forecast, or the other way round, raises TasklawsError."""
    fitted = {(curve.family, curve.elicitation): curve for curve in curves if curve.metric == "exact_match"}
    found = []
    for row in forecasts[forecasts["metric"] == "exact_match"].to_dict("records"):
        family, elicitation = str(row["family"]), str(row["elicitation"])
        curve = fitted.get((family, elicitation))
        if curve is None or not curve.difficulty:
            raise TasklawsError(f"fits.json has no difficulties of {family} {elicitation}: run `dvc repro fit`")
        difficulty = np.array(list(curve.difficulty.values()))
        probability = forecast_items(difficulty, curve.chance or 0.0, row["link_mean"], row["link_sd"])
        part = pd.DataFrame({"item": list(curve.difficulty), "probability": probability})
        found.append(part.assign(rung=row["rung"], family=family, elicitation=elicitation))
    return ITEM_FORECASTS.pick(pd.concat(found)) if found else ITEM_FORECASTS.frame([])
