"""The attempts table: one row a person and item, from a CSV or from the simulation."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_table

ATTEMPT_KEYS = ["person", "item"]
ATTEMPT_COLUMNS = [*ATTEMPT_KEYS, "seconds", "timeout", "solved", "score"]
GROUP = "group_"


def read_attempts(path: Path, items: Collection[str]) -> pd.DataFrame:
    """Each person's first attempt at each item, checked.

    Columns: `person`; `item`, one of `items`; `seconds` until the person handed in, gave up or was stopped, at most
    `timeout`; `solved`, 0 or 1; `score` in [0, 1]; any number of `group_<name>`, such as group_python, alike in all
    rows of a person; and `order` (1, 2, ...) where a person may attempt an item again. Later attempts are left out:
    whoever has seen an item does not speak for those who have not. Anything else raises TasklawsError with the value
    and its line, and so does an item that nobody attempted.
    """
    table = read_table(path, ATTEMPT_COLUMNS, ATTEMPT_COLUMNS, ["seconds", "timeout", "score"])
    groups = group_columns(table)
    for column in [*ATTEMPT_KEYS, *groups]:
        _refuse(path, table, column, table[column].isna(), "fill it (groups: `unknown` where it is not known)")
    table = table.astype(dict.fromkeys([*ATTEMPT_KEYS, *groups], str))
    table["solved"] = table["solved"].astype(str).str.lower().map({"1": 1, "0": 0, "true": 1, "false": 0})
    _refuse(path, table, "solved", table["solved"].isna(), "give 1 or 0")
    table["solved"] = table["solved"].astype(int)
    seconds, timeout, score, solved = (table[column] for column in ["seconds", "timeout", "score", "solved"])
    _refuse(path, table, "item", ~table["item"].isin(list(items)), "no such item: give its file, or remove the row")
    _refuse(path, table, "seconds", seconds <= 0, "give a time above 0")
    _refuse(path, table, "seconds", seconds > timeout, "above the timeout: score the attempt as it stood then")
    _refuse(path, table, "score", ~score.between(0, 1), "divide by the full mark: scores lie in [0, 1]")
    _refuse(path, table, "score", (score == 1) & (solved == 0), "yet not solved: correct one of the two")
    _refuse(path, table, "score", (score == 0) & (solved == 1), "yet solved: correct one of the two")
    _refuse_changing_groups(path, table, groups)
    table = _first(path, table)
    missing = sorted(set(items) - set(table["item"]))
    if missing:
        raise TasklawsError(f"{path}: nobody attempted item {missing[0]} ({len(missing)} such): leave out its family")
    return table[[*ATTEMPT_COLUMNS, *groups]].sort_values(ATTEMPT_KEYS, ignore_index=True)


def group_columns(table: pd.DataFrame) -> list[str]:
    """The columns that say which group a person belongs to, sorted."""
    return sorted(str(column) for column in table if str(column).startswith(GROUP))


def _first(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    keys = ATTEMPT_KEYS
    if "order" in table:
        order = pd.to_numeric(table["order"], errors="coerce")
        _refuse(path, table, "order", order.isna() | (order % 1 != 0) | (order < 1), "give 1, 2, ...")
        table = table.assign(order=order)
        twice, remedy = table.duplicated([*keys, "order"]), "number them 1, 2, ... in `order`"
    else:
        twice, remedy = table.duplicated(keys), "add a column `order` (1, 2, ...) or keep one"
    if twice.any():
        row = int(np.argmax(twice))
        person, item = table.loc[row, keys]
        raise TasklawsError(f"{path}:{row + 2}: person {person} attempted item {item} twice in no order: {remedy}")
    return table.sort_values("order").drop_duplicates(keys) if "order" in table else table


def _refuse_changing_groups(path: Path, table: pd.DataFrame, groups: list[str]) -> None:
    for column in groups:
        first = table.groupby("person")[column].transform("first")
        changed = table[column] != first
        if changed.any():
            row = int(np.argmax(changed))
            raise TasklawsError(
                f"{path}:{row + 2}: person {table['person'][row]} is both {first[row]!r} and {table[column][row]!r} "
                f"in {column}: give each person one value"
            )


def _refuse(path: Path, table: pd.DataFrame, column: str, bad: pd.Series, remedy: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise TasklawsError(f"{path}:{row + 2}: {column} is {table[column].iloc[row]}: {remedy}")
