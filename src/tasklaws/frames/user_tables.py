"""Tables that people give, in any of the forms in which they have them: columns of cells, and the line of each row.

Read are text with one delimiter (comma, semicolon, tab), JSON lines and Parquet; .gz around the first two.
"""

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import ROWS_AT_ONCE, joined
from tasklaws.frames.shown import LONGEST_SHOWN, quoted

MOST_IN_A_ROW = 10_000
MAX_CELL = 100_000  # characters
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_JSON_LINES = (".jsonl", ".ndjson")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", *_JSON_LINES, ".parquet")
_BLOCK = 1 << 24  # bytes of text that are looked through at a time
_REMEDY = "give a whole table: CSV, TSV, semicolons, JSON lines (each may be gzipped) or Parquet"


@dataclass(frozen=True, eq=False)
class Source:
    """A table as its file has it: the names of its columns, and the line of each row, in an index named after the file.

    `delimiter` is what stands between cells, None where that is no text; `notes` say what a reader should know.
    """

    path: Path
    header: tuple[str, ...]
    lines: pd.Index
    delimiter: str | None
    notes: tuple[str, ...]
    _cells: bytes | pd.DataFrame

    def frame(self, texts: Collection[str] = (), only: Collection[str] | None = None) -> pd.DataFrame:
        """The cells: `texts` as text, other columns as numbers or truths where all their cells are, else as text.

        An empty cell is missing. `only` names the columns to read, all without it.
        """
        wanted = [name for name in self.header if only is None or name in only]
        if isinstance(self._cells, pd.DataFrame):
            table = self._cells[wanted]
            return table.assign(**{name: _as_text(table[name]) for name in wanted if name in texts})
        options: dict[str, Any] = {
            "sep": self.delimiter,
            "header": None,
            "names": list(self.header),
            "index_col": False,
            "keep_default_na": False,
            "na_values": [""],
            "skip_blank_lines": False,
            "skipinitialspace": True,
            "low_memory": False,
        }

        def whole(columns: list[str], dtype: str | None = None) -> pd.DataFrame:
            table: pd.DataFrame = pd.read_csv(self._open(), usecols=columns, dtype=dtype, **options)
            return table

        if len(self.lines) <= ROWS_AT_ONCE:
            table = whole(wanted)
        else:
            with pd.read_csv(self._open(), chunksize=ROWS_AT_ONCE, usecols=wanted, **options) as parts:
                table = joined(list(parts), lambda name: whole([name])[name])
        # Most text is no number: what looks like one is read once more, which is faster than to read all as text.
        again = [name for name in wanted if name in texts and not isinstance(table[name].dtype, pd.StringDtype)]
        if again:
            table[again] = whole(again, "str")
        return table[wanted].set_axis(self.lines)

    @property
    def has_decimal_commas(self) -> bool:
        """Whether 0,5 is a number: not where commas stand between cells."""
        return self.delimiter in (";", "\t")

    def _open(self) -> io.BytesIO:
        return io.BytesIO(self._cells if isinstance(self._cells, bytes) else b"")

    def text(self, column: str) -> pd.Series:
        """One column's cells as they are written, without spaces around them."""
        return self.frame([column], [column])[column].str.strip()


def open_table(path: Path) -> Source:
    """A person's table; one that cannot be read, has rows of too few or too many cells, a name twice, or no row raises
    TasklawsError with the line and a remedy.

    Rows without any entry are left out by whoever reads the cells, so that lines stay those of the file (of Parquet:
    rows, the first being 1).
    """
    if path.is_dir():
        raise TasklawsError(f"{path} is a directory: give a table")
    if not path.exists():
        raise TasklawsError(f"{path} does not exist: give the right path")
    if path.is_char_device() or path.is_block_device():
        raise TasklawsError(f"{path} is a device: give a table")
    kind = path.name.removesuffix(".gz")
    if kind.endswith(".parquet"):
        return _source_of_rows(path, _parquet(path))
    if kind.endswith((".xlsx", ".xls", ".ods")):
        raise TasklawsError(f"{path} is a spreadsheet: save the sheet as CSV")
    text = _text(path)
    return _source_of_rows(path, _json_lines(path, text)) if kind.endswith(_JSON_LINES) else _source(path, text)


def is_table(path: Path) -> bool:
    """Whether a file's name is that of a table."""
    return path.name.removesuffix(".gz").endswith(TABLE_SUFFIXES)


def table_name(path: Path) -> str:
    """A file's name without the endings that say how it is written."""
    name = path.name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in TABLE_SUFFIXES if name.endswith(end) and name != end), name)


def _text(path: Path) -> bytes:
    """A file's text as UTF-8 without a byte order mark, its lines ended by \\n."""
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            data = data.decode("utf-16").encode()
        data = data.removeprefix(b"\xef\xbb\xbf")
        if not data.isascii():
            data.decode()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise TasklawsError(f"{path} is not a whole gzip file ({error}): {_REMEDY}") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is not UTF-8 text ({error.reason}): {_REMEDY}") from error
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise TasklawsError(f"{path}:{line}: a NUL byte: {_REMEDY}")
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _source(path: Path, data: bytes) -> Source:
    """The table of a text with delimiters."""
    end = data.find(b"\n")
    head = data if end < 0 else data[:end]
    if not head.strip():
        what = "malformed table (No columns to parse from file)" if not data.strip() else "line 1 is empty"
        raise TasklawsError(f"{path}: {what}: the first line names the columns")
    if len(head) > MOST_IN_A_ROW * 1000:
        raise TasklawsError(f"{path}: line 1 has {len(head)} characters: the first line names the columns")
    delimiter = _delimiter(path, head)
    has_quotes = b'"' in data
    if has_quotes:
        header, lines, body = _quoted(path, data.decode(), delimiter)
    else:
        header, body = [name.strip() for name in head.decode().split(delimiter)], data[end + 1 :] if end >= 0 else b""
        _check_width(path, len(header))
        _refuse_ragged(path, body, delimiter, len(header))
        count = body.count(b"\n") + (not body.endswith(b"\n") and bool(body))
        lines = pd.RangeIndex(2, count + 2)
    usual = delimiter == "," or (delimiter == "\t" and ".tsv" in path.suffixes)
    notes = () if usual else (f"{path}: read with {_DELIMITERS[delimiter]} between cells",)
    if not body.strip():
        raise TasklawsError(f"{path}: no rows: give at least one")
    return Source(path, _named(path, header), lines.rename(str(path)), delimiter, notes, body)


def _delimiter(path: Path, head: bytes) -> str:
    """What stands between the names of the first line outside quotes: the most frequent, of two a comma first."""
    outside = b"".join(head.split(b'"')[::2])
    counts = {each: outside.count(each.encode()) for each in _DELIMITERS}
    if path.name.removesuffix(".gz").endswith((".tsv", ".tab")) and counts["\t"]:
        return "\t"
    # A name such as "params (B, total)" has commas too, but a tab or a semicolon in a name is rare.
    return next((each for each in ("\t", ";") if counts[each] and counts[each] >= counts[","]), ",")


def _quoted(path: Path, text: str, delimiter: str) -> tuple[list[str], pd.Index, bytes]:
    """The names, the line on which each row begins, and the rows' text, of a text that has quotes."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    begins: list[int] = []
    begin = 1
    try:
        header = [name.strip() for name in next(rows)]
        _check_width(path, len(header))
        first = rows.line_num + 1
        begin = first
        for row in rows:
            if row and len(row) != len(header):
                _refuse_width(path, begin, len(row), len(header))
            begins.append(begin)
            begin = rows.line_num + 1
    except (csv.Error, StopIteration) as error:
        raise TasklawsError(f"{path}:{begin}: malformed row ({error}): {_REMEDY}") from error
    body = text.split("\n", first - 1)[-1] if text.count("\n") >= first - 1 else ""
    return header, pd.Index(begins, dtype="int64"), body.encode()


def _check_width(path: Path, width: int) -> None:
    if width > MOST_IN_A_ROW:
        raise TasklawsError(f"{path} has {width} columns: give at most {MOST_IN_A_ROW}, or a row a result")


def _refuse_width(path: Path, line: int, cells: int, width: int) -> None:
    remedy = "remove what is too much, or quote a cell that has the delimiter"
    if cells < width:
        remedy = "give all cells, those of unknown value empty"
    raise TasklawsError(f"{path}:{line}: {cells} cells under a header of {width}: {remedy}")


def _refuse_ragged(path: Path, body: bytes, delimiter: str, width: int) -> None:
    """Raise TasklawsError at the first line that has other than `width` cells, or too long a cell; blank lines pass."""
    line = 2
    for block in _blocks(body):
        letters = np.frombuffer(block if block.endswith(b"\n") else block + b"\n", np.uint8)
        marks = np.flatnonzero((letters == 10) | (letters == ord(delimiter)))
        newlines = np.flatnonzero(letters[marks] == 10)
        cells = np.diff(newlines, prepend=-1)
        blank = np.diff(marks[newlines], prepend=-1) == 1
        ragged = np.flatnonzero((cells != width) & ~blank)
        long = np.flatnonzero(np.diff(marks, prepend=-1) > MAX_CELL)
        if ragged.size:
            _refuse_width(path, line + int(ragged[0]), int(cells[ragged[0]]), width)
        if long.size:
            row = int(np.searchsorted(newlines, long[0]))
            raise TasklawsError(f"{path}:{line + row}: a cell of more than {MAX_CELL} characters: {_REMEDY}")
        line += len(newlines)


def _blocks(data: bytes) -> Iterator[bytes]:
    """The text in parts of whole lines."""
    start = 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + _BLOCK) + 1 or data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _named(path: Path, names: list[str]) -> tuple[str, ...]:
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in places:
            what = f"columns {places[name] + 1} and {place + 1} have no name" if not name else ""
            what = what or f"column {quoted(name)} appears twice"
            raise TasklawsError(f"{path}: {what}: give each column one name of its own")
        places[name] = place
    return tuple(names)


def _source_of_rows(path: Path, table: pd.DataFrame) -> Source:
    if table.empty:
        raise TasklawsError(f"{path}: no rows: give at least one")
    _check_width(path, table.shape[1])
    header = _named(path, [str(name).strip() for name in table])
    return Source(path, header, table.index, None, (), table.set_axis(list(header), axis="columns"))


def _json_lines(path: Path, text: bytes) -> pd.DataFrame:
    """JSON objects, one a line, as rows; what an object lacks is unknown, and an object or list in it is text."""
    rows, lines = [], []
    names: set[str] = set()
    for line, part in enumerate(text.split(b"\n"), start=1):
        if not part.strip():
            continue
        try:
            row = json.loads(part, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
            raise TasklawsError(
                f"{path}:{line}: no JSON object ({reason[:LONGEST_SHOWN]}): give one on each line"
            ) from error
        if not isinstance(row, dict):
            raise TasklawsError(f"{path}:{line}: {quoted(row)} is no JSON object: give one on each line")
        _check_width(path, len(names := names | row.keys()))
        cells = {name: json.dumps(cell) if isinstance(cell, dict | list) else cell for name, cell in row.items()}
        if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells.values()):
            raise TasklawsError(f"{path}:{line}: a cell of more than {MAX_CELL} characters: {_REMEDY}")
        rows.append(cells)
        lines.append(line)
    return _typed(pd.DataFrame(rows, index=pd.Index(lines, name=str(path)), dtype=object))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name appears twice")
    return dict(pairs)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number: write null where a value is unknown")


def _parquet(path: Path) -> pd.DataFrame:
    try:
        from pyarrow.parquet import read_schema

        with suppress(ValueError, OSError):  # what is no Parquet file, the next line says
            _check_width(path, len(read_schema(path).names))
        table = pd.read_parquet(path)
        if not isinstance(table.index, pd.RangeIndex):
            table = table.reset_index()
        texts = [cells for _, cells in table.items() if isinstance(cells.dtype, pd.StringDtype)]
        for cells in texts:  # text is decoded only now: bytes that are none raise
            if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells.unique()):
                raise TasklawsError(f"{path}: a cell of more than {MAX_CELL} characters: {_REMEDY}")
        return _typed(table.set_axis(pd.RangeIndex(1, len(table) + 1, name=str(path)), axis="index"))
    except ImportError as error:
        raise TasklawsError(f"{path}: Parquet needs pyarrow: pip install 'tasklaws[parquet]', or give CSV") from error
    except (ValueError, OSError, KeyError, TypeError) as error:  # pyarrow's ArrowInvalid is a ValueError
        reason = " ".join(str(error).split())[:LONGEST_SHOWN]
        raise TasklawsError(f"{path} is no whole Parquet file ({reason}): {_REMEDY}") from error


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """The cells with the types that text would have: numbers or truths where all are, else text, missing if empty."""
    typed: dict[Any, pd.Series] = {}
    for name, cells in table.items():
        typed[name] = cells
        if cells.dtype.kind in "iufb":
            continue
        known = cells[cells.notna()]
        if cells.dtype == object and len(known) and {type(cell) for cell in known} <= {int, float}:
            typed[name] = cells.map(_as_float, na_action="ignore").astype("float64")
        else:
            typed[name] = _as_text(cells)
    return pd.DataFrame(typed, index=table.index, copy=False)


def _as_float(cell: float) -> float:
    """A number; one of hundreds of digits is infinite, as it is where it is read from text."""
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf


def _as_text(cells: pd.Series) -> pd.Series:
    """Cells as they would be written, whole numbers without a point; missing where there is nothing."""
    if cells.dtype.kind == "f" and (cells.dropna() % 1 == 0).all() and (cells.dropna().abs() < 2**53).all():
        cells = cells.astype("Int64")
    if cells.dtype.kind == "M":
        cells = cells.dt.strftime("%Y-%m-%dT%H:%M:%S")
    text = cells.astype("str").where(cells.notna())
    return text.mask(text == "")
