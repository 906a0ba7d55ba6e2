"""The engine asked for the held-out rungs of the pipeline's ladder: nothing is read but fit observations and sizes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.baselines import RepeatLast
from tasklaws.forecast.combine import Forecast, History, forecast
from tasklaws.forecast.engine import forecast_rows, interval
from tasklaws.forecast.fits_file import FittedCurve
from tasklaws.forecast.panel import SIZES, build_panels
from tasklaws.stats.rasch import forecast_items
from tasklaws.tables import BANDS, BASELINE_NAMES, FORECASTS, ITEM_FORECASTS, METHOD_FORECASTS, METRIC_RANGES, POINTS

ENDS = ["predicted", "lower", "upper"]
BAND_POINTS = 60
_BAND_REACH = 2.0  # a band ends at this many times the largest rung's size


class Forecasts(NamedTuple):
    """What is said of the holdout (tables.FORECASTS), and by which methods (tables.METHOD_FORECASTS)."""

    table: pd.DataFrame
    methods: pd.DataFrame


def to_points(observations: pd.DataFrame) -> pd.DataFrame:
    """Observations as a table of points: a rung is a model, a family under one elicitation is a task, as in lm-eval."""
    task = observations["family"] + "_" + observations["elicitation"]
    known = [column for column in ("seed", "n_eff") if column in observations]
    return observations.assign(model=observations["rung"], task=task)[[*POINTS.columns, *known]]


def histories(observations: pd.DataFrame, sizes: pd.DataFrame) -> Iterator[tuple[History, int]]:
    """For scores and for losses: what is known of the fit rungs, then the models of `sizes` (rung and SIZES), of which
    nothing else is; and how many models are known."""
    points = to_points(observations)
    wanted = points[["ladder", "task", "metric"]].drop_duplicates()
    wanted = wanted.merge(sizes.rename(columns={"rung": "model"})[["model", *SIZES]], how="cross")
    table = pd.concat([points, wanted.assign(is_final=True)])
    for panel in build_panels(table, sorted(points["metric"].unique())):
        held = np.isin(panel.models, sizes["rung"].tolist())
        ordered = panel.select(np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)]))
        yield History(ordered), int((~held).sum())


def forecast_ladder(observations: pd.DataFrame, sizes: pd.DataFrame) -> Forecasts:
    """Forecast every curve of the final `observations` of the fit rungs at every rung of `sizes`."""
    rows: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for history, known in histories(observations, sizes):
        found, told = forecast_rows(history, known, range(known, len(history.panel.models)))
        rows, parts = rows + found, parts + told
    methods = named(pd.DataFrame(parts))
    baselines = methods[methods["method"].isin(BASELINE_NAMES)]
    apart = baselines.pivot(index=FORECASTS.keys, columns="method", values="predicted").reindex(columns=BASELINE_NAMES)
    table = named(pd.DataFrame(rows)).merge(apart.reset_index(), on=FORECASTS.keys, how="left", validate="one_to_one")
    return Forecasts(table[FORECASTS.columns], methods[METHOD_FORECASTS.columns])


def forecast_bands(observations: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """What the same engine says of models of any size, from the smallest rung to _BAND_REACH times the largest
    (tables.BANDS): how a curve goes on, with the interval of a model of that size.

    Training tokens between rungs are straight in logs; beyond the largest rung they stay what they are there."""
    rungs = pd.concat([observations, sizes]).groupby("n_params")["n_tokens"].mean().reset_index()
    grid = np.geomspace(rungs["n_params"].min(), _BAND_REACH * rungs["n_params"].max(), BAND_POINTS)
    tokens = np.exp(np.interp(np.log(grid), np.log(rungs["n_params"]), np.log(rungs["n_tokens"])))
    models = [f"of size {index:03}" for index in range(len(grid))]
    wanted = pd.DataFrame({"rung": models, "n_params": grid, "n_tokens": tokens, "train_flops": 6 * grid * tokens})
    rows: list[pd.DataFrame] = []
    for history, known in histories(observations, wanted):
        panel = history.panel
        for target in range(known, len(panel.models)):
            found = forecast(history, known, target)
            if panel.size[target] < panel.size[:known].max():
                found = without(RepeatLast().name, found, history, known, target)
            lower, predicted, upper = interval(panel.link, found.mean, found.width)
            part = pd.DataFrame(panel.tasks, columns=["task", "metric"])
            part = part.assign(ladder=panel.ladder, n_params=panel.n_params[target])
            rows.append(part.assign(predicted=predicted, lower=lower, upper=upper))
    return named(pd.concat(rows).assign(model=""))[BANDS.columns]


def without(method: str, found: Forecast, history: History, known: int, target: int) -> Forecast:
    """The combination less one method, unless there is no other: the last rung says nothing of smaller models."""
    kept = [place for place, name in enumerate(found.methods) if name != method]
    if not kept:
        return found
    told = [history.at(known)[found.methods[place]] for place in kept]
    mean, sd = (np.stack([getattr(one, name)[:, target - known] for one in told]) for name in ("mean", "sd"))
    weights = found.weights[kept] / found.weights[kept].sum(axis=0)
    middle = (weights * mean).sum(axis=0)
    return replace(found, mean=middle, sd=np.sqrt((weights * (sd**2 + (mean - middle) ** 2)).sum(axis=0)))


def named(table: pd.DataFrame) -> pd.DataFrame:
    """The engine's rows in the pipeline's words, forecasts inside the range of their metric."""
    pair = table["task"].str.rsplit("_", n=1, expand=True)
    table = table.assign(rung=table["model"], family=pair[0], elicitation=pair[1])
    for metric, (smallest, largest) in METRIC_RANGES.items():
        own = table["metric"] == metric
        table.loc[own, ENDS] = table.loc[own, ENDS].clip(smallest, largest)
    return table


def forecast_ladder_items(curves: tuple[FittedCurve, ...], forecasts: pd.DataFrame) -> pd.DataFrame:
    """The probability that a holdout rung solves each item of a family (ITEM_FORECASTS).

    A share solved that was fitted but not forecast, or the other way round, raises TasklawsError."""
    fitted = {curve.key: curve for curve in curves if curve.metric == "exact_match"}
    solved = forecasts[forecasts["metric"] == "exact_match"]
    found = []
    for row in solved.to_dict("records"):
        curve = fitted.get((row["family"], row["elicitation"], "exact_match"))  # type: ignore[call-overload]
        if curve is None or not curve.difficulty:
            raise TasklawsError(
                f"fits.json has no difficulties of {row['family']} {row['elicitation']}: run `dvc repro fit`"
            )
        probability = forecast_items(
            np.array(list(curve.difficulty.values())), curve.chance or 0.0, row["link_mean"], row["link_sd"]
        )
        part = pd.DataFrame({"item": list(curve.difficulty), "probability": probability})
        found.append(part.assign(**{key: row[key] for key in ITEM_FORECASTS.keys[:3]}))
    return pd.concat(found)[ITEM_FORECASTS.columns] if found else pd.DataFrame(columns=ITEM_FORECASTS.columns)
