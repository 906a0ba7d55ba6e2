"""Every table of tables.py refuses what is no table of its kind, with the file, line, column and value."""

import string
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws import tables
from tasklaws.core.errors import TasklawsError
from tasklaws.tables import Table

TABLES = {name: value for name, value in vars(tables).items() if isinstance(value, Table)}
# `seed` is a key of points only where a table has it: points.py reads them.
EACH_TABLE = pytest.mark.parametrize(
    "table", [pytest.param(table, id=name) for name, table in TABLES.items() if name != "POINTS"]
)
N_ROWS = 4
# What a cell of a column of numbers must not hold, and how a message shows it.
INFINITE = {"inf": "inf", "Infinity": "inf", "-inf": "-inf"}

texts = st.text(string.ascii_letters, min_size=1, max_size=8).map("x".__add__)
no_numbers = st.sampled_from(["NaN", "nan", *INFINITE]) | texts


def valid(table: Table) -> pd.DataFrame:
    """A few rows that a table takes: no two alike in any column but those of true and false."""
    return pd.DataFrame({column: cells(table, column) for column in table.columns})


def cells(table: Table, column: str) -> list[Any]:
    if column in table.numbers:
        if column.startswith("is_"):
            return [place % 2 == 0 for place in range(N_ROWS)]
        return [place + 0.5 for place in range(N_ROWS)]
    return [f"{column} {place}" for place in range(N_ROWS)]


def refusal(table: Table, frame: pd.DataFrame, folder: Path) -> str:
    """The one line with which reading a frame's file fails."""
    path = folder / "some.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(TasklawsError) as error:
        table.read(path)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    assert text.count(": ") >= 1, "no remedy"
    return text


def spoilt(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    other = frame.astype({column: object})
    other.loc[row, column] = value
    return other


@EACH_TABLE
def test_it_knows_its_columns(table):
    assert len(set(table.columns)) == len(table.columns)
    assert set(table.keys) | set(table.numbers) | set(table.optional) <= set(table.columns)
    assert table.holds


@EACH_TABLE
def test_what_was_written_is_read(table, tmp_path):
    frame = valid(table)
    table.write(tmp_path / "a.csv", frame.iloc[::-1])
    pd.testing.assert_frame_equal(table.read(tmp_path / "a.csv"), frame, check_dtype=False)
    unknown = [column for column in table.optional if column not in table.keys]
    if unknown:
        table.write(tmp_path / "b.csv", frame.assign(**dict.fromkeys(unknown)))
        assert table.read(tmp_path / "b.csv")[unknown].isna().all(axis=None)


@EACH_TABLE
def test_a_column_less_is_named(table, tmp_path):
    for column in table.columns:
        assert repr(column) in refusal(table, valid(table).drop(columns=column), tmp_path)


@EACH_TABLE
@settings(max_examples=6)
@given(data=st.data())
def test_an_empty_cell_is_named_where_it_is_needed(table, tmp_path_factory, data):
    column = data.draw(st.sampled_from([name for name in table.columns if name not in table.optional]))
    row = data.draw(st.integers(0, N_ROWS - 1))
    said = refusal(table, spoilt(valid(table), row, column, None), tmp_path_factory.getbasetemp())
    assert f":{row + 2}: {column} is nan" in said


@EACH_TABLE
@settings(max_examples=6)
@given(data=st.data())
def test_a_cell_that_is_no_number_is_named_with_its_value(table, tmp_path_factory, data):
    if not table.numbers:
        return
    column, value = data.draw(st.sampled_from(table.numbers)), data.draw(no_numbers)
    row = data.draw(st.integers(0, N_ROWS - 1))
    said = refusal(table, spoilt(valid(table), row, column, value), tmp_path_factory.getbasetemp())
    assert f":{row + 2}: {column} is {INFINITE.get(value, value)}" in said


@EACH_TABLE
@settings(max_examples=6)
@given(data=st.data())
def test_a_row_that_stands_twice_is_named_with_its_keys(table, tmp_path_factory, data):
    frame = valid(table)
    first, second = data.draw(st.permutations(range(N_ROWS)))[:2]
    for column in table.keys:
        frame[column] = frame[column].mask(frame.index == second, frame[column].iloc[first])
    said = refusal(table, frame, tmp_path_factory.getbasetemp())
    assert "duplicate row" in said
    for column in table.keys:
        assert column in said
        assert str(frame.loc[first, column]) in said
