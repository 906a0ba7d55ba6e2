"""The attempts table: what is read, and what is refused in one line that names the value."""

import numpy as np
import pandas as pd
import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.humans.attempts import read_attempts

HEADER = "person,item,seconds,timeout,solved,score,group_python"
ROWS = ["ann,x,30,60,1,1,yes", "ann,y,60,60,0,0.17,yes", "bob,x,12.5,60,0,0,no"]


def read(tmp_path, rows, header=HEADER, items=("x", "y")):
    path = tmp_path / "attempts.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_attempts(path, items)


def test_a_table_is_read_in_one_order_with_its_types(tmp_path):
    table = read(tmp_path, ROWS[::-1])
    assert list(table.columns) == HEADER.split(",")
    assert table[["person", "item"]].to_numpy().tolist() == [["ann", "x"], ["ann", "y"], ["bob", "x"]]
    assert table["solved"].tolist() == [1, 0, 0]
    assert table["score"].tolist() == [1, 0.17, 0]
    pd.testing.assert_frame_equal(table, read(tmp_path, [row.replace(",1,1,", ",true,1,") for row in ROWS]))


def test_people_and_groups_named_by_numbers_are_names(tmp_path):
    table = read(tmp_path, ["07,x,30,60,1,1,0", "", "8,y,60,60,0,0,1"])
    assert table["person"].tolist() == ["07", "8"]
    assert table["group_python"].tolist() == ["0", "1"]


def test_the_first_attempt_counts(tmp_path):
    rows = ["ann,x,30,60,1,1,yes,2", "ann,x,60,60,0,0,yes,1", "bob,y,9,60,1,1,no,1"]
    table = read(tmp_path, rows, HEADER + ",order")
    assert table[["person", "solved"]].to_numpy().tolist() == [["ann", 0], ["bob", 1]]
    assert "order" not in table


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ann,x,31,60,0,0,yes", r":5: person ann attempted item x twice in no order: add a column `order`"),
        ("bob,y,61,60,0,0,no", r":5: seconds is 61\.0: above the timeout"),
        ("bob,y,0,60,0,0,no", r":5: seconds is 0\.0: give a time above 0"),
        ("bob,y,6,60,0,1.2,no", r":5: score is 1\.2: divide by the full mark"),
        ("bob,y,6,60,0,-0.1,no", r":5: score is -0\.1: divide by the full mark"),
        ("bob,z,6,60,0,0,no", r":5: item is 'z': no such item"),
        ("bob,y,6,60,maybe,0,no", r":5: solved is 'maybe': give 1 or 0"),
        ("bob,y,6,60,2,0,no", r":5: solved is '2': give 1 or 0"),
        ("bob,y,6,60,,0,no", r":5: solved is empty: give 1 or 0"),
        ("bob,y,6,60,0,1,no", r":5: score is 1\.0: yet not solved"),
        ("bob,y,6,60,1,0,no", r":5: score is 0\.0: yet solved"),
        ("bob,y,6,60,0,,no", r":5: score is empty: give a finite number"),
        ("bob,y,inf,60,0,0,no", r":5: seconds is inf: give a finite number"),
        (",y,6,60,0,0,no", r":5: person is empty: fill it"),
        ("bob,y,6,60,0,0,", r":5: group_python is empty: fill it"),
        ("bob,y,6,60,0,0,yes", r":5: person bob is both 'no' and 'yes' in group_python"),
        ("bob,x,12.5,60,0,0,no", r":5: person bob attempted item x twice in no order"),
        ("bob,y,soon,60,0,0,no", r":5: seconds is 'soon': give a number"),
        ("bob,y,6,inf,0,0,no", r":5: timeout is inf: give a finite number, or none where there was no limit"),
        ("bob,y,6,-1,0,0,no", r":5: seconds is 6\.0: above the timeout"),
        ("bob,y,6,60,0,0,no,1", r":5: 8 cells under a header of 7"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path, row, message):
    with pytest.raises(TasklawsError, match=message):
        read(tmp_path, [*ROWS, row])


def test_an_item_that_nobody_attempted_is_refused(tmp_path):
    with pytest.raises(TasklawsError, match=r"nobody attempted item z \(1 such\)"):
        read(tmp_path, ROWS, items=("x", "y", "z"))


@pytest.mark.parametrize("order", ["", "1.5", "0", "first"])
def test_an_order_that_is_none_is_refused(tmp_path, order):
    rows = ["ann,x,30,60,1,1,yes,1", f"bob,y,9,60,1,1,no,{order}"]
    with pytest.raises(TasklawsError, match=":3: order is"):
        read(tmp_path, rows, HEADER + ",order")


def test_attempts_alike_in_all_but_their_order_are_two(tmp_path):
    rows = ["ann,x,30,60,0,0,yes,1", "ann,x,30,60,0,0,yes,2", "bob,y,9,60,1,1,no,1"]
    assert read(tmp_path, rows, HEADER + ",order")["person"].tolist() == ["ann", "bob"]


def test_a_later_attempt_without_the_first_is_refused(tmp_path):
    rows = ["ann,x,30,60,1,1,yes,1", "bob,y,9,60,1,1,no,3", "bob,y,9,60,0,0,no,2"]
    with pytest.raises(TasklawsError, match=":3: person bob attempted item y again without a first time: add the"):
        read(tmp_path, rows, HEADER + ",order")


def test_a_rows_surplus_cell_shifts_no_column(tmp_path):
    """pandas would take the first cells of such rows for their labels."""
    with pytest.raises(TasklawsError, match=":2: 8 cells under a header of 7"):
        read(tmp_path, [f"{row},1" for row in ROWS])


def test_the_same_order_twice_is_refused(tmp_path):
    rows = ["ann,x,30,60,1,1,yes,1", "ann,x,40,60,0,0,yes,1"]
    with pytest.raises(TasklawsError, match="person ann attempted item x twice in no order: number them"):
        read(tmp_path, rows, HEADER + ",order")


def test_a_broken_table_is_not_the_pipelines_to_remake(tmp_path):
    with pytest.raises(TasklawsError, match=":2: malformed row") as error:
        read(tmp_path, ['ann,x,30,60,1,1,"yes'])
    assert "dvc repro" not in str(error.value)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(
        TasklawsError, match=r"no column 'timeout' \(its cells empty where there was no limit of time\)"
    ):
        read(tmp_path, ["ann,x,30,1,1"], "person,item,seconds,solved,score")


def test_an_empty_timeout_is_no_limit_of_time_and_said(tmp_path):
    table = read(tmp_path, ["ann,x,30,,1,1,yes", "bob,y,4000,,0,0,no", "bob,x,12,60,0,0,no"])
    assert table["timeout"].tolist() == [np.inf, 60, np.inf]
    assert table.attrs["notes"] == ["2 of 3 attempts had no limit of time: who did not solve counts as never solving"]


def test_without_items_all_that_were_attempted_count(tmp_path):
    assert read(tmp_path, ROWS, items=None)["item"].tolist() == ["x", "y", "x"]


def test_other_names_delimiters_and_columns_are_read_and_said(tmp_path):
    header = "Participant;item_id;seconds;time_limit;solved;score;comment"
    rows = ["ann;x;30,5;60;1;1;fine", "bob;x;12;;0;0;"]
    table = read(tmp_path, rows, header, items=None)
    assert table[["person", "item", "seconds", "timeout"]].to_numpy().tolist() == [
        ["ann", "x", 30.5, 60.0],
        ["bob", "x", 12.0, np.inf],
    ]
    notes = " | ".join(table.attrs["notes"])
    assert "semicolons" in notes
    assert "decimal commas" in notes
    assert "columns that are not known, left out: comment" in notes


def test_a_name_close_to_a_known_one_is_refused(tmp_path):
    with pytest.raises(TasklawsError, match="column 'timeouts' is close to 'timeout': rename it"):
        read(tmp_path, ROWS, HEADER.replace("timeout", "timeouts"))


def test_without_scores_who_solved_has_all_of_it(tmp_path):
    table = read(tmp_path, ["ann,x,30,60,1", "bob,y,60,60,0"], "person,item,seconds,timeout,solved")
    assert table["score"].tolist() == [1, 0]
    assert "no column `score`: who solved scores 1, others 0" in table.attrs["notes"]
