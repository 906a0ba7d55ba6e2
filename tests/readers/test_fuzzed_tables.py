"""Tables of all layouts, changed as careless hands change them, are read right or refused."""

import pytest

from fuzz import failures
from tables_fuzz import tables


def test_thirty_valid_tables_of_all_layouts_are_fuzzed():
    assert len(tables()) >= 30


@pytest.mark.parametrize("seed", range(1))
def test_a_changed_table_is_read_right_or_refused_in_a_line(tmp_path, seed):
    assert failures(tables(), 100, seed, tmp_path) == []


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2, 3, 4, *range(100, 120)])
def test_many_changed_tables_are_read_right_or_refused_in_a_line(tmp_path, seed):
    assert failures(tables(), 1000, seed, tmp_path) == []
