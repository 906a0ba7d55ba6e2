"""The attempts table: one row a person and item, from a CSV or from the simulation."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import labelled, refuse
from tasklaws.frames.user_tables import open_table
from tasklaws.tables import ATTEMPTS
from tasklaws.tabular.names import ITEM_ALIASES, refuse_near_misses, resolve
from tasklaws.tabular.numbers import as_numbers

GROUP = "group_"
# Other names of the columns; those of an item are as in tables of items.
_ALIASES = {
    "person": "participant participant_id person_id subject subject_id user user_id worker_id",
    "item": ITEM_ALIASES["task"].removeprefix("item ") + " task",
    "seconds": "time_seconds duration_seconds elapsed_seconds",
    "timeout": "time_limit time_limit_seconds timeout_seconds limit_seconds",
    "solved": "correct is_correct success",
}
_READ_OF_ATTEMPTS = [*ATTEMPTS.columns, "order"]


def read_attempts(path: Path, items: Collection[str] | None = None) -> pd.DataFrame:
    """Each person's first attempt at each item, checked.

    Columns: `person`; `item`, one of `items` where these are given; `seconds` until the person handed in, gave up or
    was stopped, at most `timeout`, which is empty where there was no limit (infinite in what is returned); `solved`, 0
    or 1; `score` in [0, 1], without which it is that; any number of `group_<name>`, such as group_python,
    alike in all rows of a person; and `order` (1, 2, ...) where a person may attempt an item again. Later attempts are
    left out: whoever has seen an item does not speak for those who have not. Anything else raises TasklawsError with
    the value and its line, and so does an item that nobody attempted. `attrs["notes"]` says in lines what was read
    how."""
    source = open_table(path)
    columns = resolve(str(path), source.header, _READ_OF_ATTEMPTS, aliases=_ALIASES)
    refuse_near_misses(str(path), columns, _READ_OF_ATTEMPTS, _ALIASES)
    numbers = [*ATTEMPTS.numbers, "order"]
    texts = [name for column, name in columns.names.items() if column not in numbers]
    table = source.frame([*texts, *group_columns(source.header)]).dropna(how="all")
    if table.empty:
        raise TasklawsError(f"{path}: no rows: give at least one attempt")
    notes = list(source.notes)
    for column, name in columns.names.items():
        if column in numbers:
            table[name] = as_numbers(source, name, column, table[name], notes)
    table = table.rename(columns={name: column for column, name in columns.names.items()})
    checked = check_attempts(labelled(table), items, str(path))
    checked.attrs["notes"] = [*notes, *checked.attrs["notes"]]
    return checked


def check_attempts(table: pd.DataFrame, items: Collection[str] | None, source: str) -> pd.DataFrame:
    """The first attempts of `table`, whose rows are labelled by where they stand, checked as `read_attempts` says;
    `source` names it in the TasklawsError."""
    missing = [column for column in ATTEMPTS.columns if column not in table and column != "score"]
    if missing:
        limit = " (its cells empty where there was no limit of time)" if missing[0] == "timeout" else ""
        raise TasklawsError(
            f"{source}: no column {missing[0]!r}{limit}: the table needs {', '.join(ATTEMPTS.columns[:-1])}"
        )
    if table.empty:
        raise TasklawsError(f"{source}: no rows: give at least one attempt")
    table, groups = table.copy(), group_columns(table)
    for column in [*ATTEMPTS.keys, *groups]:
        refuse(table[column], table[column].isna(), "fill it (groups: `unknown` where it is not known)")
    for column in [*ATTEMPTS.numbers, "order"]:
        if column in table and not pd.api.types.is_numeric_dtype(table[column]):
            numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
            refuse(table[column], numbers.isna() & table[column].notna(), "give a number")
            table[column] = numbers
    solved = table["solved"].astype("str").str.lower().map({"1": 1, "0": 0, "true": 1, "false": 0})
    refuse(table["solved"], solved.isna(), "give 1 or 0")
    table["solved"] = solved.astype(int)
    notes = _notes(table, groups)
    if "score" not in table:
        table["score"] = table["solved"].astype(float)
        notes.append("no column `score`: who solved scores 1, others 0")
    for column in ("seconds", "score"):
        refuse(table[column], ~np.isfinite(table[column]), "give a finite number")
    refuse(table["timeout"], np.isinf(table["timeout"]), "give a finite number, or none where there was no limit")
    table["timeout"] = table["timeout"].fillna(np.inf)
    seconds, score = table["seconds"], table["score"]
    if items is not None:
        refuse(table["item"], ~table["item"].isin(list(items)), "no such item: give its file, or remove the row")
    refuse(seconds, seconds <= 0, "give a time above 0")
    refuse(seconds, seconds > table["timeout"], "above the timeout: score the attempt as it stood then")
    refuse(score, ~score.between(0, 1), "divide by the full mark: scores lie in [0, 1]")
    refuse(score, (score == 1) & (table["solved"] == 0), "yet not solved: correct one of the two")
    refuse(score, (score == 0) & (table["solved"] == 1), "yet solved: correct one of the two")
    for column in groups:
        first = table.groupby("person")[column].transform("first")
        changed = table[column] != first
        if changed.any():
            row, one = table[changed].iloc[0], first[changed].iloc[0]
            raise TasklawsError(
                f"{row.name}: person {row['person']} is both {one!r} and {row[column]!r} in {column}: give each person "
                "one value"
            )
    table = _first(table)
    missing = sorted(set(items or ()) - set(table["item"]))
    if missing:
        raise TasklawsError(
            f"{source}: nobody attempted item {missing[0]} ({len(missing)} such): leave it out of the items"
        )
    table = table[[*ATTEMPTS.columns, *groups]].sort_values(ATTEMPTS.keys, ignore_index=True)
    table.attrs["notes"] = notes
    return table


def _notes(table: pd.DataFrame, groups: list[str]) -> list[str]:
    """What is left out of a table of attempts, and what is taken for what."""
    notes = []
    others = [str(column) for column in table if column not in [*ATTEMPTS.columns, *groups, "order"]]
    if others:
        notes.append(f"columns that are not known, left out: {', '.join(others)}")
    unlimited = int(table["timeout"].isna().sum())
    if unlimited:
        notes.append(
            f"{unlimited} of {len(table)} attempts had no limit of time: who did not solve counts as never solving"
        )
    return notes


def group_columns(columns: Iterable[object]) -> list[str]:
    """The columns that say which group a person belongs to, sorted."""
    return sorted(str(column) for column in columns if str(column).startswith(GROUP))


def _first(table: pd.DataFrame) -> pd.DataFrame:
    """Each person's first attempt at each item, by `order` where there is one."""

    def refuse_attempt(bad: pd.Series, what: str) -> None:
        if bad.any():
            row = table[bad].iloc[0]
            raise TasklawsError(f"{row.name}: person {row['person']} attempted item {row['item']} {what}")

    if "order" not in table:
        again = table.duplicated(ATTEMPTS.keys)
        refuse_attempt(again, "twice in no order: add a column `order` (1, 2, ...) or keep one")
        return table
    order = table["order"]
    refuse(order, order.isna() | (order % 1 != 0) | (order < 1), "give 1, 2, ...")
    again = table.duplicated([*ATTEMPTS.keys, "order"])
    refuse_attempt(again, "twice in no order: number them 1, 2, ... in `order`")
    headless = table.groupby(ATTEMPTS.keys)["order"].transform("min") > 1
    refuse_attempt(headless, "again without a first time: add the attempt of `order` 1, or remove the later")
    return table[order == 1]
