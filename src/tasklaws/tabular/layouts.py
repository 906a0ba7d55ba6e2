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
from tasklaws.frames.shown import quoted, some
from tasklaws.frames.user_tables import Source
from tasklaws.tables import ACCURACIES, LOSSES, SIZES, direction, may_be_share
from tasklaws.tabular.names import COUNTS, Columns, known_as, normal, split_unit, with_aliases
from tasklaws.tabular.numbers import as_numbers, is_numeric, iso_days, text_numbers, written

Layout = Literal["tidy", "wide", "wide-tasks"]
LAYOUTS: tuple[Layout, ...] = ("tidy", "wide", "wide-tasks")
SCORE = "score"  # the metric of wide cells, where nothing names one
_METRICS = ACCURACIES | LOSSES | {"accuracy", "em", "f1", SCORE, "mc1", "mc2", "nll"}
_SPLITS = {"val", "valid", "validation", "train", "training", "test", "eval", "dev", "heldout"}
_MEANS = {"average", "avg", "mean", "overall", "total"}  # of tasks that stand beside it
_ERRORS = {"stderr", "std_err", "std_error", "standard_error"}  # behind the name of the column that they belong to
_SETTINGS = {  # how a model was made, and no task
    *("lr", "learning_rate", "max_lr", "dropout", "weight_decay", "wd", "batch_size", "warmup", "warmup_steps"),
    *("layers", "n_layers", "num_layers", "depth", "width", "d_model", "hidden_size", "heads", "n_heads", "num_heads"),
    *("context_length", "seq_len", "vocab_size", "gpu_hours", "cost", "price", "temperature", "rank", "year", "epochs"),
}


def to_tidy(
    table: pd.DataFrame,
    source: Source,
    columns: Columns,
    needed: Sequence[str],
    layout: Layout | None,
    notes: list[str],
) -> pd.DataFrame:
    """The table with a row a result: as it is where it has a column `value`, else by its layout.

    `columns` say which have no known name and what units are stated, `needed` those that a result needs.
    Without `layout` it is told from the columns, and a line in `notes` says which; where it cannot be told,
    TasklawsError is raised.
    """
    if layout not in (None, *LAYOUTS):
        raise TasklawsError(f"--layout {layout}: give {', '.join(LAYOUTS)}")
    others = columns.others
    results = table[~_of_models(table, source)]
    numeric = [name for name in others if name and is_numeric(results[name])]
    measured = [name for name in numeric if _is_measure(name)]
    tasks = [name for name in numeric if name not in measured]
    found = layout or _layout(table, source, needed, measured, tasks)
    if found == "tidy":
        if "value" in table:
            return table
        measured = measured or [name for name in numeric if direction(normal(name)) is not None]
        return _by_metric(table, source, measured, columns, notes)
    label = "model" if found == "wide" else "task"
    if label not in table:
        first = source.header[0]
        if first not in others or first in numeric:
            raise lacking(source, label)
        table = table.rename(columns={first: label})
    if found == "wide-tasks":
        return _from_tasks(table, source, [name for name in numeric if name != label], columns, notes)
    return _from_models(table, source, tasks, columns, notes)


def _of_models(table: pd.DataFrame, source: Source) -> pd.Series:
    """Which rows hold the sizes or dates of models that have a column each."""
    label = "task" if "task" in table else source.header[0]
    if label not in table or "model" in table or is_numeric(table[label]):
        return pd.Series(False, index=table.index)
    return table[label].isin([cell for cell in table[label].dropna().unique() if _about_models(str(cell))])


def _about_models(label: str) -> str | None:
    return known_as(split_unit(label)[0], (*COUNTS, "date"))


def _layout(
    table: pd.DataFrame, source: Source, needed: Sequence[str], measured: Sequence[str], tasks: Sequence[str]
) -> Layout:
    """Which layout a table has; one that may be either raises TasklawsError."""
    if "value" in table or ("metric" in table and not tasks) or ("task" in table and "model" in table):
        return "tidy"
    if "task" in table:
        return "wide-tasks" if tasks else "tidy"
    if "model" in table:
        return "wide" if tasks and ("task" in needed or not measured) else "tidy"
    if "task" not in needed and (measured or source.header[0] in table.columns.intersection(["n_params"])):
        return "tidy"
    first = source.header[0]
    if tasks and first in table and first not in tasks and not is_numeric(table[first]):
        if _of_models(table, source).any():
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


def _factor(own: float | None, metric: str, columns: Columns) -> float:
    """What cells count: what their column's name or row says, else what is stated of all values of shares."""
    stated = columns.factors.get("value")
    if own is not None and stated is not None and own != stated:
        raise TasklawsError(f"--units value={stated:g}: a column or row of the table states {own:g}: keep one")
    given = stated if stated is not None and (stated != 0.01 or may_be_share(metric)) else 1.0
    return given if own is None else own


def _errors(name: str, own: float | None, factor: float, source: Source, columns: Columns) -> float:
    """The unit of standard errors beside values that count `factor`: their own, or as stated; never only theirs."""
    if own is None and factor != 1 and "stderr" not in columns.factors:
        raise TasklawsError(
            f"{source.path}: values are in percent, and {quoted(name)} states no unit: give --units stderr=percent, or "
            "stderr=1"
        )
    return columns.factors.get("stderr", 1.0) if own is None else own


def _by_metric(
    table: pd.DataFrame, source: Source, measured: Sequence[str], columns: Columns, notes: list[str]
) -> pd.DataFrame:
    """A row for each metric that has a column, `metric` its name without its unit."""
    if not measured or ("metric" in table and len(measured) > 1):
        raise lacking(source, "value")
    parts = []
    for name in measured:
        base, own = split_unit(name)
        factor = _factor(own, base, columns)
        cells = as_numbers(source, name, "value", table[name], notes, factor)
        part = table.drop(columns=list(measured)).assign(value=cells)
        for errors in columns.others:
            if "stderr" not in table and _belongs_to(split_unit(errors)[0]) == normal(base):
                unit = _errors(errors, split_unit(errors)[1], factor, source, columns)
                part = part.assign(stderr=as_numbers(source, errors, "stderr", part[errors], notes, unit))
        if "metric" not in part:
            part = part.assign(metric=base)
        parts.append(part)
    long = pd.concat(parts).sort_index(kind="stable")
    if len(measured) == 1:
        return long
    found = long[long["value"].notna()]
    _say(f"a column for each metric ({some(measured)})", source, long, found, notes)
    return found


def _belongs_to(name: str) -> str | None:
    """The column, made alike, of whose values a column of standard errors is by its name; None where it is another."""
    wanted = normal(name)
    ends = [wanted.removesuffix(f"_{word}") for word in _ERRORS if wanted.endswith(f"_{word}")]
    return ends[0] if ends else wanted.removeprefix("stderr_") if wanted.startswith("stderr_") else None


def _from_models(
    table: pd.DataFrame, source: Source, numeric: Sequence[str], columns: Columns, notes: list[str]
) -> pd.DataFrame:
    """A row for each model and column of a task, with the standard errors that stand beside it."""
    parts = {name: task_and_metric(split_unit(name)[0]) for name in numeric}
    errors = {of: name for name in numeric if (of := _belongs_to(split_unit(name)[0])) is not None}
    tasks = [
        name
        for name, (task, metric) in parts.items()
        if normal(task) not in _MEANS | _SETTINGS
        and name not in errors.values()
        and (metric is not None or table[name].dtype.kind not in "iuf" or not table[name].min() > 100)
    ]
    beside = [name for name in numeric if name not in tasks and name not in errors.values()]
    if not tasks:
        raise lacking(source, "task")
    shared = table.drop(columns=tasks)
    values, stderrs = [], []
    for name in tasks:
        base, own = split_unit(name)
        factor = _factor(own, parts[name][1] or SCORE, columns)
        values.append(as_numbers(source, name, "value", table[name], notes, factor).to_numpy())
        error = errors.pop(normal(base), None)
        unit = 1.0 if error is None else _errors(error, split_unit(error)[1], factor, source, columns)
        blank = pd.Series(np.nan, index=table.index)
        cells = blank if error is None else as_numbers(source, error, "stderr", table[error], notes, unit)
        stderrs.append(cells.to_numpy())
    beside += errors.values()
    named_so = [parts[name] for name in tasks]
    long = shared.iloc[np.repeat(np.arange(len(table)), len(tasks))].copy()
    long["value"] = np.column_stack(values).ravel()
    if "stderr" not in long:
        long["stderr"] = np.column_stack(stderrs).ravel()
    long["task"] = np.tile([task for task, _ in named_so], len(table))
    if "metric" not in long:
        long["metric"] = np.tile([metric or SCORE for _, metric in named_so], len(table))
    found = long[long["value"].notna()]
    _say(f"wide, {len(table)} models (rows) x {len(tasks)} tasks (columns {some(tasks)})", source, long, found, notes)
    if beside:
        notes.append(f"{source.path}: columns {some(beside)} are taken for no tasks and kept beside")
    return _scored(found, source, notes)


def _from_tasks(
    table: pd.DataFrame, source: Source, models: Sequence[str], columns: Columns, notes: list[str]
) -> pd.DataFrame:
    """A row for each task and column of a model; rows named after a size, or date, hold the models' sizes or dates."""
    if not models:
        raise lacking(source, "model")
    cells = source.frame(models, models).reindex(table.index)
    comma = source.has_decimal_commas
    sizes: dict[str, pd.Series] = {}
    labels = table["task"].astype("str").where(table["task"].notna(), "")
    for place, label in enumerate(labels):
        column = _about_models(label)
        if column is not None:
            lines = cells.index[[place] * len(models)]
            row = written(pd.Series(cells.iloc[place].to_list(), lines, dtype="str", name=label))
            factor = split_unit(label)[1] or columns.factors.get(column, 1.0)
            read, way = iso_days(row) if column == "date" else text_numbers(row, column, comma, factor)
            notes += [f"{source.path}: {way}"] if way else []
            sizes[column] = read.set_axis(list(models))
    kept = (labels.map(_about_models).isna() & ~labels.map(normal).isin(_MEANS)).to_numpy()
    table, cells, labels = table[kept], cells[kept], labels[kept]
    bases = [split_unit(label) for label in labels]
    named_so = [task_and_metric(base) for base, _ in bases]
    if "metric" not in table:
        metrics = [metric or (normal(task) if normal(task) in _METRICS else SCORE) for task, metric in named_so]
        table = table.assign(task=[task for task, _ in named_so], metric=metrics)
    else:
        table = table.assign(task=[base for base, _ in bases])
    table["task"] = table["task"].mask(table["task"] == "")
    factors = pd.Series(
        [_factor(own, str(metric), columns) for (_, own), metric in zip(bases, table["metric"], strict=True)],
        table.index,
        dtype="float64",
    )
    shared = table.drop(columns=list(models))
    parts = []
    for model in models:
        text = written(cells[model])
        values = pd.Series(np.nan, index=table.index)
        for factor in factors.unique():
            read, way = text_numbers(text[factors == factor], "value", comma, factor)
            values[factors == factor] = read
            notes += [f"{source.path}: {model}: {way}"] if way else []
        known = {column: found[model] for column, found in sizes.items()}
        parts.append(shared.assign(model=model, value=values, **known))
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
    known = with_aliases(["model", "task", "metric", "value", *SIZES])
    return TasklawsError(
        f"{source.path}: no column {column!r} among {has}: known are {known}; a metric's name, as loss, "
        "stands for metric and value (docs/tables.md)"
    )
