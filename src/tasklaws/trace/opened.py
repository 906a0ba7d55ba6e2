"""What stands in a file that a person names: a row of a table, a line of JSON, the digest in a figure."""

from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl
from tasklaws.core.marks import marked
from tasklaws.trace.node import Facts

_METADATA_BYTES = 2**16


def table_row(path: Path, number: int) -> dict[str, str]:
    """The cells in a line of a CSV file, of which the first is the header's."""
    import pandas as pd

    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if not 2 <= number < len(table) + 2:
        raise TasklawsError(f"{path} has no row in line {number}: its rows are in lines 2 to {len(table) + 1}")
    return {str(key): str(value) for key, value in table.iloc[number - 2].items()}


def json_row(path: Path, number: int) -> Facts:
    """The fields in a line of a file of JSON lines."""
    rows = read_jsonl(path)
    if not 1 <= number <= len(rows):
        raise TasklawsError(f"{path} has no line {number}: it has {len(rows)}")
    return dict(rows[number - 1]) if isinstance(rows[number - 1], dict) else {}


def mark_in(path: Path) -> str | None:
    """The digest in a figure's metadata, which stand at its beginning; a page holds figures, and is none."""
    if path.suffix == ".html":
        return None
    with path.open("rb") as file:
        return marked(file.read(_METADATA_BYTES))
