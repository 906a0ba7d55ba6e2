"""Tables that are laid out wide, brought into one row a result.

Wide is a row a model and a column a task (`wide`), or a row a task and a column a model (`wide-tasks`); there are also
tidy tables with a column for each of several metrics.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.user_tables import Source, some
from tasklaws.tables import ACCURACIES, LOSSES, SIZES, direction
from tasklaws.tabular.names import COUNTS, known_as, named, normal, split_unit
from tasklaws.tabular.numbers import as_numbers, is_numeric, text_numbers, written

Layout = Literal["tidy", "wide", "wide-tasks"]
LAYOUTS: tuple[Layout, ...] = ("tidy", "wide", "wide-tasks")
SCORE = "score"  # the metric of wide cells, where nothing names one
_METRICS = ACCURACIES | LOSSES | {"accuracy", "em", "f1", SCORE, "mc1", "mc2", "nll"}
_SPLITS = {"val", "valid", "validation", "train", "training", "test", "eval", "dev", "heldout"}
_MEANS = {"average", "avg", "mean", "overall", "total"}  # of tasks that stand beside it


def tidy(
    table: pd.DataFrame,
    source: Source,
    others: Sequence[str],
    needed: Sequence[str],
    layout: Layout | None,
    notes: list[str],
) -> pd.DataFrame:
    """The table with a row a result: as it is where it has a column `value`, else by its layout.

    `others` are the columns that have no known name, `needed` those that a result needs. Without `layout` it is told
    from the columns, and a line in `notes` says which; where it cannot be told, TasklawsError is raised.
    """
    if layout not in (None, *LAYOUTS):
        raise TasklawsError(f"--layout {layout}: give {', '.join(LAYOUTS)}")
    numeric = [name for name in others if name and is_numeric(table[name])]
    measured = [name for name in numeric if _is_measure(name)]
    tasks = [name for name in numeric if name not in measured]
    found = layout or _layout(table, source, needed, measured, tasks)
    if found == "tidy":
        if "value" in table:
            return table
        measured = measured or [name for name in numeric if direction(normal(name)) is not None]
        return _by_metric(table, source, measured, notes)
    label = "model" if found == "wide" else "task"
    if label not in table:
        first = source.header[0]
        if first not in others or first in numeric:
            raise lacking(source, label)
        table = table.rename(columns={first: label})
    if found == "wide-tasks":
        return _from_tasks(table, source, [name for name in numeric if name != label], notes)
    return _from_models(table, source, tasks, notes)


def _layout(
    table: pd.DataFrame, source: Source, needed: Sequence[str], measured: Sequence[str], tasks: Sequence[str]
) -> Layout:
    """Which layout a table has; one that may be either raises TasklawsError."""
    if "value" in table or "metric" in table or ("task" in table and "model" in table):
        return "tidy"
    if "task" in table:
        return "wide-tasks" if tasks else "tidy"
    if "model" in table:
        return "wide" if tasks and ("task" in needed or not measured) else "tidy"
    if "task" not in needed and (measured or source.header[0] in table.columns.intersection(["n_params"])):
        return "tidy"
    first = source.header[0]
    if tasks and first in table and first not in tasks and not is_numeric(table[first]):
        if any(known_as(split_unit(str(cell))[0], COUNTS) for cell in table[first].dropna().head(100)):
            return "wide-tasks"
        if any(column in table for column in (*COUNTS, "date")):
            return "wide"
        if "task" in needed:
            raise TasklawsError(
                f"{source.path}: is a row a model or a task? Name the first column model or task, or give --layout "
                "wide (a row a model) or --layout wide-tasks"
            )
    return "tidy"


def _is_measure(name: str) -> bool:
    """Whether a column's name is that of a metric alone, and of no task."""
    base = split_unit(name)[0]
    if normal(base) in _METRICS:
        return True
    task, metric = task_and_metric(base)
    return metric is not None and normal(task) in _SPLITS


def task_and_metric(name: str) -> tuple[str, str | None]:
    """A column's task and, where its name ends (or, before `/` or `:`, begins) with one, its metric."""
    for mark in re.finditer(r"[_\s./,:|-]+", name):
        if mark.start() and normal(name[mark.end() :]) in _METRICS:
            return name[: mark.start()], normal(name[mark.end() :])
    first, _, rest = re.sub(r"[:|]", "/", name).partition("/")
    if rest and normal(first) in _METRICS:
        return rest.strip(), normal(first)
    return name, None


def _by_metric(table: pd.DataFrame, source: Source, measured: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """A row for each metric that has a column, `metric` its name without its unit."""
    if not measured or ("metric" in table and len(measured) > 1):
        raise lacking(source, "value")
    parts = []
    for name in measured:
        base, factor = split_unit(name)
        cells = as_numbers(source, name, "value", table[name], notes) * (factor or 1.0)
        part = table.drop(columns=list(measured)).assign(value=cells)
        for errors in (f"{base}_stderr", f"{base} stderr", f"stderr_{base}"):
            if errors in part and "stderr" not in table:
                part = part.assign(stderr=as_numbers(source, errors, "stderr", part[errors], notes) * (factor or 1.0))
        if "metric" not in part:
            part = part.assign(metric=base)
        parts.append(part)
    long = pd.concat(parts).sort_index(kind="stable")
    if len(measured) == 1:
        return long
    found = long[long["value"].notna()]
    _say(f"a column for each metric ({some(measured)})", source, long, found, notes)
    return found


def _from_models(table: pd.DataFrame, source: Source, tasks: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """A row for each model and column of a task."""
    means = [name for name in tasks if normal(split_unit(name)[0]) in _MEANS]
    tasks = [name for name in tasks if name not in means]
    large = [name for name in tasks if table[name].dtype.kind in "iuf" and table[name].min() > 100]
    tasks = [name for name in tasks if name not in large]
    if not tasks:
        raise lacking(source, "task")
    shared = table.drop(columns=tasks)
    cells = [as_numbers(source, name, "value", table[name], notes) * (split_unit(name)[1] or 1.0) for name in tasks]
    named_so = [task_and_metric(split_unit(name)[0]) for name in tasks]
    long = shared.iloc[np.repeat(np.arange(len(table)), len(tasks))].copy()
    long["value"] = np.column_stack([values.to_numpy() for values in cells]).ravel()
    long["task"] = np.tile([task for task, _ in named_so], len(table))
    if "metric" not in long:
        long["metric"] = np.tile([metric or SCORE for _, metric in named_so], len(table))
    found = long[long["value"].notna()]
    _say(
        f"wide, {len(table)} models (rows) x {len(tasks)} tasks (columns {some(tasks)})",
        source,
        long,
        found,
        notes,
    )
    if means or large:
        notes.append(f"{source.path}: columns {some([*means, *large])} are taken for no tasks and kept beside")
    return _scored(found, source, notes)


def _from_tasks(table: pd.DataFrame, source: Source, models: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """A row for each task and column of a model; rows named after a size hold the models' sizes."""
    if not models:
        raise lacking(source, "model")
    cells = source.frame(models, models).reindex(table.index)
    labels = [(label, *split_unit(label)) for label in table["task"].astype("str").fillna("")]
    holds = [known_as(base, COUNTS) for _, base, _ in labels]
    sizes: dict[str, pd.Series] = {}
    for place, (column, (label, _, factor)) in enumerate(zip(holds, labels, strict=True)):
        if column is not None:
            row = pd.Series(cells.iloc[place].to_list(), cells.index[[place] * len(models)], dtype="str", name=label)
            numbers, _ = text_numbers(written(row), column, source.has_decimal_commas)
            sizes[column] = numbers.set_axis(list(models)) * (factor or 1.0)
    kept = [column is None and normal(label) not in _MEANS for column, (label, *_) in zip(holds, labels, strict=True)]
    table, cells = table[kept], cells[kept]
    shared = table.drop(columns=list(models))
    parts = []
    for model in models:
        values, way = text_numbers(written(cells[model]), "value", source.has_decimal_commas)
        notes += [f"{source.path}: {model}: {way}"] if way else []
        known = {column: float(found[model]) for column, found in sizes.items()}
        part = shared.assign(model=model, value=values, **known)
        parts.append(part if "metric" in part else part.assign(metric=SCORE))
    said = f"wide-tasks, {len(table)} tasks (rows) x {len(models)} models (columns {some(models)})"
    long = pd.concat(parts)
    found = long[long["value"].notna()]
    _say(said, source, long, found, notes)
    return _scored(found, source, notes)


def _say(said: str, source: Source, long: pd.DataFrame, found: pd.DataFrame, notes: list[str]) -> None:
    blank = len(long) - len(found)
    notes.append(f"{source.path}: read as {said}{f', {blank} empty cells left out' if blank else ''}")


def _scored(table: pd.DataFrame, source: Source, notes: list[str]) -> pd.DataFrame:
    if table.empty:
        raise TasklawsError(f"{source.path}: no cell of a task has a value: give at least one")
    if table["metric"].eq(SCORE).any():
        notes.append(
            f"{source.path}: no column names a metric: its cells are taken for {SCORE!r}, more is better; "
            f"--direction {SCORE}=down if less is"
        )
    return table.sort_index(kind="stable")


def lacking(source: Source, column: str) -> TasklawsError:
    """The error of a file that lacks a column: what it has, and by which names each is known."""
    has = some(source.header, 8)[:80]
    known = named(["model", "task", "metric", "value", *SIZES])
    return TasklawsError(
        f"{source.path}: no column {column!r} among {has}: known are {known}; a metric's name, as loss, "
        "stands for metric and value (docs/tables.md)"
    )
