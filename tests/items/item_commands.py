"""Running the commands that read a table of items."""

import sys
from pathlib import Path

import pytest
from populations import table

from tasklaws import cli


def tasklaws(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["tasklaws", *arguments])
    cli.main()


def assert_rows_in_any_order_give_the_same(
    command: str, files: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command writes `files` to folder/table and folder/shuffled, from a table and its shuffled rows."""
    table().to_csv(folder / "table.csv", index=False)
    table().sample(frac=1, random_state=1).to_csv(folder / "shuffled.csv", index=False)
    for name in ("table", "shuffled"):
        tasklaws(monkeypatch, command, str(folder / f"{name}.csv"), "--last", "2", "--out", str(folder / name))
    for name in files:
        assert (folder / "table" / name).read_bytes() == (folder / "shuffled" / name).read_bytes()
