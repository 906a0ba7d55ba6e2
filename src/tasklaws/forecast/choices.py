"""What of a table is to be forecast: its metrics and tasks, and the panels of its ladders."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.crowd import is_crowd
from tasklaws.forecast.panel import AxisName, Panel, build_panels
from tasklaws.frames.natural import natural
from tasklaws.stats.links import LEAST
from tasklaws.tables import POINTS, losses

_LARGEST_LOSS = float(np.exp(50))  # that a forecast can have (stats.links)
_MOST_CELLS = 100_000  # tasks times models that are forecast together: about a gigabyte
# Tasks times models to the fourth (a model's origin costs their cube), about an hour; of models of many families, whose
# tasks are few beside them, models to the fourth.
_MOST_WORK = 3e10


def chosen_curves(table: pd.DataFrame, metric: str | None, tasks: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """The table with the rows of `tasks`, and the metrics to forecast; what the table lacks, and losses too large or
    small to be forecast, raise TasklawsError."""
    metrics = _choose_metrics(table, metric)
    table = _choose_tasks(table, tasks, metrics)
    _refuse_odd_losses(table)
    return table, metrics


def _choose_metrics(table: pd.DataFrame, metric: str | None) -> list[str]:
    """The metric asked for; else all scores of the table, or all losses where it has no score."""
    found = sorted(map(str, table["metric"].unique()))
    if metric is not None:
        if metric not in found:
            raise TasklawsError(f"metric {metric!r} is not in the table: it has {', '.join(found)}")
        return [metric]
    scores = set(map(str, table.loc[~losses(table), "metric"].unique()))
    return sorted(scores) or found


def _choose_tasks(table: pd.DataFrame, tasks: Sequence[str], metrics: list[str]) -> pd.DataFrame:
    """The table without other tasks' rows of `metrics` (their losses still serve); an unknown task raises."""
    if not tasks:
        return table
    known = table["task"].unique()
    for task in tasks:
        if task not in known:
            raise TasklawsError(f"task {task!r} is not in the table: it has {', '.join(sorted(known, key=natural))}")
    return table[table["task"].isin(tasks) | ~table["metric"].isin(metrics)]


def _refuse_odd_losses(table: pd.DataFrame) -> None:
    """Raise TasklawsError where losses are so large or small that a forecast, which is of their logarithm, has none."""
    found = table[losses(table)]
    typical = found.groupby(["task", "metric"])["value"].median()
    odd = typical[(typical > 0) & ~typical.between(LEAST, _LARGEST_LOSS)]
    if len(odd):
        task, metric = odd.index[0]
        raise TasklawsError(
            f"{metric} of {task} is {odd.iloc[0]:.3g} at the median: losses from {LEAST:g} to "
            f"{_LARGEST_LOSS:.3g} are forecast: give them in another unit"
        )


def refuse_bare(table: pd.DataFrame, verb: str) -> None:
    """Raise TasklawsError at the first column that a table of points has and this one lacks."""
    lacking = [column for column in POINTS.columns if column not in table]
    if lacking:
        raise TasklawsError(f"the table has no column {lacking[0]!r}: read_points gives all that a {verb} needs")


def refuse_sizeless(table: pd.DataFrame, axis: AxisName | None) -> None:
    """Raise TasklawsError where models are to be placed by size and none of the table has one."""
    if axis == "size" and table[["n_params", "train_flops"]].isna().all(axis=None):
        raise TasklawsError("axis is size, and no model of the table has one: give --axis date, or sizes")


def panels_of(table: pd.DataFrame, metrics: list[str], axis: AxisName) -> list[Panel]:
    """The panels of a table, those of very many tasks in parts; a ladder that would take too long raises."""
    found = []
    for panel in build_panels(table, metrics, axis):
        n_tasks, n_models = panel.value.shape
        if (1 if is_crowd(panel) else n_tasks) * float(n_models) ** 4 > _MOST_WORK:
            what = f"{n_tasks} tasks of {n_models} models"
            raise TasklawsError(f"ladder {panel.ladder}: {what} are too many at once: choose tasks, or fewer models")
        found += panel.parts(-(-n_tasks * n_models // _MOST_CELLS))
    return found
