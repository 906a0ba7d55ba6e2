"""The order of names for people, and of tasks in files."""

import numpy as np
import pandas as pd

from tasklaws.frames.csv_files import write_table
from tasklaws.frames.natural import in_order, natural


def test_numbers_in_names_count_as_numbers():
    wanted = [
        "",
        "7B",
        "30B",
        "a",
        "task",
        "task1",
        "task1b",
        "task01c",
        "task2",
        "task10",
        "task10.2",
        "task10.10",
        "zoo",
    ]
    shuffled = list(np.random.default_rng(0).permutation(wanted))
    assert sorted(shuffled, key=natural) == wanted
    assert sorted(["a1", "a01", "a001"], key=natural) == ["a001", "a01", "a1"]  # equal numbers: as text


def test_numbers_of_any_length_and_of_other_scripts_are_names():
    long = "9" * 100_000
    assert sorted([f"t{long}0", f"t{long}", "t\u0662"], key=natural) == [f"t{long}", f"t{long}0", "t\u0662"]


def test_rows_are_sorted_by_several_keys_and_numbers_stay():
    table = pd.DataFrame({"task": ["t10", "t2", "t10"], "rank": [10.0, 2.0, 9.0]})
    assert in_order(table, ["task", "rank"])["rank"].tolist() == [2.0, 9.0, 10.0]


def test_files_have_tasks_in_natural_order_and_other_names_as_text(tmp_path):
    table = pd.DataFrame({"task": ["t10", "t2", "t2"], "model": ["m1", "m2", "m10"], "value": [1.0, 2.0, 3.0]})
    write_table(tmp_path / "table.csv", table, ["task", "model"])
    written = pd.read_csv(tmp_path / "table.csv")
    assert list(zip(written["task"], written["model"], strict=True)) == [("t2", "m10"), ("t2", "m2"), ("t10", "m1")]
