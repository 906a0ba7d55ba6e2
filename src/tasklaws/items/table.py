"""Scores of models on items, read from a table and checked: what every part of this package works on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_user_csv
from tasklaws.tables import ITEM_SCORES

_NEEDED = ["model", "task", "score"]
_OF_ITEM = ITEM_SCORES.columns[ITEM_SCORES.columns.index("family") :]
DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class ItemTable:
    """N items asked of M models.

    `scores` (N, M) in [0, 1], NaN where a model was not asked; `items` one row an item (those columns of ITEM_SCORES
    that the table has), indexed and sorted by task; `models` (M,) by position, then by name; `position` (M,) is years
    since the first date, or log n_params; models at one position are contemporaries, none of them earlier than
    another.
    """

    scores: Array
    items: pd.DataFrame
    models: tuple[str, ...]
    position: Array

    @property
    def chance(self) -> Array:
        """(N,) the score that guessing earns on each item, 0 where the table does not say."""
        return self.items["chance"].fillna(0.0).to_numpy(float) if "chance" in self.items else np.zeros(len(self.items))

    def take(self, models: NDArray[np.intp]) -> "ItemTable":
        """The same items with some of the models only."""
        names = tuple(self.models[index] for index in models)
        return ItemTable(self.scores[:, models], self.items, names, self.position[models])

    def only(self, items: NDArray[np.bool_]) -> "ItemTable":
        """The same models on some of the items only."""
        return ItemTable(self.scores[items], self.items[items], self.models, self.position)


def read_items(path: Path) -> ItemTable:
    """Read a CSV (gzipped or not): model, task, score, `date` or `n_params`, and what is known of each task.

    Several rows of one model and task are averaged when `attempt` tells them apart. Raises TasklawsError for: a
    missing or an unknown column, a score outside [0, 1], a repeated row, a bad date, a number that is negative or not
    finite, an item that differs between rows, an item without a score, fewer than two models, and a row longer than
    the header.
    """
    table = read_user_csv(path, dtype=dict.fromkeys(set(ITEM_SCORES.columns) - set(ITEM_SCORES.numbers), "str"))
    return check_items(table.dropna(how="all"), str(path))


def check_items(table: pd.DataFrame, source: str) -> ItemTable:
    """The checked ItemTable of `table`; `source` names it in the TasklawsError of `read_items`."""
    _check_columns(table, source)
    table = table.assign(score=_numbers(table, "score", source, high=1.0))
    for column in ("model", "task"):
        if table[column].isna().any():
            raise TasklawsError(f"{source}:{_line(table[column].isna())}: {column} is empty: name it")
    keys = ["model", "task"] + (["attempt"] if "attempt" in table else [])
    twice = table.duplicated(keys)
    if twice.any():
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(f"{source}: duplicate row {row}: tell repeated attempts apart in a column `attempt`")
    position = _positions(table, source)
    if len(position) < 2:
        raise TasklawsError(f"{source}: one model only ({position.index[0]}): at least two are needed to compare")
    items = _items(table, source)
    scores = table.pivot_table(index="task", columns="model", values="score", aggfunc="mean", dropna=False)
    wide = scores.reindex(index=items.index, columns=position.index).to_numpy(float)
    empty = np.isnan(wide).all(axis=1)
    if empty.any():
        raise TasklawsError(f"{source}: item {items.index[empty][0]!r} has no attempts: remove its rows or score it")
    unasked = np.isnan(wide).all(axis=0)
    if unasked.any():
        raise TasklawsError(f"{source}: model {position.index[unasked][0]!r} has no score: remove its rows or score it")
    return ItemTable(wide, items, tuple(position.index), position.to_numpy(float))


def _check_columns(table: pd.DataFrame, source: str) -> None:
    for column in table:
        if column not in ITEM_SCORES.columns:
            raise TasklawsError(
                f"{source}: unknown column {column!r}: the table may have {', '.join(ITEM_SCORES.columns)}"
            )
    for column in _NEEDED:
        if column not in table:
            raise TasklawsError(f"{source}: no column {column!r}: the table needs {', '.join(_NEEDED)}")
    if "date" not in table and "n_params" not in table:
        raise TasklawsError(f"{source}: neither `date` nor `n_params`: one of them must order the models")
    if table.empty:
        raise TasklawsError(f"{source}: no rows: give the scores of at least two models")
    if ("human_attempts" in table) != ("human_solved" in table):
        raise TasklawsError(f"{source}: human_attempts and human_solved belong together: give both or neither")
    if "suite" in table and table["suite"].nunique(dropna=False) > 1:
        raise TasklawsError(f"{source}: suites {sorted(table['suite'].astype(str).unique())}: give one suite at a time")


def _line(bad: pd.Series) -> int:
    """The line, in the file, of the first true row: rows are numbered from 0, at line 2."""
    return int(bad.index[int(bad.argmax())]) + 2


def _numbers(table: pd.DataFrame, column: str, source: str, high: float = np.inf, positive: bool = False) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    least = "more than 0" if positive else "at least 0"
    wanted = f"a number in [0, {high:g}]" if np.isfinite(high) else f"a finite number, {least}"
    bad = (numbers.isna() & table[column].notna()) | (numbers < 0) | (numbers > high) | np.isinf(numbers)
    if positive:
        bad |= numbers == 0
    if bad.any():
        value = table[column][bad].iloc[0]
        raise TasklawsError(f"{source}:{_line(bad)}: {column} is {value}: give {wanted}, or leave it empty")
    return numbers


def _one_value(table: pd.DataFrame, key: str, column: str, source: str) -> pd.Series:
    """The value of `column` for each `key`, which must be the same in all its rows (empty counts as a value)."""
    distinct = table[[key, column]].drop_duplicates()
    twice = distinct[key].duplicated()
    if twice.any():
        name = distinct[key][twice].iloc[0]
        values = distinct[column][distinct[key] == name].tolist()
        raise TasklawsError(f"{source}: {column} of {key} {name!r} is {values[0]} and {values[1]}: give one value")
    return distinct.set_index(key)[column]


def _positions(table: pd.DataFrame, source: str) -> pd.Series:
    """Each model's place in the order: years since the first date, or else log n_params."""
    if "date" in table and not ("n_params" in table and table["date"].isna().all()):
        column = "date"
        dates = pd.to_datetime(table["date"], format="%Y-%m-%d", errors="coerce")
        if dates.isna().any():
            value = table["date"][dates.isna()].iloc[0]
            raise TasklawsError(f"{source}:{_line(dates.isna())}: date is {value}: give a date, YYYY-MM-DD")
        values = (dates - dates.min()).dt.days / DAYS_A_YEAR
    else:
        column = "n_params"
        sizes = _numbers(table, "n_params", source, positive=True)
        if sizes.isna().any():
            raise TasklawsError(f"{source}:{_line(sizes.isna())}: n_params is empty: give the model's size")
        values = pd.Series(np.log(sizes), index=table.index)
    _one_value(table, "model", column, source)
    position = values.groupby(table["model"]).first()
    return position.sort_index().sort_values(kind="stable")


def _items(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """What is known of each task, one row a task, sorted by its name."""
    items = pd.DataFrame(index=pd.Index(sorted(table["task"].unique()), name="task"))
    for column in _OF_ITEM:
        if column not in table or table[column].isna().all():
            continue
        if column in ITEM_SCORES.numbers:
            high = 1.0 if column == "chance" else np.inf
            positive = column in ("human_minutes", "human_attempts")
            table = table.assign(**{column: _numbers(table, column, source, high, positive)})
        items[column] = _one_value(table, "task", column, source)
    if "chance" in items and (items["chance"] >= 1).any():
        task = items.index[items["chance"] >= 1][0]
        raise TasklawsError(f"{source}: chance of task {task!r} is 1: give less than 1, as nothing is above it")
    if "human_solved" in items:
        bad = (items["human_solved"] > items["human_attempts"]) | (
            items["human_solved"].isna() != items["human_attempts"].isna()
        )
        if bad.any():
            row = items[bad].iloc[0]
            raise TasklawsError(
                f"{source}: task {items.index[bad][0]!r} has human_solved {row['human_solved']:g} of human_attempts "
                f"{row['human_attempts']:g}: give 0 <= solved <= attempts, or leave both empty"
            )
    return items
