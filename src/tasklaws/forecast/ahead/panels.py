"""The panels behind a forecast of planned models: known models first, planned ones behind them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.ahead.planned import At, planned_models, refuse_contradictions
from tasklaws.forecast.axis_tables import run_names
from tasklaws.forecast.choices import panels_of
from tasklaws.forecast.combine import History, histories
from tasklaws.forecast.panel import AxisName, Panel, axis_of, maker_column, size_column
from tasklaws.frames.shown import quoted, some
from tasklaws.tables import SIZES


def parted(table: pd.DataFrame, at: At | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of known models, and the planned ones: those of the table and those of `at`."""
    named = ["ladder", "model"]
    empty = table["value"].isna()
    ahead = empty & empty.groupby([table[name] for name in named]).transform("all")
    if (empty & ~ahead).any():
        row = table[empty & ~ahead].iloc[0]
        raise TasklawsError(
            f"model {row['model']} has no value in {row['task']} and others elsewhere: leave the row out"
        )
    known = table[~ahead]
    parts = [planned_models(_planned_rows(table[ahead]))] if ahead.any() else []
    parts += [] if at is None else [planned_models(at)]
    if not parts:
        raise TasklawsError("nothing is planned: give at (--at n_params=7e9,n_tokens=2e12), or a row without a value")
    if known.empty:
        raise TasklawsError("no model of the table has a value: a forecast rests on what known models did")
    planned = pd.concat(parts)
    refuse_contradictions(planned, known)
    if maker := maker_column(known):
        spelt = {name.casefold(): name for name in known[maker].dropna().astype(str)}
        planned["maker"] = planned["maker"].map(lambda name: spelt.get(name.casefold(), name), na_action="ignore")
    return known, planned


def _planned_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """What a table says of planned models, as `planned_models` takes it, in an index of where it stands."""
    named = ["ladder", "model"]
    kept = [name for name in (*named, *SIZES, "step", "loss", "date", "date_margin") if name in rows]
    maker = maker_column(rows)
    found = rows[kept].assign(**({} if maker is None else {"maker": rows[maker]})).drop_duplicates(named)
    lines = rows.attrs.get("planned", {})  # of a file that read_points read
    pairs = found[named].itertuples(index=False, name=None)
    return found.set_axis([lines.get(pair, f"planned model {quoted(pair[1])}") for pair in pairs])


def refuse_known_names(planned: pd.DataFrame, known: pd.DataFrame, axis: AxisName) -> None:
    """Raise TasklawsError where a planned model has the name of a known one, or of another planned one."""
    for name in planned["model"]:
        own = known[known["model"] == name]
        if len(own) and axis in ("n_tokens", "step"):
            run = run_names(known)[known["model"] == name].iloc[0]
            raise TasklawsError(
                f"planned model {quoted(name)} is a run of the table, and --axis {axis} forecasts later checkpoints of "
                f"runs: write ladder={run} instead of model={name} (without either, each run's are forecast)"
            )
        if len(own):
            raise TasklawsError(f"planned model {quoted(name)} is in the table already: name it otherwise")
        if (planned["model"] == name).sum() > 1:
            raise TasklawsError(f"planned model {quoted(name)} is planned twice: name each otherwise")


class Job(NamedTuple):
    """Known models followed by planned ones: how many are known, the numbers of the planned ones and of an echo of the
    last known model, and those of the first and last days of planned models of uncertain date."""

    panel: Panel
    origin: int
    targets: list[int]
    echo: int
    ends: dict[int, tuple[int, int]]


def jobs(
    known: pd.DataFrame, planned: pd.DataFrame, metrics: list[str], axis: AxisName, notes: list[str]
) -> Iterator[tuple[History, Job]]:
    """A job for each ladder; on an axis of dates one for all planned models that rest on the same known ones."""
    laid = list(_laid_out(known, planned, metrics, axis, notes))
    for history, job in zip(histories([(job.panel, job.origin) for job in laid]), laid, strict=True):
        if job.targets:
            yield history, job


def _laid_out(
    known: pd.DataFrame, planned: pd.DataFrame, metrics: list[str], axis: AxisName, notes: list[str]
) -> Iterator[Job]:
    """`jobs`, and those of ladders in which no model is planned, without their histories."""
    ladders = sorted(known["ladder"].unique())
    stated = planned["ladder"].dropna()
    strangers = stated[~stated.isin(ladders)]
    if len(strangers):
        raise TasklawsError(f"ladder {quoted(strangers.iloc[0])} is not in the table: it has {some(ladders, 6, str)}")
    added, maker = [], maker_column(known)
    for ladder, rows in known.groupby("ladder"):
        own = _placed(planned[planned["ladder"].isna() | (planned["ladder"] == ladder)], rows, axis)
        again = own.loc[own["model"].isin(rows["model"]), "model"]
        if len(again):
            raise TasklawsError(f"{quoted(again.iloc[0])} of {ladder} is in the table already: plan another model")
        pairs = rows.loc[rows["metric"].isin(metrics), ["task", "metric"]].drop_duplicates()
        own = own.drop(columns=["ladder", "stated", *([] if maker else ["maker"])]).rename(columns={"maker": maker})
        added.append(pairs.merge(own, how="cross").assign(ladder=ladder, is_final=True))
    for panel in panels_of(pd.concat([known, *added], ignore_index=True), metrics, axis):
        wanted = np.isin(panel.models, planned["model"])
        if not wanted.any():  # it may be company to others
            yield Job(panel, len(panel.models), [], 0, {})
        before = _n_earlier(panel, wanted)
        for count in np.unique(before[wanted]):
            group = np.flatnonzero(wanted & (before == count))
            chosen = np.flatnonzero(~wanted)[:count]
            names = [panel.models[number] for number in group]
            if not count:
                raise TasklawsError(
                    f"ladder {panel.ladder}: no model is surely earlier than {names[0]}: give a later date"
                )
            if count < (~wanted).sum():
                late = f"{(~wanted).sum() - count} model(s) of {panel.ladder} are not surely earlier"
                notes.append(f"{late} than {some(names, 3, str)}: they do not count")
            if size_column(panel) == "n_params" and np.isfinite(panel.train_flops[chosen]).all():
                notes.append(f"the tokens of {some(names, 3, str)} are not given: placed by parameters alone")
            yield _in_order(panel, chosen, group)


def _in_order(panel: Panel, known: NDArray[np.intp], wanted: NDArray[np.intp]) -> Job:
    """The known models of a panel, the wanted ones, an echo of the last known, and of wanted models of uncertain date
    their first and last day."""
    margin = np.zeros(len(panel.models)) if panel.margin is None or axis_of(panel) != "date" else panel.margin
    unsure = wanted[margin[wanted] > 0]
    ordered = panel.select(np.concatenate([known, wanted, known[-1:], unsure, unsure]))
    n_known, n_unsure = len(known), len(unsure)
    echo = n_known + len(wanted)
    first = np.arange(echo + 1, echo + 1 + n_unsure)
    days = ordered.days.copy()
    days[first] -= margin[unsure]
    days[first + n_unsure] += margin[unsure]
    ordered = replace(ordered, days=days, models=(*ordered.models[:echo], *["\0"] * (1 + 2 * n_unsure)))
    numbers = n_known + np.flatnonzero(margin[wanted] > 0)
    ends = {int(number): (int(one), int(one) + n_unsure) for number, one in zip(numbers, first, strict=True)}
    return Job(ordered, n_known, list(range(n_known, echo)), echo, ends)


def _n_earlier(panel: Panel, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """How many known models count for each: by date those that are surely earlier, else all."""
    if axis_of(panel) != "date":
        return np.full(len(panel.models), int((~wanted).sum()))
    return np.searchsorted(panel.latest[~wanted], 2 * panel.days - panel.latest)


def _placed(planned: pd.DataFrame, rows: pd.DataFrame, axis: AxisName) -> pd.DataFrame:
    """Planned models of one ladder with their `place`; as checkpoints of its run they have its size, and its tokens a
    step."""
    if axis in ("size", "date"):
        return planned
    placed = planned.assign(place=planned[axis])
    if axis == "loss":
        return placed
    last = rows.iloc[int(rows["place"].argmax())]
    tokens = planned["n_tokens"] if axis == "n_tokens" else planned["step"] * last["n_tokens"] / last["place"]
    return placed.assign(n_params=last["n_params"], n_tokens=tokens, train_flops=6 * last["n_params"] * tokens)
