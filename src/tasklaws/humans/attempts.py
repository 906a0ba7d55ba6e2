"""The attempts table: one row a person and item, from a CSV or from the simulation."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.frames import labelled, read_header, read_rows, refuse
from tasklaws.tables import ATTEMPTS

GROUP = "group_"


def read_attempts(path: Path, items: Collection[str]) -> pd.DataFrame:
    """Each person's first attempt at each item, checked.

    Columns: `person`; `item`, one of `items`; `seconds` until the person handed in, gave up or was stopped, at most
    `timeout`; `solved`, 0 or 1; `score` in [0, 1]; any number of `group_<name>`, such as group_python, alike in all
    rows of a person; and `order` (1, 2, ...) where a person may attempt an item again. Later attempts are left out:
    whoever has seen an item does not speak for those who have not. Anything else raises TasklawsError with the value
    and its line, and so does an item that nobody attempted."""
    groups = group_columns(read_header(path))
    table = read_rows(path, [*ATTEMPTS.keys, "solved", *groups], [*ATTEMPTS.numbers, "order"], ATTEMPTS.columns)
    return check_attempts(labelled(table), items, str(path))


def check_attempts(table: pd.DataFrame, items: Collection[str], source: str) -> pd.DataFrame:
    """The first attempts of `table`, whose rows are labelled by where they stand, checked as `read_attempts` says;
    `source` names it in the TasklawsError."""
    missing = [column for column in ATTEMPTS.columns if column not in table]
    if missing:
        raise TasklawsError(f"{source}: no column {missing[0]!r}: the table needs {', '.join(ATTEMPTS.columns)}")
    if table.empty:
        raise TasklawsError(f"{source}: no rows: give at least one attempt")
    table, groups = table.copy(), group_columns(table)
    for column in [*ATTEMPTS.keys, *groups]:
        refuse(table[column], table[column].isna(), "fill it (groups: `unknown` where it is not known)")
    for column in [*ATTEMPTS.numbers, *({"order"} & set(table))]:
        if not pd.api.types.is_numeric_dtype(table[column]):
            numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
            refuse(table[column], numbers.isna() & table[column].notna(), "give a number")
            table[column] = numbers
    for column in ATTEMPTS.numbers:
        refuse(table[column], ~np.isfinite(table[column]), "give a finite number")
    solved = table["solved"].astype("str").str.lower().map({"1": 1, "0": 0, "true": 1, "false": 0})
    refuse(table["solved"], solved.isna(), "give 1 or 0")
    table["solved"] = solved.astype(int)
    seconds, score = table["seconds"], table["score"]
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
    missing = sorted(set(items) - set(table["item"]))
    if missing:
        raise TasklawsError(
            f"{source}: nobody attempted item {missing[0]} ({len(missing)} such): leave it out of the items"
        )
    return table[[*ATTEMPTS.columns, *groups]].sort_values(ATTEMPTS.keys, ignore_index=True)


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
