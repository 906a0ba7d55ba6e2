"""What some scores of a wanted model, already known, say of its others."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.panel import LEAST_RUNGS, Panel
from tasklaws.forecast.revealed import Joint
from tasklaws.frames.shown import quoted, some
from tasklaws.stats.predictive import Predictive
from tasklaws.tabular.reading import read_named

if TYPE_CHECKING:
    from tasklaws.forecast.combine import History

MOST_ASKED = 3  # tasks that are named as those to ask first
_USUAL_SHARE = 0.5  # correlation of two tasks' errors that is believed before any is seen
_SHARE_BELIEF = 10.0  # and how many earlier targets that belief is worth


def given_scores(history: "History", origin: int, target: int, said: Predictive, shown: Array) -> Predictive:
    """The forecasts of all tasks once some scores of the model are known: `shown` (tasks,), NaN where not.

    Errors of a model's tasks have one factor in common (`Joint`), whose share of each error's variance, rho, is that of
    all earlier tests (`common_error`)."""
    mean, sd = said.moments
    told = _tied(history, origin, said).given(said.link.of(shown, np.inf))
    ratio = (told.sd / np.maximum(sd, 1e-12))[:, None]
    return Predictive(said.link, said.weight, told.mean[:, None] + ratio * (said.mean - mean[:, None]), ratio * said.sd)


def _tied(history: "History", origin: int, said: Predictive) -> Joint:
    mean, sd = said.moments
    rho = common_error(history, origin)
    return Joint(mean, np.sqrt(1 - rho) * sd, np.sqrt(rho) * sd[:, None])


def ask_first(history: "History", origin: int, target: int, said: Predictive, given: Array) -> pd.DataFrame:
    """Which tasks of a planned model to ask first, that their scores narrow the forecasts of the others most: up to
    MOST_ASKED rows of rank, task, metric and `width_left`, what is left of the width of those not asked yet, on average
    and on the link scale, once all up to this one are known.

    `said` is what the forecasts hold possible, `given` (tasks,) the scores that are known, NaN of the others. No row
    where fewer than two tasks are open, or one model is known. Errors of tasks are tied as earlier forecasts' were
    (`Joint.ask_first`)."""
    panel = history.panel
    joint = history.joint(origin, target) if history.is_crowd(origin) else _tied(history, origin, said)
    joint = joint.given(panel.link.of(given, np.inf))
    open_ = np.isfinite(joint.mean) & ~np.isfinite(given)
    chosen = joint.ask_first(MOST_ASKED, open_) if origin > 1 and open_.sum() > 1 else []
    rows, seen = [], np.full(len(given), np.nan)
    for rank, task in enumerate(chosen, 1):
        seen[task] = joint.mean[task]
        left = open_ & ~np.isfinite(seen)
        width = float((joint.given(seen).sd[left] / joint.sd[left]).mean()) if left.any() else 0.0
        rows.append({"rank": rank, "task": panel.tasks[task][0], "metric": panel.tasks[task][1], "width_left": width})
    return pd.DataFrame(rows, columns=["rank", "task", "metric", "width_left"])


def common_error(history: "History", origin: int) -> float:
    """The correlation of two tasks' errors on one model: the mean product of their errors, in standard deviations, over
    all pairs of tasks and the next rung of every earlier origin, and _USUAL_SHARE as if seen _SHARE_BELIEF times."""
    panel = history.panel
    total, count = _SHARE_BELIEF * _USUAL_SHARE, _SHARE_BELIEF
    for start in filter(panel.is_origin, range(LEAST_RUNGS, origin)):
        earlier = history.combined(start, start)
        error = (panel.link.of(panel.value[:, start], np.inf) - earlier.mean) / earlier.width
        error = np.clip(error[np.isfinite(error)], -3, 3)
        pairs = len(error) * (len(error) - 1)
        if pairs:
            total += (error.sum() ** 2 - (error**2).sum()) / pairs
            count += 1
    return float(np.clip(total / count, 0.05, 0.95))


def read_given(path: Path) -> pd.DataFrame:
    """A person's table of scores that are known, as `given_scores_of` takes it."""
    known = ["model", "task", "metric", "value"]
    return read_named(path, known, known[:3], ["value"], ["task", "value"])


def given_scores_of(table: pd.DataFrame, planned: pd.DataFrame) -> pd.DataFrame:
    """Scores of planned models that are known already: rows of model, task, metric (missing: any) and value.

    Where one model is planned, the table need not name it. A missing column or value, and a model that is not planned,
    raise TasklawsError."""
    lacking = [column for column in ("task", "value") if column not in table]
    if lacking:
        raise TasklawsError(
            f"the given scores have no column {lacking[0]!r}: give task and value, and model and metric"
        )
    names = list(planned["model"])
    if "model" not in table and len(names) > 1:
        raise TasklawsError(f"the given scores have no column 'model': say which of {some(names, 6, str)} each is of")
    found = table.assign(model=table.get("model", names[0]), metric=table.get("metric"))
    strangers = found.loc[~found["model"].isin(names), "model"]
    if len(strangers):
        raise TasklawsError(
            f"given scores of {quoted(str(strangers.iloc[0]))}, which is not planned: {some(names, 6, str)}"
        )
    if found["value"].isna().any():
        raise TasklawsError(
            f"a given score of {found.loc[found['value'].isna(), 'task'].iloc[0]} is empty: leave its row out"
        )
    return found[["model", "task", "metric", "value"]]


def values_of(given: pd.DataFrame, panel: Panel, origin: int, target: int) -> Array:
    """The given scores of one model of a panel, (tasks,), NaN of the others; one of a task that no known model was
    asked, and one outside the metric's range, raise TasklawsError."""
    found = np.full(len(panel.tasks), np.nan)
    for row in given[given["model"] == panel.models[target]].to_dict("records"):
        places = [
            place
            for place, (task, metric) in enumerate(panel.tasks)
            if task == row["task"] and (pd.isna(row["metric"]) or metric == row["metric"])
        ]
        if not places:
            raise TasklawsError(
                f"a score of {quoted(str(row['task']))} is given, which no known model of {panel.ladder} has"
            )
        if len(places) > 1:
            raise TasklawsError(
                f"the given score of {row['task']} may be of {len(places)} metrics: give a column metric"
            )
        if not 0 <= row["value"] <= (np.inf if panel.loss else 1):
            raise TasklawsError(f"the given score of {row['task']} is {row['value']:g}: scores lie in [0, 1]")
        if np.isfinite(found[places[0]]):
            raise TasklawsError(f"the score of {quoted(str(row['task']))} is given twice: keep one")
        found[places[0]] = row["value"]
    return found
