"""Scores of models on items, read from a table and checked."""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.frames import read_user_csv
from tasklaws.tables import ITEM_SCORES

_NEEDED = ["model", "task", "score"]
_OF_ITEM = ITEM_SCORES.columns[ITEM_SCORES.columns.index("family") :]
_DAYS_A_YEAR = 365.25
_CLOSE = 0.85  # how alike an unknown name and a known one are, at least, that may be meant: a letter or two apart
_NUMBERS = [name for name in ITEM_SCORES.numbers if name != "score"]  # a score may be a word


# How people and tools write that an answer is right, wrong or in part right; inspect's letters are C, I, P and N.
MARKS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
MARKS |= dict.fromkeys(("true", "yes", "correct", "pass", "passed"), 1.0)
MARKS |= dict.fromkeys(("false", "no", "incorrect", "fail", "failed"), 0.0)


@dataclass(frozen=True)
class Repeats:
    """Several attempts of a model at an item: `counts` (N, M), 0 where there are none, and `variances` (N, M) between
    them, unbiased, NaN where there are not two."""

    counts: Array
    variances: Array

    def at(self, *cells: Any) -> "Repeats":
        """Those of some of the cells."""
        return Repeats(self.counts[cells], self.variances[cells])


@dataclass(frozen=True)
class ItemTable:
    """N items asked of M models.

    `scores` (N, M) in [0, 1], the mean of a model's attempts at an item, NaN where it was not asked; `items` one row an
    item (those columns of ITEM_SCORES that the table has), indexed and sorted by task; `models` (M,) by position, then
    by name; `position` (M,) is years since the first date, or log n_params; models at one position are contemporaries,
    none of them earlier than another. `repeats` is None where no model made two attempts at an item. `notes` say in
    lines how the table was read."""

    scores: Array
    items: pd.DataFrame
    models: tuple[str, ...]
    position: Array
    repeats: Repeats | None = None
    notes: tuple[str, ...] = ()

    @property
    def chance(self) -> Array:
        """(N,) the score that guessing earns on each item, 0 where the table does not say."""
        return self.items["chance"].fillna(0.0).to_numpy(float) if "chance" in self.items else np.zeros(len(self.items))

    def take(self, models: NDArray[np.intp]) -> "ItemTable":
        """The same items with some of the models only."""
        return replace(
            self,
            scores=self.scores[:, models],
            models=tuple(self.models[index] for index in models),
            position=self.position[models],
            repeats=self.repeats and self.repeats.at(slice(None), models),
        )

    def only(self, items: NDArray[np.bool_]) -> "ItemTable":
        """The same models on some of the items only."""
        return replace(
            self, scores=self.scores[items], items=self.items[items], repeats=self.repeats and self.repeats.at(items)
        )


def read_item_scores(path: Path) -> ItemTable:
    """Read a CSV (gzipped or not): model, task, score, `date` or `n_params`, and what is known of each task.

    Several rows of one model and task are its attempts. An empty score is an item that the model was not asked.
    Columns that are not known are left out, and said. Raises TasklawsError for: a missing column or a name close to a
    known one, a score that is none, copies of rows, a bad date, a number that is negative or not finite, an item that
    differs between rows, an item without a score, fewer than two models, and a row longer than the header."""
    table = read_user_csv(path, dtype=dict.fromkeys(set(ITEM_SCORES.columns) - set(_NUMBERS), "str"))
    return check_items(table.dropna(how="all"), str(path))


def check_items(table: pd.DataFrame, source: str) -> ItemTable:
    """The checked ItemTable of `table`; `source` names it in the TasklawsError of `read_item_scores`."""
    table, notes = _known_columns(table, source)
    _check_columns(table, source)
    table = table.assign(score=_score(table["score"], source, notes))
    for column in ("model", "task"):
        _refuse(table[column], table[column].isna(), source, "name it")
        table = table.assign(**{column: table[column].astype(str)})
    empty = int(table["score"].isna().sum())
    if empty:
        notes.append(f"{empty} of {len(table)} scores are empty: taken as not asked, not as failed (a failure is 0)")
    _refuse_copies(table, source, notes)
    position = _positions(table, source)
    if len(position) < 2:
        raise TasklawsError(f"{source}: one model only ({position.index[0]}): at least two are needed to compare")
    items = _items(table, source)
    cells = table.groupby(["task", "model"])["score"].agg(["mean", "count", "var"])
    found = {name: cells[name].unstack("model").reindex(index=items.index, columns=position.index) for name in cells}
    scores = found["mean"]
    for kind, names, lack in (("item", scores.index, "attempts"), ("model", scores.columns, "score")):
        empty_names = names[scores.isna().all(axis=1 if kind == "item" else 0)]
        if len(empty_names):
            raise TasklawsError(f"{source}: {kind} {empty_names[0]!r} has no {lack}: remove its rows or score it")
    most, repeats = int(cells["count"].max()), None
    if most > 1:
        repeats = Repeats(found["count"].fillna(0.0).to_numpy(float), found["var"].to_numpy(float))
        repeated = int((cells["count"] > 1).sum())
        notes.append(f"{repeated} of {len(cells)} pairs of model and task have several attempts, up to {most}")
    models, places = tuple(position.index), position.to_numpy(float)
    return ItemTable(scores.to_numpy(float), items, models, places, repeats, tuple(notes))


def _known_columns(table: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """The table without the columns that are not known, and notes on them; a name close to a known one is refused."""
    others = [str(column) for column in table if column not in ITEM_SCORES.columns]
    for column in others:
        plain = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        close = get_close_matches(plain, ITEM_SCORES.columns, 1, _CLOSE)
        if close:
            raise TasklawsError(
                f"{source}: unknown column {column!r}: rename it {close[0]} if that is what it holds, or remove it"
            )
    notes = [f"columns that are not known, left out: {', '.join(others)}"] if others else []
    return table[[column for column in table if column in ITEM_SCORES.columns]], notes


def _score(column: pd.Series, source: str, notes: list[str]) -> pd.Series:
    """Scores in [0, 1]; a column of nothing but MARKS is turned into them, which is noted."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        texts = column.dropna().astype("str").str.strip()
        marks = texts.map(MARKS).fillna(texts.str.lower().map(MARKS))
        if marks.notna().all() and len(marks):
            meant = ", ".join(f"{text} is {marks[texts == text].iloc[0]:g}" for text in sorted(set(texts)))
            notes.append(f"scores are in words: {meant}")
            column = marks.reindex(column.index).rename("score")
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    bad = (numbers.isna() & column.notna()) | ~numbers.fillna(0).between(0, 1)
    _refuse(column, bad, source, "give a number in [0, 1] (or one word for right and one for wrong), or leave it empty")
    return numbers


def _refuse_copies(table: pd.DataFrame, source: str, notes: list[str]) -> None:
    """Raise TasklawsError where one attempt stands twice; several rows in no order are attempts if any two differ."""
    keys = ["model", "task"] + (["attempt"] if "attempt" in table else [])
    twice = table.duplicated(keys)
    if not twice.any():
        return
    spread = table.groupby(keys, dropna=False)["score"].agg(["min", "max"])
    if "attempt" in table or (spread["min"] == spread["max"]).all():
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(
            f"{source}: duplicate row {row}: remove the copies, or tell repeated attempts apart in a column `attempt`"
        )
    notes.append("several rows of a model and task are taken as its attempts, as there is no column `attempt`")


def _check_columns(table: pd.DataFrame, source: str) -> None:
    missing = [column for column in _NEEDED if column not in table]
    fault = None
    if missing:
        fault = f"no column {missing[0]!r}: the table needs {', '.join(_NEEDED)}"
    elif "date" not in table and "n_params" not in table:
        fault = "neither `date` nor `n_params`: one of them must order the models"
    elif table.empty:
        fault = "no rows: give the scores of at least two models"
    elif ("human_attempts" in table) != ("human_solved" in table):
        fault = "human_attempts and human_solved belong together: give both or neither"
    elif "suite" in table and table["suite"].nunique(dropna=False) > 1:
        fault = f"suites {sorted(table['suite'].astype(str).unique())}: give one suite at a time"
    if fault:
        raise TasklawsError(f"{source}: {fault}")


def _refuse(column: pd.Series, bad: pd.Series, source: str, remedy: str) -> None:
    """Raise TasklawsError with the first value where `bad` holds and its line: rows are numbered from 0, at line 2."""
    if bad.any():
        row = int(bad.argmax())
        value = "empty" if pd.isna(column.iloc[row]) else column.iloc[row]
        raise TasklawsError(f"{source}:{int(bad.index[row]) + 2}: {column.name} is {value}: {remedy}")


def _numbers(table: pd.DataFrame, column: str, source: str, high: float = np.inf, positive: bool = False) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    least = "more than 0" if positive else "at least 0"
    wanted = f"a number in [0, {high:g}]" if np.isfinite(high) else f"a finite number, {least}"
    low = numbers <= 0 if positive else numbers < 0
    bad = (numbers.isna() & table[column].notna()) | low | (numbers > high) | np.isinf(numbers)
    _refuse(table[column], bad, source, f"give {wanted}, or leave it empty")
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
        _refuse(table["date"], dates.isna(), source, "give a date, YYYY-MM-DD")
        values = (dates - dates.min()).dt.days / _DAYS_A_YEAR
    else:
        column = "n_params"
        sizes = _numbers(table, "n_params", source, positive=True)
        _refuse(table["n_params"], sizes.isna(), source, "give the model's size")
        values = np.log(sizes)
    _one_value(table, "model", column, source)
    return values.groupby(table["model"]).first().sort_index().sort_values(kind="stable")


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
            if column in ("human_attempts", "human_solved"):
                _refuse(table[column], table[column] % 1 > 0, source, "give a whole number of people")
        items[column] = _one_value(table, "task", column, source)
    if "chance" in items and (items["chance"] >= 1).any():
        task = items.index[items["chance"] >= 1][0]
        raise TasklawsError(f"{source}: chance of task {task!r} is 1: give less than 1, as nothing is above it")
    if "human_solved" in items:
        solved, attempts = items["human_solved"], items["human_attempts"]
        bad = (solved > attempts) | (solved.isna() != attempts.isna())
        if bad.any():
            raise TasklawsError(
                f"{source}: task {items.index[bad][0]!r} has human_solved {solved[bad].iloc[0]:g} of human_attempts "
                f"{attempts[bad].iloc[0]:g}: give 0 <= solved <= attempts, or leave both empty"
            )
    return items
