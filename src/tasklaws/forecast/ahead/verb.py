"""Forecasts of models that nobody ran: every task's score, how sure it is, and what that rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.forecast.ahead.notes import idle_lines
from tasklaws.forecast.ahead.panels import Job, jobs, parted, refuse_known_names
from tasklaws.forecast.ahead.planned import At, axis_of_planned
from tasklaws.forecast.ahead.text import NARROWED_BY, report
from tasklaws.forecast.axis_tables import along
from tasklaws.forecast.choices import chosen_curves, refuse_bare, refuse_sizeless
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.engine import forecast_tables, outcome
from tasklaws.forecast.given import ask_first, given_scores_of, values_of
from tasklaws.forecast.notes import backward_lines, doubts, intervals_rest_on
from tasklaws.forecast.panel import AXES, AxisName, Panel, size_column
from tasklaws.frames.csv_files import records
from tasklaws.frames.natural import in_order
from tasklaws.tables import AHEAD_FORECASTS, AHEAD_METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Forecasted(Result):
    """Forecasts of planned models.

    `forecasts` has a row a ladder, task, metric and planned model (tables.AHEAD_FORECASTS): predicted, lower and upper
    (90%), expected_error_points, headline, verdict, evidence ..., and `place` and `is_loss`. `methods` has what each
    single method says, and its weight; `known` the values that they rest on, with each model's `place` (e-folds on
    `axis`). `ask_first` names, for each ladder and planned model, the tasks whose scores would narrow the forecasts of
    the others most (`given.ask_first`). `notes` say what was left out, and what the intervals rest on."""

    forecasts: pd.DataFrame
    methods: pd.DataFrame
    known: pd.DataFrame
    ask_first: pd.DataFrame
    axis: AxisName
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """A table in Markdown of each ladder and planned model, the reasons a task, and the notes."""
        return report(self)

    def to_dict(self) -> dict[str, object]:
        """`forecasts` (with each one's weights by method) and `ask_first` as records, the axis and the notes."""
        weights = self.methods[self.methods["weight"] > 0]
        keys = ["ladder", "task", "metric", "model"]
        by_row = {key: dict(zip(part["method"], part["weight"], strict=True)) for key, part in weights.groupby(keys)}
        rows = [
            {**row, "weights": by_row.get(tuple(row[key] for key in keys), {})}
            for row in records(AHEAD_FORECASTS.pick(self.forecasts))
        ]
        asked = records(self.ask_first)
        return {"axis": self.axis, "forecasts": rows, "ask_first": asked, "notes": list(self.notes)}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each task's forecast with its 90% interval, coloured by verdict, beside the last known value."""
        from tasklaws.forecast.ahead.figures import draw_forecasts

        ax = axes_or_new(ax)
        draw_forecasts(ax, self.forecasts)
        return ax


def forecast(
    table: pd.DataFrame,
    at: At | None = None,
    *,
    axis: AxisName | None = None,
    exceeds: float | None = None,
    given: pd.DataFrame | None = None,
    metric: str | None = None,
    tasks: Sequence[str] = (),
) -> Forecasted:
    """Forecast models that nobody ran, on every task of a table of results.

    `table` is as `read_points` gives it; `at` says where each planned model lies: a mapping, or several, of n_params,
    n_tokens, train_flops, date, step or loss, perhaps with a `model` (its name) and a `ladder` (default: each). Rows of
    the table without a value (`read_points(..., planned=True)`) are planned models too. `axis` places all models: size,
    date, loss (a column `loss`), or n_tokens or step of later checkpoints, each run by itself; by default the first of
    these that the planned models and the known ones have. By date, only models that are surely earlier count. `exceeds`
    is a score whose passing gets a probability, `given` a table of scores of planned models that are known already
    (task, value, and model and metric if there are several). `metric` and `tasks` are those of `backtest`. Values are
    in the metric's units, intervals of 90%. What cannot be placed, is in the table already or has nothing to rest on
    raises TasklawsError. Method and sources: docs/forecasting.md.

    >>> import numpy as np, pandas as pd
    >>> sizes = np.geomspace(1e8, 3e9, 6)
    >>> table = pd.DataFrame({
    ...     "ladder": "mine", "model": [f"m{k}" for k in range(6)], "n_params": sizes, "n_tokens": 20 * sizes,
    ...     "train_flops": 120 * sizes**2, "step": np.nan, "is_final": True, "task": "sums", "metric": "acc",
    ...     "value": 1 / (1 + 3 * (sizes / 1e8) ** -0.4), "stderr": np.nan, "n_items": 1000.0, "chance": 0.0})
    >>> found = forecast(table, {"n_params": 7e9, "n_tokens": 2e11}, exceeds=0.5)
    >>> row = found.forecasts.iloc[0]
    >>> bool(row["lower"] < 0.65 < row["upper"]), bool(row["p_passes"] > 0.9)
    (True, True)
    """
    refuse_bare(table, "forecast")
    if axis is not None and axis not in AXES:
        raise TasklawsError(f"axis {axis!r}: give {', '.join(AXES)}")
    if exceeds is not None and not np.isfinite(exceeds):
        raise TasklawsError(f"exceeds is {exceeds}: give a score, as 0.5")
    known, planned = parted(table, at)
    refuse_sizeless(known, axis)
    axis = axis or axis_of_planned(planned, known)
    refuse_known_names(planned, known, axis)
    known, metrics = chosen_curves(known, metric, tasks)
    known, notes = along(known, axis)
    told = None if given is None else given_scores_of(given, planned)
    found, methods, curves, asked = [], [], [], []
    for history, job in jobs(known, planned, metrics, axis, notes):
        panel, origin, targets = job.panel, job.origin, job.targets
        values = {} if told is None else {target: values_of(told, panel, origin, target) for target in targets}
        table_of, by_method = forecast_tables(history, origin, targets, given=values, ends=job.ends, threshold=exceeds)
        found.append(_described(table_of, history, job, planned))
        methods.append(by_method)
        curves.append(_curves(panel, origin))
        asked += [_asked(history, job, target, values.get(target)) for target in targets]
        notes += idle_lines(history, job, planned)
    forecasts = pd.concat(found, ignore_index=True)
    if forecasts.empty:
        raise TasklawsError("every task's score is given: nothing is left to forecast")
    if exceeds is not None and not 0 <= exceeds <= 1 and not forecasts["is_loss"].all():
        raise TasklawsError(f"exceeds is {exceeds:g}: scores lie in [0, 1]: give 50% as 0.5")
    forecasts = forecasts.assign(threshold=np.nan if exceeds is None else exceeds)
    notes += [*doubts(forecasts), *backward_lines(forecasts, "forecasts"), intervals_rest_on(forecasts)]
    return Forecasted(
        in_order(forecasts, AHEAD_FORECASTS.keys),
        in_order(AHEAD_METHODS.pick(pd.concat(methods)), AHEAD_METHODS.keys),
        pd.concat(curves).drop_duplicates(["ladder", "task", "metric", "model"], ignore_index=True),
        in_order(pd.concat(asked), ["ladder", "model", "rank"]),
        axis,
        tuple(dict.fromkeys(notes)),
    )


def _described(table: pd.DataFrame, history: History, job: Job, planned: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with what the last known model has, what they rest on and which part of their variance is largest;
    without what only an outcome would tell."""
    panel, origin = job.panel, job.origin
    echo = combined_forecast(history, origin, job.echo)
    parts = []
    for target in job.targets:
        found = combined_forecast(history, origin, target)
        level = np.minimum(echo.sd, found.sd) ** 2
        variance = np.stack([found.sd**2 - level, level, found.noise**2, found.overlap**2])
        share = variance / np.maximum(variance.sum(axis=0), 1e-300)
        part = pd.DataFrame(panel.tasks, columns=["task", "metric"])
        part = part.assign(model=panel.models[target], place=panel.size[target], is_loss=panel.loss)
        largest = [list(NARROWED_BY)[row] for row in np.nan_to_num(share).argmax(axis=0)]
        parts.append(part.assign(narrowed_by=largest, part=share.max(axis=0), last=_last(panel.value[:, :origin])))
    told = pd.concat(parts).assign(placed_by=size_column(panel))
    told = told.merge(planned[["model", "step", "loss", "date"]], on="model")
    table = table.assign(p_passes=table.get("p_passes", np.nan))
    return table.merge(told, on=["task", "metric", "model"], validate="one_to_one")


def _asked(history: History, job: Job, target: int, given: Array | None) -> pd.DataFrame:
    """Which tasks of a planned model to ask first."""
    panel, (_, said) = job.panel, outcome(history, job.origin, target, job.ends.get(target))
    given = np.full(len(panel.tasks), np.nan) if given is None else given
    found = ask_first(history, job.origin, target, said, given)
    return found.assign(ladder=panel.ladder, model=panel.models[target])


def _last(value: Array) -> Array:
    """Of each task the value of the last model that has one."""
    last = value.shape[1] - 1 - np.argmax(np.isfinite(value)[:, ::-1], axis=1)
    return np.asarray(value[np.arange(len(value)), last])


def _curves(panel: Panel, origin: int) -> pd.DataFrame:
    """What the forecasts rest on, a row a task and model: `place` in e-folds on the axis, and `value`."""
    task, model = np.nonzero(np.isfinite(panel.value[:, :origin]))
    pairs = np.array(panel.tasks, dtype=object)[task]
    rows: dict[str, Any] = {"ladder": panel.ladder, "task": pairs[:, 0], "metric": pairs[:, 1]}
    rows |= {"model": np.array(panel.models)[model], "place": panel.size[model], "value": panel.value[task, model]}
    return pd.DataFrame(rows)
