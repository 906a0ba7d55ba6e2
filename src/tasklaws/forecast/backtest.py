"""The backtest of a table: forecasts of held-out models, compared with what they did and with every baseline."""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.forecast.axis_tables import along
from tasklaws.forecast.baselines import BASELINES, LOSS_BASELINES
from tasklaws.forecast.choices import chosen_curves, panels_of, refuse_bare, refuse_sizeless
from tasklaws.forecast.combine import History, histories
from tasklaws.forecast.crowd import CROWD
from tasklaws.forecast.engine import forecast_tables
from tasklaws.forecast.methods import LOSS_METHODS, METHODS
from tasklaws.forecast.notes import backward_lines, doubts, intervals_rest_on
from tasklaws.forecast.panel import AXES, AxisName, Panel, compact
from tasklaws.forecast.revealed import draw_some
from tasklaws.frames.natural import in_order, natural
from tasklaws.frames.queries import matching
from tasklaws.frames.shown import some
from tasklaws.stats.scores import interval_figures, rounded
from tasklaws.tables import BACKTEST_FORECASTS, BACKTEST_METHODS
from tasklaws.tabular.numbers import iso_days
from tasklaws.tabular.points import without_planned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_LOSSES = {method.name for method in (*LOSS_METHODS, *LOSS_BASELINES)}
_OF_CROWDS = {method.name for method in CROWD}  # where these are combined, others are left out by choice
Tables = tuple[pd.DataFrame, pd.DataFrame]
Figures = dict[str, Any]  # JSON: numbers by name, and such of parts by their name


@dataclass(frozen=True, eq=False, repr=False)
class Backtest(Result):
    """Forecasts of held-out models, with what they did.

    `forecasts` has a row a ladder, task, metric and held-out model: predicted, lower and upper (90%), observed,
    verdict, evidence. `methods` has the same of each single method and baseline. `notes` say what was left out."""

    forecasts: pd.DataFrame
    methods: pd.DataFrame
    notes: tuple[str, ...] = ()

    @cached_property
    def figures(self) -> Figures:
        """n, mae, rmse, coverage, width and log_score (nats) of all, and by method, verdict, ladder and half."""
        return _figures(self.forecasts, self.methods)

    def summary(self) -> str:
        """What was left out, what the table lacked or gainsaid, how many forecasts look backward, and how good they
        were."""
        lines = list(self.notes)
        named, used = {method.name for method in (*METHODS, *BASELINES)}, set(self.methods["method"])
        if named - used and used - _OF_LOSSES and not used >= _OF_CROWDS:
            lines.append(
                f"the table lacks what these need (losses, tokens, chance ...): {', '.join(sorted(named - used))}"
            )
        lines += doubts(self.forecasts)
        lines.append(intervals_rest_on(self.forecasts))
        count, found = len(self.forecasts), self.figures
        lines += backward_lines(self.forecasts, "forecasts")
        if found["n"]:
            worth = f"mean error {found['mae']:.4f}, 90% intervals hold {found['coverage']:.1%}"
        else:
            worth = "none has an observation to compare with"
        told = "" if found["n"] in (0, count) else f", {found['n']} with an outcome"
        return "\n".join([*lines, f"{count} forecasts{told}: {worth}"])

    def to_dict(self) -> Figures:
        """`figures` and the notes, in plain JSON types; the rows are `forecasts` and `methods`."""
        return {**self.figures, "notes": list(self.notes)} if self.notes else self.figures

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw predicted values with their 90% intervals against observed ones, coloured by verdict."""
        from tasklaws.forecast.figures import draw_predicted

        ax = axes_or_new(ax)
        draw_predicted(ax, self.forecasts.dropna(subset="observed"))
        return ax


def backtest(
    table: pd.DataFrame,
    *,
    rolling: int | None = None,
    min_rungs: int = 4,
    fit: str | None = None,
    holdout: str | None = None,
    metric: str | None = None,
    tasks: Sequence[str] = (),
    axis: AxisName | None = None,
    since: str | None = None,
    reveal: int = 0,
    seed: int = 0,
) -> Backtest:
    """Forecast models of a table as if they were unknown, and compare with what they did.

    `table` is as `read_points` gives it; planned models, which have no value, are left out. With `rolling` K, from each
    origin of at least `min_rungs` models on, the next K are forecast from the smaller ones; with `fit` and `holdout`,
    queries over the columns (docs/tables.md), the models of one set of rows from another. `metric` is one name
    (default: all scores, or all losses where there is no score), `tasks` names (default: all). Values and intervals are
    in the metric's units, intervals of 90%. `axis` places the models: size (the default; where none has one, date),
    date, loss (a column `loss` of validation losses), n_tokens or step: of these each run is a ladder of its own and
    its checkpoints are the models. By date, models of one day are forecast together, each from those that are surely
    earlier; `since` (a date) says which are forecast. With `reveal` K, K of each wanted model's scores, drawn by
    `seed`, are given and the others alone are forecast; a model of K or fewer is left out. Unknown `n_items` make
    intervals wider and no step: see `evidence`. A query that is none, names that the table lacks, a model of two sizes
    or of none, and nothing to forecast raise TasklawsError. Method and sources: docs/forecasting.md.

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
    refuse_bare(table, "backtest")
    if axis is not None and axis not in AXES:
        raise TasklawsError(f"axis {axis!r}: give {', '.join(AXES)}")
    if since is not None and (rolling is None or axis not in (None, "date")):
        raise TasklawsError("since goes with rolling and the axis date: which later models are to be forecast?")
    if reveal < 0:
        raise TasklawsError(f"reveal is {reveal}: give 0 or more")
    if (rolling is None) == (fit is None or holdout is None) or (rolling is not None and (fit or holdout)):
        raise TasklawsError("give either fit and holdout, or rolling: which models are to be forecast?")
    for name, value in (("rolling", rolling), ("min_rungs", min_rungs)):
        if value is not None and value < 1:
            raise TasklawsError(f"{name.replace('_', '-')} is {value}: give 1 or more")
    table, left_out = without_planned(table)
    refuse_sizeless(table, axis)
    table, metrics = chosen_curves(table, metric, tasks)
    asked = Terms(axis or ("size" if since is None else "date"), since, reveal, seed)
    table, notes = along(table, asked.axis)
    notes = [*left_out, *notes]
    if fit is not None and holdout is not None:
        forecasts, methods = split_backtest(table, metrics, fit, holdout, asked, notes)
    else:
        assert rolling is not None
        forecasts, methods = rolling_backtest(table, metrics, rolling, min_rungs, asked, notes)
    return Backtest(forecasts, methods, tuple(notes))


@dataclass(frozen=True)
class Terms:
    """What places the models, from which day on they are forecast, how many of each one's scores are given (`reveal`)
    and the seed by which these are drawn."""

    axis: AxisName = "size"
    since: str | None = None
    reveal: int = 0
    seed: int = 0

    @property
    def first_day(self) -> float:
        """`since` in days from 1970; of a month or year its first."""
        if self.since is None:
            return -np.inf
        coarse = re.fullmatch(r"\d{4}(-\d{2})?", self.since)
        first = f"{self.since}-01-01"[:10] if coarse else self.since
        days, _ = iso_days(pd.Series([first], index=["since"], name="date"))
        return float(np.datetime64(days.iloc[0], "D").astype("int64"))

    def draw(self, panel: Panel, asked: NDArray[np.bool_], target: int) -> Array | None:
        """The values of the drawn tasks, (tasks,), NaN of the others; None of a model that has no more than those."""
        value = np.where(asked, panel.value[:, target], np.nan)
        return draw_some(value, self.reveal, self.seed, f"{panel.ladder} {panel.models[target]}")


_USUAL_TERMS = Terms()


def split_backtest(
    table: pd.DataFrame,
    metrics: list[str],
    fit: str,
    holdout: str,
    asked: Terms = _USUAL_TERMS,
    notes: list[str] | None = None,
) -> Tables:
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
    panels = [
        panel.held_last(held.loc[held["ladder"] == panel.ladder, "model"].tolist())
        for panel in panels_of(table[learned | wanted], metrics, asked.axis)
    ]
    panels = [(panel, known) for panel, known in panels if known]
    jobs = [
        (history, known, range(known, len(history.panel.models)))
        for history, (_, known) in zip(histories(panels), panels, strict=True)
        if known < len(history.panel.models)
    ]
    if not jobs:
        raise TasklawsError(
            "nothing to forecast: no task of fit's rows was asked of a model of holdout's in the same ladder"
        )
    return _forecast_all(jobs, len(jobs), asked, notes)


def rolling_backtest(
    table: pd.DataFrame,
    metrics: list[str],
    ahead: int,
    min_rungs: int,
    asked: Terms = _USUAL_TERMS,
    notes: list[str] | None = None,
) -> Tables:
    """For every origin from `min_rungs` on: from the first models, forecast the next `ahead`, or those of them that are
    of the day `asked.since` or later."""
    panels = panels_of(table, metrics, asked.axis)
    most = max((len(panel.models) for panel in panels), default=0)
    if most <= min_rungs:
        remedy = "give a smaller min-rungs" if most > 1 else "give at least two models of one ladder"
        raise TasklawsError(
            f"nothing to forecast: no ladder has more than {most} models, min-rungs is {min_rungs}: {remedy}"
        )
    early = [
        name
        for panel in panels
        for name, known, day in zip(panel.models, panel.earlier, panel.days, strict=True)
        if known < min_rungs and day >= asked.first_day
    ]
    if asked.since is not None and early and notes is not None:
        few = f"fewer than {min_rungs} (min-rungs) models are surely earlier"
        notes.append(f"left out {some(dict.fromkeys(early), 3, str)}: {few}")
    asked_of = [_origins(panel, ahead, min_rungs, asked.first_day) for panel in panels]
    jobs = (
        (history, origin, targets)
        for history, origins in zip(map(History, panels), asked_of, strict=True)
        for origin, targets in origins.items()
    )
    return _forecast_all(jobs, sum(map(len, asked_of)), asked, notes)


def _origins(panel: Panel, ahead: int, min_rungs: int, first_day: float) -> dict[int, list[int]]:
    """By how many models are known, `min_rungs` or more, the models to be forecast from them, where there are any."""
    numbers = [int(number) for number in np.unique(panel.earlier) if number >= min_rungs]
    targets = {number: _next(panel, number, ahead, first_day) for number in numbers}
    return {number: found for number, found in targets.items() if found}


def _next(panel: Panel, origin: int, ahead: int, first_day: float) -> list[int]:
    """The next `ahead` models after the first `origin`, where dates order with those of the same day as the last of
    them, less those before `first_day`."""
    earlier = panel.earlier
    later = np.flatnonzero(earlier >= origin)
    later = later[np.argsort(earlier[later], kind="stable")]
    if len(later) > ahead:
        later = later[earlier[later] <= earlier[later[ahead - 1]]]
    return [int(number) for number in later if not panel.days[number] < first_day]


def _forecast_all(
    jobs: Iterable[tuple[History, int, Sequence[int]]], count: int, asked: Terms, notes: list[str] | None
) -> Tables:
    """The tables of `forecast_tables` for `count` histories, origins and targets, sorted, and what is left out."""
    found: list[Tables] = []
    lost, few = set(), []
    with progress("backtest", count) as advance:
        for history, origin, targets in jobs:
            panel, known = history.panel, history.known(origin).asked
            seen = np.isfinite(panel.value[:, list(targets)]).any(axis=1)
            lost |= {panel.tasks[row][0] for row in np.flatnonzero(seen & ~known)}
            given: dict[int, Array] = {}
            if asked.reveal:
                drawn = {target: asked.draw(panel, known, target) for target in targets}
                given = {target: values for target, values in drawn.items() if values is not None}
                few += [panel.models[target] for target in targets if target not in given]
                targets = list(given)
            if len(targets):
                found.append(forecast_tables(history, origin, targets, given=given))
            advance()
    if not found:
        raise TasklawsError(f"nothing to forecast: {_why_nothing(asked, few)}")
    forecasts, methods = (pd.concat(part) for part in zip(*found, strict=True))
    if asked.reveal:  # of other tasks the wanted model has no score that could be one of the others
        forecasts = forecasts.dropna(subset="observed")
        methods = methods.merge(forecasts[BACKTEST_FORECASTS.keys])
    if notes is not None:
        notes += (
            [f"left out {some(sorted(lost, key=natural), 3, str)}: tasks that no earlier model has"] if lost else []
        )
        notes += [f"left out {some(dict.fromkeys(few), 3, str)}: {asked.reveal} scores or fewer"] if few else []
        each = f"{asked.reveal} score{'s' if asked.reveal > 1 else ''} of each model"
        notes += [f"given: {each}, drawn by seed {asked.seed}"] if asked.reveal else []
    return in_order(BACKTEST_FORECASTS.pick(forecasts), BACKTEST_FORECASTS.keys), (
        in_order(BACKTEST_METHODS.pick(methods), BACKTEST_METHODS.keys)
    )


def _why_nothing(asked: Terms, few: list[str]) -> str:
    if few:
        return f"no wanted model has more than {asked.reveal} scores of tasks that earlier ones have: reveal fewer"
    if asked.since is not None:
        return f"no model with min-rungs earlier ones is of {asked.since} or later: give an earlier since"
    return "all models behind the first min-rungs are of the same day as the last"


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
