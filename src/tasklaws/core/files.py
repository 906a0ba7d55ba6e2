"""Reading and writing: files appear whole or not at all, tables in one byte-stable form.

pandas takes a quarter of a second to import: what reads or writes no table does without.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from tasklaws.core.errors import TasklawsError

if TYPE_CHECKING:
    import pandas as pd

FLOAT_FORMAT = "%.10g"
_ROWS = 100_000
REMAKE = "remove it and run `dvc repro`"  # the remedy for a file that the pipeline made


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once the block ends without an error.

    A link stays, and what it points to is replaced. An OSError names `path`; what `refuse_device` refuses raises
    TasklawsError.
    """
    refuse_device(path)
    name, target = None, Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        # The block may read other files, which its errors name; of ours they should not name the temporary one.
        if error.filename in (None, name) or name is None:
            error.filename = str(path)
        raise
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def refuse_device(path: Path) -> None:
    """Raise TasklawsError where no file can be at `path`: there is a device, a pipe or a directory, or a file above."""
    refuse_file(path.parent)
    if path.absolute().parent == Path("/dev") or (path.exists() and not path.is_file()):
        raise TasklawsError(f"{path} is no regular file and would be replaced: give another name")


@contextmanager
def written_together(out: Path) -> Iterator[Path]:
    """A directory whose files appear in `out` once the block ends without an error, summary.json as the last.

    A new `out` appears whole; in an old one files of the same name are replaced, and others stay. A file in its place,
    or in that of a folder above it, raises TasklawsError.
    """
    refuse_file(out)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tasklaws.", dir=out.absolute().parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        yield made
        if not out.exists():
            made.rename(out)
            return
        (out / "summary.json").unlink(missing_ok=True)
        files = [path for path in made.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name == "summary.json", path)):
            target = out / path.relative_to(made)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)


def refuse_file(out: Path) -> None:
    """Raise TasklawsError where `out` cannot be a directory because there is a file."""
    for path in (out, *out.absolute().parents):
        if path.exists() and not path.is_dir():
            raise TasklawsError(f"{out}: {path} is a file: give a directory")


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
        raise TasklawsError(f"{path}: malformed JSON ({error}): {REMAKE}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def read_text(path: Path, remedy: str | None = None) -> str:
    """Read UTF-8 text; a missing or undecodable file raises TasklawsError.

    `remedy` is for a file that a person gave; others the pipeline makes again.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: {remedy or 'run `dvc repro` (or give the right path)'}") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is not UTF-8 text ({error.reason}): {remedy or REMAKE}") from error


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json_line(path, row) + "\n" for row in rows))


def read_jsonl(path: Path, remedy: str | None = None) -> list[Any]:
    """Read one JSON object a line; a malformed line raises TasklawsError with its number, and `remedy` as `read_text`
    has it."""
    rows = []
    # Not splitlines(): JSON strings may hold the other characters that it takes for the end of a line.
    lines = read_text(path, remedy).split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
        try:
            rows.append(json.loads(line, parse_constant=_refuse_constant))
        except ValueError as error:
            raise TasklawsError(f"{path}:{number}: malformed JSON: {remedy or REMAKE}") from error
    return rows


def write_table(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    """Write a CSV (or CSV.gz) atomically: rows sorted by `keys`, floats to ten digits.

    Duplicate keys raise TasklawsError.
    """
    refuse_duplicates(path, table, keys)
    table = table.sort_values(keys, kind="stable")
    with replacing(path) as file:
        whole = io.BytesIO() if path.suffix == ".gz" else file
        table.to_csv(whole, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
        if isinstance(whole, io.BytesIO):
            file.write(gzip.compress(whole.getvalue(), mtime=0))


def read_csv(path: Path, remedy: str, **options: Any) -> pd.DataFrame:
    """Read a CSV (or CSV.gz), empty cells as missing; what cannot be read raises TasklawsError, ending in `remedy`.

    `options` go to pandas.read_csv. Of a large file _ROWS rows at a time are held as more than their cells.
    """
    import pandas as pd

    zipped = path.suffix == ".gz"
    options |= {"keep_default_na": False, "na_values": [""], "low_memory": False}
    options |= {"compression": "gzip" if zipped else None}
    try:
        with (gzip.open if zipped else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader([str(file.readline()).rstrip("\r\n")]), [])
        if "nrows" in options:
            table: pd.DataFrame = pd.read_csv(path, **options)
        else:
            with pd.read_csv(path, chunksize=_ROWS, **options) as parts:
                table = _joined(path, list(parts), options)
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


def _joined(path: Path, parts: list[pd.DataFrame], options: dict[str, Any]) -> pd.DataFrame:
    """The parts as one table, with the types that pandas gives to whole columns; the parts are emptied."""
    if len(parts) == 1:
        return parts[0]
    import numpy as np
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    text = pd.StringDtype(na_value=np.nan)
    for name in map(str, list(parts[0])):
        cells = [part.pop(name) for part in parts]
        types = {cell.dtype for cell in cells if cell.notna().any()}
        if types == {text}:
            cells = [cell.astype(text) for cell in cells]
        elif len(types) > 1 and not types <= {np.dtype("int64"), np.dtype("float64")}:
            cells = [pd.read_csv(path, **options | {"usecols": [name]})[name]]
        columns[name] = pd.concat(cells, ignore_index=True)
    return pd.DataFrame(columns, copy=False)


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
    import pandas as pd

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
    import pandas as pd

    return [
        {str(column): value for column, value in row.items() if not pd.isna(value)} for row in table.to_dict("records")
    ]


def refuse_duplicates(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    twice = table.duplicated(keys)
    if twice.any():
        row = table.loc[twice, keys].iloc[0].to_dict()
        raise TasklawsError(f"{path}: duplicate row {row}: keep one row for each {', '.join(keys)}")


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_user_csv(path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV (or CSV.gz) that a person gives, with its blank lines, so that row i is line i + 2.

    What cannot be read, and a row longer than the header, raise TasklawsError; `options` go to pandas.read_csv.
    """
    if not path.exists():
        raise TasklawsError(f"{path} does not exist: give the right path")
    try:
        return read_csv(path, "give a whole CSV (or CSV.gz) table", skip_blank_lines=False, **options)
    except TasklawsError:
        # pandas takes long rows, if the first is one, for rows that begin with a label. What cannot be read at all
        # `read_csv` has named.
        with (
            suppress(OSError, EOFError, zlib.error, csv.Error),
            (gzip.open if path.suffix == ".gz" else open)(
                path, "rt", encoding="utf-8-sig", errors="replace", newline=""
            ) as file,
        ):
            rows = csv.reader(file)
            width = len(next(rows, []))
            for row in rows:
                if len(row) > width:
                    raise TasklawsError(
                        f"{path}:{rows.line_num}: {len(row)} cells under a header of {width}: "
                        "remove what is too much, or quote a cell that has a comma"
                    ) from None
        raise


def read_header(path: Path) -> list[str]:
    """The names of a user's table's columns; a file that cannot be read raises TasklawsError."""
    return [str(name) for name in read_user_csv(path, nrows=0)]


def read_rows(path: Path, texts: list[str], numbers: list[str], needed: list[str]) -> pd.DataFrame:
    """A CSV's rows, numbered by line in an index named after the file; `texts` are text, `numbers` floats, where there
    are such columns.

    A column of `needed` that is absent, a cell of `numbers` that is none, a row longer than the header, or no row at
    all raises TasklawsError. Blank rows are left out.
    """
    import pandas as pd

    table = _numbered(path, read_user_csv(path, dtype=dict.fromkeys(texts, "str")))
    numbers = [column for column in numbers if column in table]
    # What pandas takes for no number, or for truth: mostly an error to name, but it may be integers past 64 bits.
    doubtful = [column for column in numbers if table[column].dtype.kind not in "iuf"]
    if doubtful:
        text = _numbered(path, read_user_csv(path, usecols=doubtful, dtype="str"))
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
    """Raise TasklawsError with the first row where `bad` holds, and where it comes from."""
    if bad.any():
        import pandas as pd

        value = column[bad].iloc[0]
        shown = "empty" if pd.isna(value) else repr(value) if isinstance(value, str) else value
        raise TasklawsError(f"{place(column.index, column.index[bad][0])}: {column.name} is {shown}: {remedy}")


def _numbered(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return table.set_axis(pd.RangeIndex(2, len(table) + 2, name=str(path)))


def place(index: pd.Index, label: Any) -> str:
    """Where a row comes from: its label, or the line that this is in the file after which the index is named."""
    return str(label) if index.name is None else f"{index.name}:{label}"


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `read_rows`, each labelled `path:line`, so that they can stand beside those of other files."""
    return table.set_axis([place(table.index, line) for line in table.index])


@contextmanager
def opening(directory: Path, remedy: str) -> Iterator[None]:
    """Turn any failure of the block, which loads `directory` and does no more, into a TasklawsError."""
    try:
        yield
    except TasklawsError:
        raise
    # All of them, as the tokenizers library raises Exception itself, and a missing key is a KeyError or worse.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise TasklawsError(f"{directory} does not load ({reason}): {remedy}") from error
