"""Reading and writing: files appear whole or not at all, tables in one byte-stable form."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError

FLOAT_FORMAT = "%.10g"


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` and rename it to `path` once the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        Path(name).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted; NaN and infinity raise TasklawsError."""
    write_text(path, json_line(path, value, indent=2) + "\n")


def json_line(path: Path, value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as error:
        raise TasklawsError(f"{path}: {error}: leave a missing value out instead") from error


def read_json(path: Path) -> Any:
    """Read JSON; a missing or malformed file raises TasklawsError."""
    try:
        return json.loads(read_text(path), parse_constant=_refuse_constant)
    except ValueError as error:
        raise TasklawsError(f"{path}: malformed JSON ({error}): remove it and run `dvc repro`") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def read_text(path: Path) -> str:
    """Read UTF-8 text; a missing or undecodable file raises TasklawsError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: run `dvc repro` (or give the right path)") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is not UTF-8 text ({error.reason}): remove it and run `dvc repro`") from error


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json_line(path, row) + "\n" for row in rows))


def read_jsonl(path: Path) -> list[Any]:
    """Read one JSON object a line; a malformed line raises TasklawsError with its number."""
    rows = []
    # Not splitlines(): JSON strings may hold the other characters that it takes for the end of a line.
    lines = read_text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line, parse_constant=_refuse_constant))
        except ValueError as error:
            raise TasklawsError(f"{path}:{number}: malformed JSON: remove the file and run `dvc repro`") from error
    return rows


def write_table(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    """Write a CSV atomically: rows sorted by `keys`, floats to ten digits; duplicate keys raise TasklawsError."""
    refuse_duplicates(path, table, keys)
    text = table.sort_values(keys, kind="stable").to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    write_text(path, text)


def read_table(
    path: Path, columns: list[str], keys: list[str], required: list[str], numbers: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a CSV that must have `columns`, unique `keys`, and finite values in every cell of `required`.

    Cells outside `required` may be empty, which means unknown; those of `numbers`, where it is given, hold nothing
    but numbers, and all others text. Anything else raises TasklawsError with the value.
    """
    read_text(path)
    try:
        # In one piece: by default pandas guesses a column's type for each part of a large file apart.
        text = {column: str for column in columns if numbers and column not in numbers}
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False, dtype=text)
    except (ValueError, pd.errors.ParserError) as error:
        raise TasklawsError(f"{path}: malformed table ({str(error).strip()}): remove it and run `dvc repro`") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise TasklawsError(f"{path}: rows longer than the header: remove it and run `dvc repro`")
    missing = [column for column in columns if column not in table]
    if missing:
        raise TasklawsError(f"{path}: no column {missing[0]!r}: the table needs {', '.join(columns)}")
    for column in columns:
        numeric = column in numbers if numbers else None
        bad = np.flatnonzero(_bad_cells(table[column], column in required, numeric))
        if bad.size:
            raise TasklawsError(f"{path}:{bad[0] + 2}: {column} is {table[column].iloc[bad[0]]}: give a finite value")
    refuse_duplicates(path, table, keys)
    return table


def _bad_cells(column: pd.Series, required: bool, numeric: bool | None) -> pd.Series:
    """Where a cell says NaN or infinity, or text in a column of numbers; in a required one also where it is empty.

    Whether the column is one of numbers is guessed where that is None: a required one in which some cell is a number.
    """
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    if pd.api.types.is_numeric_dtype(column):
        bad = numbers.isin([np.inf, -np.inf])
    else:
        bad = column.astype(str).str.lower().eq("nan") & column.notna()
    if required:
        bad |= column.isna()
    if numeric or (numeric is None and required and numbers.notna().any()):
        bad |= numbers.isna() & column.notna()
    return bad


def refuse_duplicates(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    twice = table.duplicated(keys)
    if twice.any():
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(f"{path}: duplicate row {row}: keep one row for each {', '.join(keys)}")


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
