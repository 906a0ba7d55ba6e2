"""The backtest of a table: forecasts of held-out models, compared with what they did and with every baseline."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.forecast.baselines import BASELINES, LOSS_BASELINES
from tasklaws.forecast.combine import History
from tasklaws.forecast.engine import BACKWARD, forecast_tables
from tasklaws.forecast.methods import LOSS_METHODS, METHODS
from tasklaws.forecast.panel import Panel, build_panels, compact
from tasklaws.forecast.verdict import BELOW_CHANCE, UNKNOWN_ITEMS, UNKNOWN_STDERR
from tasklaws.frames.csv_files import matching
from tasklaws.stats.links import LEAST
from tasklaws.stats.scores import interval_figures, rounded
from tasklaws.tables import BACKTEST_FORECASTS, BACKTEST_METHODS, POINTS, SIZES, losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOUBTS = {
    UNKNOWN_ITEMS: "n_items is unknown, so intervals are wider and no step or turn is called",
    UNKNOWN_STDERR: "the stderr of a loss is unknown, so no step or turn is called",
    BELOW_CHANCE: "scores are far below the chance stated for them: is it right?",
}
_LARGEST_LOSS = float(np.exp(50))  # that a forecast can have (stats.links)
_OF_LOSSES = {method.name for method in (*LOSS_METHODS, *LOSS_BASELINES)}
Tables = tuple[pd.DataFrame, pd.DataFrame]
Figures = dict[str, Any]  # JSON: numbers by name, and such of parts by their name
_MOST_CELLS = 100_000  # tasks times models that are forecast together: about a gigabyte
_MOST_WORK = 3e10  # tasks times models to the fourth (a model's origin costs their cube): about an hour


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(Result):
    """Forecasts of held-out models, with what they did.

    `forecasts` has a row a ladder, task, metric and held-out model: predicted, lower and upper (90%), observed,
    verdict, evidence. `methods` has the same of each single method and baseline."""

    forecasts: pd.DataFrame
    methods: pd.DataFrame

    @cached_property
    def figures(self) -> Figures:
        """n, mae, rmse, coverage, width and log_score (nats) of all, and by method, verdict, ladder and half."""
        return _figures(self.forecasts, self.methods)

    def summary(self) -> str:
        """What the table lacked or gainsaid, how many forecasts look backward, and how good they were."""
        lines = []
        named, used = {method.name for method in (*METHODS, *BASELINES)}, set(self.methods["method"])
        if named - used and used - _OF_LOSSES:
            lines.append(
                f"the table lacks what these need (losses, tokens, chance ...): {', '.join(sorted(named - used))}"
            )
        lines += _doubts(self.forecasts)
        count, found = len(self.forecasts), self.figures
        backward = int(self.forecasts["evidence"].str.endswith(BACKWARD).sum())
        if backward:
            behind = (
                "no later than the latest"
                if self.forecasts[list(SIZES)].isna().all(axis=None)
                else "smaller than the largest"
            )
            lines.append(f"{backward} of {count} forecasts are of models {behind} known one: see `evidence`")
        if found["n"]:
            worth = f"mean error {found['mae']:.4f}, 90% intervals hold {found['coverage']:.1%}"
        else:
            worth = "none has an observation to compare with"
        return "\n".join([*lines, f"{count} forecasts: {worth}"])

    def to_dict(self) -> Figures:
        """`figures`, in plain JSON types; the rows are `forecasts` and `methods`."""
        return self.figures

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw predicted values with their 90% intervals against observed ones, coloured by verdict."""
        from tasklaws.forecast.figures import draw_predicted

        ax = axes_or_new(ax)
        draw_predicted(ax, self.forecasts.dropna(subset="observed"))
        return ax


def _doubts(forecasts: pd.DataFrame) -> Iterator[str]:
    """What the evidence says of the table's own columns, a line each, with the tasks that it concerns."""
    for said, meaning in _DOUBTS.items():
        tasks = sorted(forecasts.loc[forecasts["evidence"].str.contains(said, regex=False), "task"].unique())
        if tasks:
            some = ", ".join(tasks[:3]) + (" ..." if len(tasks) > 3 else "")
            yield f"{meaning} ({len(tasks)} {'tasks' if len(tasks) > 1 else 'task'}: {some})"


def backtest(
    table: pd.DataFrame,
    *,
    rolling: int | None = None,
    min_rungs: int = 4,
    fit: str | None = None,
    holdout: str | None = None,
    metric: str | None = None,
    tasks: Sequence[str] = (),
) -> Backtest:
    """Forecast models of a table as if they were unknown, and compare with what they did.

    `table` is as `read_points` gives it. With `rolling` K, from each origin of at least `min_rungs` models on, the next
    K are forecast from the smaller ones; with `fit` and `holdout`, pandas queries over the columns, the models of one
    set of rows from another. `metric` is one name (default: all scores, or all losses where there is no score), `tasks`
    names (default: all). Values and intervals are in the metric's units, intervals of 90%. Models of which none has a
    size go by their `date`, those of one day together. Unknown `n_items` make intervals wider and no step: see
    `evidence`. A query that is none, names that the table lacks, a model of two sizes or of none, and nothing to
    forecast raise TasklawsError. Method and sources: docs/forecasting.md.

    >>> import numpy as np, pandas as pd
    >>> sizes = np.geomspace(1e6, 1e9, 8)
    >>> table = pd.DataFrame({
    ...     "ladder": "mine", "model": [f"m{k}" for k in range(8)], "n_params": sizes, "n_tokens": 20 * sizes,
    ...     "train_flops": 120 * sizes**2, "step": np.nan, "is_final": True, "task": "sums", "metric": "acc",
    ...     "value": 1 / (1 + 30 * (sizes / 1e6) ** -0.8), "stderr": np.nan, "n_items": 500.0, "chance": 0.0})
    >>> test = backtest(table, rolling=1, min_rungs=5)
    >>> list(test.forecasts["model"]), bool(test.figures["mae"] < 0.05)
    (['m5', 'm6', 'm7'], True)
    """
    lacking = [column for column in POINTS.columns if column not in table]
    if lacking:
        raise TasklawsError(f"the table has no column {lacking[0]!r}: read_points gives all that a backtest needs")
    if (rolling is None) == (fit is None or holdout is None) or (rolling is not None and (fit or holdout)):
        raise TasklawsError("give either fit and holdout, or rolling: which models are to be forecast?")
    for name, value in (("rolling", rolling), ("min_rungs", min_rungs)):
        if value is not None and value < 1:
            raise TasklawsError(f"{name.replace('_', '-')} is {value}: give 1 or more")
    metrics = choose_metrics(table, metric)
    table = choose_tasks(table, tasks, metrics)
    _refuse_odd_losses(table)
    if fit is not None and holdout is not None:
        return Backtest(*split_backtest(table, metrics, fit, holdout))
    assert rolling is not None
    return Backtest(*rolling_backtest(table, metrics, rolling, min_rungs))


def choose_metrics(table: pd.DataFrame, metric: str | None) -> list[str]:
    """The metric asked for; else all scores of the table, or all losses where it has no score."""
    found = sorted(map(str, table["metric"].unique()))
    if metric is not None:
        if metric not in found:
            raise TasklawsError(f"metric {metric!r} is not in the table: it has {', '.join(found)}")
        return [metric]
    scores = set(map(str, table.loc[~losses(table), "metric"].unique()))
    return sorted(scores) or found


def choose_tasks(table: pd.DataFrame, tasks: Sequence[str], metrics: list[str]) -> pd.DataFrame:
    """The table without other tasks' rows of `metrics` (their losses still serve); an unknown task raises."""
    if not tasks:
        return table
    known = table["task"].unique()
    for task in tasks:
        if task not in known:
            raise TasklawsError(f"task {task!r} is not in the table: it has {', '.join(sorted(known))}")
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


def _panels(table: pd.DataFrame, metrics: list[str]) -> list[Panel]:
    """The panels of a table, those of very many tasks in parts; a ladder that would take too long raises."""
    found = []
    for panel in build_panels(table, metrics):
        n_tasks, n_models = panel.value.shape
        if n_tasks * float(n_models) ** 4 > _MOST_WORK:
            what = f"{n_tasks} tasks of {n_models} models"
            raise TasklawsError(f"ladder {panel.ladder}: {what} are too many at once: choose tasks, or fewer models")
        found += panel.parts(-(-n_tasks * n_models // _MOST_CELLS))
    return found


def split_backtest(table: pd.DataFrame, metrics: list[str], fit: str, holdout: str) -> Tables:
    """Forecast the models of the rows that `holdout` matches from the rows that `fit` matches; others are not used.

    A model on both sides raises; of held-out rows nothing but the sizes is used, and what is asked of them is what the
    fit rows of their ladder hold."""
    learned, wanted = matching(table, fit, "fit"), matching(table, holdout, "holdout")
    table = compact(table)
    pair = ["ladder", "model"]
    both = table.loc[learned, pair].drop_duplicates().merge(table.loc[wanted, pair].drop_duplicates())
    if len(both):
        ladder, model = both.iloc[0]
        raise TasklawsError(f"model {model} of {ladder} is in both fit and holdout: hold out whole models")
    curve = table.groupby(["ladder", "task", "metric"], sort=False).ngroup()
    wanted &= curve.isin(curve[learned].unique())
    held = table.loc[wanted, pair].drop_duplicates()
    jobs = []
    for panel in _panels(table[learned | wanted], metrics):
        ordered, n_known = panel.held_last(held.loc[held["ladder"] == panel.ladder, "model"].tolist())
        if 0 < n_known < len(ordered.models):
            jobs.append((ordered, n_known, range(n_known, len(ordered.models))))
    if not jobs:
        raise TasklawsError(
            "nothing to forecast: no task of fit's rows was asked of a model of holdout's in the same ladder"
        )
    return _forecast_all(((History(panel), known, targets) for panel, known, targets in jobs), len(jobs))


def rolling_backtest(table: pd.DataFrame, metrics: list[str], ahead: int, min_rungs: int) -> Tables:
    """For every origin from `min_rungs` on: from the smallest models, forecast the next `ahead`."""
    panels = _panels(table, metrics)
    most = max((len(panel.models) for panel in panels), default=0)
    if most <= min_rungs:
        remedy = "give a smaller min-rungs" if most > 1 else "give at least two models of one ladder"
        raise TasklawsError(
            f"nothing to forecast: no ladder has more than {most} models, min-rungs is {min_rungs}: {remedy}"
        )
    jobs = (
        (history, origin, _next(history.panel, origin, ahead))
        for history in map(History, panels)
        for origin in range(min_rungs, len(history.panel.models))
        if history.panel.is_origin(origin)
    )
    return _forecast_all(jobs, sum(max(len(panel.models) - min_rungs, 0) for panel in panels))


def _next(panel: Panel, origin: int, ahead: int) -> range:
    """The `ahead` models from number `origin` on, and those of the same day as the last of them where dates order."""
    count = len(panel.models)
    end = min(origin + ahead, count)
    return range(origin, next((number for number in range(end, count) if panel.is_origin(number)), count))


def _forecast_all(jobs: Iterable[tuple[History, int, range]], count: int) -> Tables:
    """The tables of `forecast_tables` for `count` histories, origins and targets, sorted."""
    found = []
    with progress("backtest", count) as advance:
        for job in jobs:
            found.append(forecast_tables(*job))
            advance()
    if not found:
        raise TasklawsError(
            "nothing to forecast: all models behind the first min-rungs are of the same day as the last"
        )
    forecasts, methods = (pd.concat(part) for part in zip(*found, strict=True))
    return BACKTEST_FORECASTS.pick(forecasts).sort_values(BACKTEST_FORECASTS.keys, ignore_index=True), (
        BACKTEST_METHODS.pick(methods).sort_values(BACKTEST_METHODS.keys, ignore_index=True)
    )


def half(task: str) -> str:
    """Which half of the tasks one belongs to: settings were chosen on `dev`, `test` shows what that is worth."""
    return "dev" if zlib.crc32(task.encode()) % 2 == 0 else "test"


def _figures(forecasts: pd.DataFrame, methods: pd.DataFrame) -> Figures:
    """n, mae, rmse, coverage, width and log_score (nats) of the combination, of each baseline and single method, by
    verdict, ladder and half; of forecasts with an observation."""
    known = forecasts.dropna(subset="observed")
    by_method = methods.merge(known[[*BACKTEST_FORECASTS.keys, "observed"]], on=BACKTEST_FORECASTS.keys)
    by_ladder = _figures_by(known, "ladder")
    for name, figures in by_ladder.items():
        figures["methods"] = _figures_by(by_method[by_method["ladder"] == name], "method")
    return {
        **error_figures(known),
        "methods": _figures_by(by_method, "method"),
        "by_verdict": _figures_by(known, "verdict"),
        "by_ladder": by_ladder,
        "by_half": _figures_by(known, known["task"].map(half)),
    }


def _figures_by(table: pd.DataFrame, by: "str | pd.Series") -> dict[str, Figures]:
    return {str(name): error_figures(part) for name, part in table.groupby(by)}


def error_figures(table: pd.DataFrame) -> Figures:
    """The figures of forecasts that have a prediction, an interval and an observation."""
    error = table["predicted"] - table["observed"]
    found = {"mae": error.abs().mean(), "rmse": np.sqrt((error**2).mean())}
    return {"n": len(table), **rounded(found), **interval_figures(table)}
