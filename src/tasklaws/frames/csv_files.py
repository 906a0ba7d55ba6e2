"""Tables of rows and columns, read from CSV and written to it in one byte-stable form."""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import REMAKE, replacing
from tasklaws.frames.natural import natural_places
from tasklaws.frames.shown import LONGEST_SHOWN, quoted

FLOAT_FORMAT = "%.10g"
ROWS_AT_ONCE = 100_000  # rows that are held as more than their cells at a time
_QUOTED = re.compile(r'[,"\n\r]')


def write_table(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    """Write a CSV (or CSV.gz) atomically: rows sorted by `keys`, tasks in natural order and other names as text, floats
    to ten digits.

    Duplicate keys raise TasklawsError.
    """
    codes = [_codes(natural_places(table[key]) if key == "task" else table[key]) for key in keys]
    order = np.lexsort(codes[::-1]) if keys else np.arange(len(table))
    if keys and (np.diff([code[order] for code in codes], axis=1) == 0).all(axis=0).any():
        refuse_duplicates(path, table, keys)
    columns = [_texts(table[column])[order] for column in table]
    names = _csv_cells(list(map(str, table)))
    rows = zip(*columns, strict=True) if columns else iter([])
    text = "\n".join([",".join(names), *map(",".join, rows), ""])
    with replacing(path) as file:
        file.write(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


def _codes(column: pd.Series) -> NDArray[np.int64]:
    """Numbers that order a column's cells, missing ones last, and tell them apart."""
    codes, values = pd.factorize(column, sort=True)
    return np.where(codes < 0, len(values), codes)


def _texts(column: pd.Series) -> NDArray[np.object_]:
    """A column's cells as a CSV has them, missing ones empty: each value is formatted once, so that a million rows take
    less than to_csv does."""
    if column.dtype == "float64":
        codes, bits = pd.factorize(column.to_numpy().view("int64"))  # by their bits, so that -0 stays -0
        cells = ["" if value != value else FLOAT_FORMAT % value for value in bits.view("float64").tolist()]
    elif column.dtype == object:  # True and 1 are equal, but not written alike
        codes, cells = np.arange(len(column)), ["" if pd.isna(cell) else str(cell) for cell in column]
    else:
        codes, values = pd.factorize(column)
        cells = [str(value) for value in values]
    return np.array([*_csv_cells(cells), ""], dtype=object)[codes]


def _csv_cells(cells: list[str]) -> list[str]:
    """Cells with quotes where a CSV needs them."""
    return [f'"{cell.replace(chr(34), chr(34) * 2)}"' if _QUOTED.search(cell) else cell for cell in cells]


def read_csv(path: Path, remedy: str, **options: Any) -> pd.DataFrame:
    """Read a CSV (or CSV.gz), empty cells as missing; what cannot be read raises TasklawsError, ending in `remedy`.

    `options` go to pandas.read_csv. Of a large file ROWS_AT_ONCE rows at a time are held as more than their cells.
    """
    options |= {"keep_default_na": False, "na_values": [""], "low_memory": False}
    options |= {"compression": "gzip" if path.suffix == ".gz" else None}
    try:
        with _opened(path) as file:
            header = next(csv.reader([str(file.readline()).rstrip("\r\n")]), [])
        if "nrows" in options:
            table: pd.DataFrame = pd.read_csv(path, **options)
        else:
            with pd.read_csv(path, chunksize=ROWS_AT_ONCE, **options) as parts:
                table = joined(list(parts), lambda name: pd.read_csv(path, **options | {"usecols": [name]})[name])
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: run `dvc repro` (or give the right path)") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is not UTF-8 text ({error.reason}): {remedy}") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TasklawsError(f"{path} is not a whole gzip file ({error}): {remedy}") from error
    except (ValueError, csv.Error) as error:  # pandas' ParserError is a ValueError
        raise TasklawsError(f"{path}: malformed table ({str(error).strip()}): {remedy}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise TasklawsError(f"{path}: rows longer than the header: {remedy}")
    twice = [column for place, column in enumerate(header) if column in header[:place]]
    if twice:
        raise TasklawsError(f"{path}: column {twice[0]!r} appears twice: {remedy}")
    return table


def joined(parts: list[pd.DataFrame], again: Callable[[str], pd.Series]) -> pd.DataFrame:
    """The parts of a table as one, with the types that pandas gives to whole columns; the parts are emptied.

    `again` reads one column at once: of parts of several types it cannot be told what the cells were.
    """
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, pd.Series] = {}
    text = pd.StringDtype(na_value=np.nan)
    for name in map(str, list(parts[0])):
        cells = [part.pop(name) for part in parts]
        types = {cell.dtype for cell in cells if cell.notna().any()}
        if types == {text}:
            cells = [cell.astype(text) for cell in cells]
        elif len(types) > 1 and not types <= {np.dtype("int64"), np.dtype("float64")}:
            cells = [again(name)]
        columns[name] = pd.concat(cells, ignore_index=True)
    return pd.DataFrame(columns, copy=False)


def _opened(path: Path) -> IO[str]:
    """The text of a CSV (or CSV.gz)."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def read_table(
    path: Path, columns: list[str], keys: list[str], required: list[str], numbers: Sequence[str]
) -> pd.DataFrame:
    """Read a CSV that must have `columns`, unique `keys`, and finite values in every cell of `required`.

    Cells outside `required` may be empty, which means unknown; those of `numbers` hold nothing but numbers (or true
    and false), and all others text. Anything else raises TasklawsError with the value.
    """
    table = read_csv(path, REMAKE, dtype={column: str for column in columns if column not in numbers})
    missing = [column for column in columns if column not in table]
    if missing:
        raise TasklawsError(f"{path}: no column {missing[0]!r}: the table needs {', '.join(columns)}")
    for column in columns:
        (bad,) = _bad_cells(table[column], column in required, column in numbers).to_numpy().nonzero()
        if bad.size:
            raise TasklawsError(f"{path}:{bad[0] + 2}: {column} is {table[column].iloc[bad[0]]}: give a finite value")
    refuse_duplicates(path, table, keys)
    return table


def _bad_cells(column: pd.Series, required: bool, numeric: bool) -> pd.Series:
    """Where a cell says NaN or infinity, or text in a column of numbers; in a required one also where it is empty."""
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if pd.api.types.is_numeric_dtype(column):
        bad = numbers.isin([math.inf, -math.inf])
    else:
        bad = column.astype(str).str.lower().eq("nan") & column.notna()
    if required:
        bad |= column.isna()
    if numeric:
        texts = numbers.isna() & column.notna()
        strangers = texts & ~column.isin(["True", "False"])
        # Beside true and false the stranger is to blame; where there is none, they are beside numbers.
        bad |= strangers if strangers.any() else texts
    return bad


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries, without their empty cells."""
    return [
        {str(column): value for column, value in row.items() if not pd.isna(value)} for row in table.to_dict("records")
    ]


def refuse_duplicates(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    twice = table.duplicated(keys)
    if twice.any():
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(f"{path}: duplicate row {row}: keep one row for each {', '.join(keys)}")


def refuse(column: pd.Series, bad: pd.Series, remedy: str) -> None:
    """Raise TasklawsError with the first row where `bad` holds, and where it comes from."""
    if bad.any():
        value = column[bad].iloc[0]
        cell = "empty" if pd.isna(value) else quoted(value)
        where = place(column.index, column.index[bad][0])
        raise TasklawsError(f"{where}: {str(column.name)[:LONGEST_SHOWN]} is {cell}: {remedy}")


def place(index: pd.Index, label: Any) -> str:
    """Where a row comes from: its label, or the line that this is in the file after which the index is named."""
    return str(label) if index.name is None else f"{index.name}:{label}"


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table, each labelled `path:line`, so that they can stand beside those of other files."""
    return table.set_axis([place(table.index, line) for line in table.index])
