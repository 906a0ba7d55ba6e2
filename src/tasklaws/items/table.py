"""Scores of models on items, read from a table and checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import refuse
from tasklaws.frames.shown import some
from tasklaws.frames.user_tables import open_table
from tasklaws.tables import ITEM_SCORES
from tasklaws.tabular.names import ITEM_ALIASES, refuse_readings, resolve
from tasklaws.tabular.numbers import iso_days, letters_as_scores, text_numbers, written

_NEEDED = ["model", "task", "score"]
_OF_ITEM = ITEM_SCORES.columns[ITEM_SCORES.columns.index("family") :]
_DAYS_A_YEAR = 365.25
_POSITIVE = ("n_params", "human_minutes", "human_attempts")
_PEOPLE = ("human_attempts", "human_solved")
_SCORE_RANGE = (0.0, 1.0, "a number in [0, 1]")
_RANGES = {"score": _SCORE_RANGE, "chance": _SCORE_RANGE}
_RANGES |= dict.fromkeys(_POSITIVE, (0.0, np.inf, "a finite number, more than 0"))


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
    """Read a table in any form that `open_table` reads: model, task, score, `date` or `n_params`, and what is known of
    each task, under their names or ITEM_ALIASES.

    A score is a number in [0, 1], or C, I, P or N as inspect has it, or true or false; an empty one is of an item that
    the model was not asked. Several rows of one model and task are its attempts. Columns that are not known are left
    out. All this is noted. Raises TasklawsError for: a missing column or a name close to a known one, copies of rows, a
    bad score or date, a number that is negative or not finite, an item that differs between rows, an item without a
    score, fewer than two models, and a row of too few or too many cells."""
    source = open_table(path)
    columns = resolve(str(path), source.header, ITEM_SCORES.columns, aliases=ITEM_ALIASES)
    texts = [name for column, name in columns.names.items() if column not in ITEM_SCORES.numbers]
    table = source.frame(texts).dropna(how="all")
    return check_items(table, str(path), comma=source.has_decimal_commas, notes=source.notes)


def check_items(table: pd.DataFrame, source: str, *, comma: bool = False, notes: Sequence[str] = ()) -> ItemTable:
    """The checked ItemTable of `table`; `source` names it in the TasklawsError of `read_item_scores`. Its rows are
    numbered by line in an index called `source`, or else from 0, at line 2. `comma`: whether 0,5 is a decimal comma;
    `notes` are those that there are already."""
    said = list(notes)
    if table.index.name != source:
        table = table.set_axis(pd.Index(np.arange(len(table)) + 2 if table.empty else table.index + 2, name=source))
    given, table = table, _known_columns(table, source, said)
    _check_columns(table, source)
    others = [column for column in given if column not in table]
    refuse_readings(source, given[others].assign(model=table["model"], task=table["task"]), ["model", "task"])
    scores = letters_as_scores(table["score"])
    if not pd.api.types.is_numeric_dtype(table["score"]) or pd.api.types.is_bool_dtype(table["score"]):
        words = table["score"].astype("str").str.strip()
        meant = {word: score for word, score in zip(words, scores, strict=True) if score == score and word != score}
        if meant:
            said.append("scores in words: " + ", ".join(f"{word} is {score}" for word, score in sorted(meant.items())))
    table = table.assign(score=scores)
    for column in ITEM_SCORES.numbers:
        if column in table:
            table[column], how = _numbers(table[column], column, comma)
            said += [f"{column}: {how}"] if how else []
    for column in ("model", "task"):
        refuse(table[column], table[column].isna(), "name it")
        table[column] = table[column].astype(str)
    empty = int(table["score"].isna().sum())
    if empty:
        said.append(f"{empty} of {len(table)} scores are empty: taken as not asked, not as failed (a failure is 0)")
    refuse_copies(table, ["task"], source, said)
    position = _positions(table, source, said)
    if len(position) < 2:
        raise TasklawsError(f"{source}: one model only ({position.index[0]}): at least two are needed to compare")
    items = _items(table, source)
    cells = table.groupby(["task", "model"])["score"].agg(["mean", "count", "var"])
    found = {name: cells[name].unstack("model").reindex(index=items.index, columns=position.index) for name in cells}
    means = found["mean"]
    scored = means.notna()
    for kind, names, any_score, lack in (
        ("item", means.index, scored.any(axis=1), "attempts"),
        ("model", means.columns, scored.any(axis=0), "score"),
    ):
        without = names[~any_score.to_numpy(bool)]
        if len(without):
            raise TasklawsError(f"{source}: {kind} {without[0]!r} has no {lack}: remove its rows or score it")
    most, repeats = int(cells["count"].max()), None
    if most > 1:
        repeats = Repeats(found["count"].fillna(0.0).to_numpy(float), found["var"].to_numpy(float))
        repeated = int((cells["count"] > 1).sum())
        said.append(f"{repeated} of {len(cells)} pairs of model and task have several attempts, up to {most}")
    models, places = tuple(position.index), position.to_numpy(float)
    return ItemTable(means.to_numpy(float), items, models, places, repeats, tuple(said))


def _known_columns(table: pd.DataFrame, source: str, notes: list[str]) -> pd.DataFrame:
    """The known columns by their names here, in the units that they should have; `notes` name the others."""
    columns = resolve(source, list(map(str, table)), ITEM_SCORES.columns, aliases=ITEM_ALIASES)
    if columns.others:
        notes.append(f"columns not known, left out: {some(columns.others, 8)}")
    known = table[[*columns.names.values()]].set_axis([*columns.names], axis="columns")
    for column, factor in columns.factors.items():
        known[column] = _numbers(known[column], column, comma=False, factor=factor)[0]
    return known


def _numbers(cells: pd.Series, column: str, comma: bool, factor: float = 1.0) -> tuple[pd.Series, str]:
    """Cells as floats in the column's range, NaN where empty, and how they were read where they are not plain."""
    if cells.dtype.kind in "iuf":
        numbers, how = cells.astype("float64").rename(column) * factor, ""
    else:
        numbers, how = text_numbers(written(cells).rename(column), column, comma, factor)
    low, high, words = _RANGES.get(column, (0.0, np.inf, "a finite number, at least 0"))
    bad = (numbers < low) | (numbers > high) | np.isinf(numbers) | (column in _POSITIVE) & (numbers <= 0)
    refuse(numbers, bad, f"give {words}, or leave it empty")
    if column in _PEOPLE:
        refuse(numbers, numbers % 1 > 0, "give a whole number of people")
    return numbers, how


def refuse_copies(table: pd.DataFrame, of_item: Sequence[str], source: str, notes: list[str]) -> None:
    """Raise TasklawsError where one attempt stands twice; several rows in no order are attempts if any two differ."""
    keys = ["model", *of_item, *(["attempt"] if "attempt" in table else [])]
    twice = table.duplicated(keys)
    if not twice.any():
        return
    if "attempt" in table or table.groupby(keys, dropna=False)["score"].nunique().max() <= 1:
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(
            f"{source}: duplicate row {row}: remove the copies, or tell repeated attempts apart in a column `attempt`"
        )
    notes.append("several rows of a model and item are taken as its attempts, as there is no column `attempt`")


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


def _one_value(table: pd.DataFrame, key: str, column: str, source: str) -> pd.Series:
    """The value of `column` for each `key`, which must be the same in all its rows (empty counts as a value)."""
    distinct = table[[key, column]].drop_duplicates()
    twice = distinct[key].duplicated()
    if twice.any():
        name = distinct[key][twice].iloc[0]
        values = distinct[column][distinct[key] == name].tolist()
        raise TasklawsError(f"{source}: {column} of {key} {name!r} is {values[0]} and {values[1]}: give one value")
    return distinct.set_index(key)[column]


def _positions(table: pd.DataFrame, source: str, notes: list[str]) -> pd.Series:
    """Each model's place in the order: years since the first date, or else log n_params."""
    if "date" in table and not ("n_params" in table and table["date"].isna().all()):
        column = "date"
        days, coarse = iso_days(table["date"])
        notes += [coarse] if coarse else []
        refuse(table["date"], days.isna(), "give a date: YYYY-MM-DD, YYYY-MM or YYYY")
        table = table.assign(date=days)
        dates = pd.to_datetime(days, format="%Y-%m-%d")
        values = (dates - dates.min()).dt.days / _DAYS_A_YEAR
    else:
        column = "n_params"
        refuse(table["n_params"], table["n_params"].isna(), "give the model's size")
        values = np.log(table["n_params"])
    _one_value(table, "model", column, source)
    return values.groupby(table["model"]).first().sort_index().sort_values(kind="stable")


def _items(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """What is known of each task, one row a task, sorted by its name."""
    items = pd.DataFrame(index=pd.Index(sorted(table["task"].unique()), name="task"))
    for column in _OF_ITEM:
        if column not in table or table[column].isna().all():
            continue
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
