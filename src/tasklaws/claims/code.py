"""The code that makes forecasts, by its digests."""

import hashlib
from pathlib import Path

from tasklaws.core.files import sha256_file

PACKAGE = Path(__file__).parents[1]
# What the stage forecast executes, as dvc.yaml lists it (a test holds it to that), but for what moves no number.
CODE = (
    "core",
    "forecast",
    "frames/csv_files.py",
    "frames/natural.py",
    "frames/shown.py",
    "frames/user_tables.py",
    "laws",
    "stats/factors.py",
    "stats/gaussian_process.py",
    "stats/jumps.py",
    "stats/links.py",
    "stats/predictive.py",
    "stats/proportions.py",
    "stats/rasch.py",
    "stats/scores.py",
    "tables.py",
    "tabular",
)
_KINDS = (".py", ".json", ".csv")


def code_digests() -> dict[str, str]:
    """The SHA-256 of each file of CODE; of a folder that of its files' names and digests, a line each."""
    return {name: _digest(PACKAGE / name) for name in CODE}


def _digest(path: Path) -> str:
    if path.is_file():
        return sha256_file(path)
    files = sorted(file for file in path.rglob("*") if file.suffix in _KINDS)
    lines = [f"{sha256_file(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
