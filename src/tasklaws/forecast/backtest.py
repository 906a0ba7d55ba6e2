"""The backtest of a table: forecasts of held-out models, compared with what they did and with every baseline."""

import zlib
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.combine import History
from tasklaws.forecast.engine import forecast_rows, to_tables
from tasklaws.forecast.panel import Panel, build_panels
from tasklaws.tables import BACKTEST_FORECASTS, is_loss

Tables = tuple[pd.DataFrame, pd.DataFrame]
MOST_CELLS = 100_000  # tasks times models: about a gigabyte
MOST_WORK = 3e10  # tasks times models to the fourth (a model's origin costs their cube): about an hour


def choose_metrics(table: pd.DataFrame, metric: str | None) -> list[str]:
    """The metric asked for; else all scores of the table, or all losses where it has no score."""
    found = sorted(map(str, table["metric"].unique()))
    if metric is not None:
        if metric not in found:
            raise TasklawsError(f"metric {metric!r} is not in the table: it has {', '.join(found)}")
        return [metric]
    return [name for name in found if not is_loss(name)] or found


def choose_tasks(table: pd.DataFrame, tasks: list[str], metrics: list[str]) -> pd.DataFrame:
    """The table without other tasks' rows of `metrics` (their losses still serve); an unknown task raises."""
    if not tasks:
        return table
    for task in tasks:
        if task not in set(table["task"]):
            raise TasklawsError(f"task {task!r} is not in the table: it has {', '.join(sorted(set(table['task'])))}")
    return table[table["task"].isin(tasks) | ~table["metric"].isin(metrics)]


def matching(table: pd.DataFrame, query: str, name: str) -> pd.Series:
    """The rows that a pandas query over the columns matches; one that is no query, or matches none, raises."""
    try:
        found = table.eval(query)
    except Exception as error:  # pandas raises whatever Python's parser and its own raise
        reason = " ".join(str(error).split())
        raise TasklawsError(f"{name} {query!r} is no query over {', '.join(table.columns)}: {reason}") from error
    if not isinstance(found, pd.Series) or found.dtype != bool:
        raise TasklawsError(f"{name} {query!r} says neither yes nor no of a row: write a comparison")
    if not found.any():
        raise TasklawsError(f"{name} {query!r} matches no row: the table has {len(table)}")
    return found


def panels(table: pd.DataFrame, metrics: list[str]) -> list[Panel]:
    """The panels of a table; a ladder too large to be forecast at once raises."""
    found = build_panels(table, metrics)
    for panel in found:
        n_tasks, n_models = panel.value.shape
        if n_tasks * n_models > MOST_CELLS or n_tasks * float(n_models) ** 4 > MOST_WORK:
            what = f"{n_tasks} tasks of {n_models} models"
            raise TasklawsError(f"ladder {panel.ladder}: {what} are too many at once: choose --tasks, or fewer models")
    return found


def split_backtest(table: pd.DataFrame, metrics: list[str], fit: str, holdout: str) -> Tables:
    """Forecast the models of the rows that `holdout` matches from the rows that `fit` matches; others are not used.

    A model on both sides raises; of held-out rows nothing but the sizes is used, and what is asked of them is what the
    fit rows of their ladder hold."""
    learned, wanted = table[matching(table, fit, "--fit")], table[matching(table, holdout, "--holdout")]
    both = learned[["ladder", "model"]].drop_duplicates().merge(wanted[["ladder", "model"]].drop_duplicates())
    if len(both):
        ladder, model = both.iloc[0]
        raise TasklawsError(f"model {model} of {ladder} is in both --fit and --holdout: hold out whole models")
    asked = ["ladder", "task", "metric"]
    wanted = wanted.merge(learned[asked].drop_duplicates(), on=asked)
    rows: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for panel in panels(pd.concat([learned, wanted]), metrics):
        of_ladder = wanted.loc[wanted["ladder"] == panel.ladder, "model"]
        held = np.isin(panel.models, of_ladder.unique().tolist())
        known = int((~held).sum())
        if not known or not held.any():
            continue
        ordered = panel.select(np.concatenate([np.flatnonzero(~held), np.flatnonzero(held)]))
        found = forecast_rows(History(ordered), known, range(known, len(held)))
        rows, parts = rows + found[0], parts + found[1]
    if not rows:
        raise TasklawsError(
            "nothing to forecast: no task of --fit was asked of a model of --holdout in the same ladder"
        )
    return finished(rows, parts)


def rolling_backtest(table: pd.DataFrame, metrics: list[str], ahead: int, min_rungs: int) -> Tables:
    """For every origin from `min_rungs` on: from the smallest models, forecast the next `ahead`."""
    rows: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    most = 0
    for panel in panels(table, metrics):
        most = max(most, len(panel.models))
        history = History(panel)
        for origin in range(min_rungs, len(panel.models)):
            found = forecast_rows(history, origin, range(origin, min(origin + ahead, len(panel.models))))
            rows, parts = rows + found[0], parts + found[1]
    if not rows:
        remedy = "give a smaller --min-rungs" if most > 1 else "give at least two models of one ladder"
        raise TasklawsError(
            f"nothing to forecast: no ladder has more than {most} models, --min-rungs is {min_rungs}: {remedy}"
        )
    return finished(rows, parts)


def finished(rows: list[dict[str, Any]], parts: list[dict[str, Any]]) -> Tables:
    forecasts, methods = to_tables(rows, parts)
    return forecasts.sort_values(BACKTEST_FORECASTS.keys, ignore_index=True), methods.sort_values(
        [*BACKTEST_FORECASTS.keys, "method"], ignore_index=True
    )


def half(task: str) -> str:
    """Which half of the tasks one belongs to: settings were chosen on `dev`, `test` shows what that is worth."""
    return "dev" if zlib.crc32(task.encode()) % 2 == 0 else "test"


def summarise(forecasts: pd.DataFrame, methods: pd.DataFrame) -> dict[str, Any]:
    """n, mae, rmse, coverage, width and log_score (nats) of the combination, of each baseline and single method, by
    verdict, ladder and half; of forecasts with an observation."""
    seen = forecasts.dropna(subset="observed")
    told = methods.merge(seen[[*BACKTEST_FORECASTS.keys, "observed"]], on=BACKTEST_FORECASTS.keys)
    return {
        **figures(seen),
        "methods": {str(name): figures(part) for name, part in told.groupby("method")},
        "by_verdict": {str(name): figures(part) for name, part in seen.groupby("verdict")},
        "by_ladder": {
            str(name): {
                **figures(part),
                "methods": {str(one): figures(rows) for one, rows in told[told["ladder"] == name].groupby("method")},
            }
            for name, part in seen.groupby("ladder")
        },
        "by_half": {name: figures(part) for name, part in seen.groupby(seen["task"].map(half))},
    }


def figures(table: pd.DataFrame) -> dict[str, Any]:
    """The figures of forecasts that have a prediction, an interval and an observation."""
    error = table["predicted"] - table["observed"]
    inside = (table["observed"] >= table["lower"] - 1e-9) & (table["observed"] <= table["upper"] + 1e-9)
    found = {
        "mae": error.abs().mean(),
        "rmse": np.sqrt((error**2).mean()),
        "coverage": inside.mean(),
        "interval_width": (table["upper"] - table["lower"]).mean(),
        "log_score": table["log_score"].mean(),
    }
    return {"n": len(table), **{name: round(float(value), 6) for name, value in found.items() if np.isfinite(value)}}
