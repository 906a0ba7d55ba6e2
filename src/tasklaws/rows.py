"""Rows of the tables that people hand in: each labelled by its line, so that what cannot be is refused by it."""

import csv
import gzip
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_csv


def read_user_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV (or CSV.gz) that a person gives, with its blank lines, so that row i is line i + 2.

    What cannot be read, and a row longer than the header, raise TasklawsError; `options` go to pandas.read_csv.
    """
    _refuse_absent(path)
    _refuse_long_rows(path)
    return _read(path, **options)


def read_header(path: Path) -> list[str]:
    """The names of a user's table's columns; a file that cannot be read raises TasklawsError."""
    _refuse_absent(path)
    return [str(name) for name in _read(path, nrows=0)]


def read_rows(path: Path, texts: list[str], numbers: list[str], needed: list[str]) -> pd.DataFrame:
    """A CSV's rows, each labelled `path:line`, `texts` as text and `numbers` as floats where there are such columns.

    A column of `needed` that is absent, a cell of `numbers` that is none, a row longer than the header, or no row at
    all raises TasklawsError. Blank rows are left out.
    """
    table = _labelled(path, read_user_csv(path, dtype=dict.fromkeys(texts, "str")))
    numbers = [column for column in numbers if column in table]
    # What pandas takes for no number, or for truth: mostly an error to name, but it may be integers past 64 bits.
    doubtful = [column for column in numbers if table[column].dtype.kind not in "iuf"]
    if doubtful:
        text = _labelled(path, _read(path, usecols=doubtful, dtype="str"))
        for column in doubtful:
            table[column] = pd.to_numeric(text[column], errors="coerce")
            refuse(text[column], table[column].isna() & text[column].notna(), "give a number")
    missing = [column for column in needed if column not in table]
    if missing:
        raise TasklawsError(f"{path}: no column {missing[0]!r}: the table needs {', '.join(needed)}")
    table = table.astype(dict.fromkeys(numbers, "float64")).dropna(how="all")
    if table.empty:
        raise TasklawsError(f"{path}: no rows: give at least one")
    return table


def refuse(column: pd.Series, bad: pd.Series, remedy: str) -> None:
    """Raise TasklawsError with the first row where `bad` holds; rows are labelled by where they come from."""
    if bad.any():
        value = column[bad].iloc[0]
        shown = "empty" if pd.isna(value) else repr(value) if isinstance(value, str) else value
        raise TasklawsError(f"{column.index[bad][0]}: {column.name} is {shown}: {remedy}")


def _read(path: Path, **options: Any) -> pd.DataFrame:
    return read_csv(path, "give a whole CSV (or CSV.gz) table", skip_blank_lines=False, **options)


def _refuse_absent(path: Path) -> None:
    if not path.exists():
        raise TasklawsError(f"{path} does not exist: give the right path")


def _refuse_long_rows(path: Path) -> None:
    """Raise TasklawsError with the line of the first row of a CSV (or CSV.gz) that has more cells than its header.

    pandas takes them, if the first row is one, for rows that begin with a label, and shifts all other cells. A file
    that cannot be read is left to `files.read_csv` to name.
    """
    unzipped = gzip.open if path.suffix == ".gz" else open
    with (
        suppress(OSError, EOFError, zlib.error, csv.Error),
        unzipped(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file,
    ):
        rows = csv.reader(file)
        width = len(next(rows, []))
        for row in rows:
            if len(row) > width:
                raise TasklawsError(
                    f"{path}:{rows.line_num}: {len(row)} cells under a header of {width}: "
                    "remove what is too much, or quote a cell that has a comma"
                )


def _labelled(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis([f"{path}:{line}" for line in range(2, len(table) + 2)])
