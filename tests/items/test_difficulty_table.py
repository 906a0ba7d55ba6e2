"""Reading a table of scores: what is kept, what is refused and in which words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from populations import table

from tasklaws.core.errors import TasklawsError
from tasklaws.items.table import check_items, read_item_scores


def change(column: str, value: object, row: int = 7) -> pd.DataFrame:
    changed = table().astype({column: object} if column in table() else {})
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (change("score", 1.5), "t.csv:9: score is 1.5: give a number in [0, 1]"),
        (change("score", -0.1), "score is -0.1"),
        (change("score", "yes"), "score is yes"),
        (table().assign(human_minute=3), "unknown column 'human_minute'"),
        (table().drop(columns="task"), "no column 'task'"),
        (table().drop(columns="date"), "neither `date` nor `n_params`"),
        (table().assign(score=lambda t: t["score"].where(t["task"] != "t03")), "item 't03' has no attempts"),
        (table().assign(score=lambda t: t["score"].where(t["model"] != "m3")), "model 'm3' has no score"),
        (table().query("model == 'm2'"), "one model only (m2)"),
        (pd.concat([table(), table().head(1)]), "duplicate row {'model': 'm0', 'task': 't00'}"),
        (pd.concat([table().assign(attempt=1)] * 2), "duplicate row {'model': 'm0', 'task': 't00', 'attempt': 1}"),
        (change("date", "2023-02-30"), "t.csv:9: date is 2023-02-30: give a date"),
        (change("date", None), "date is"),
        (change("date", "2020-03-02"), "date of model 'm0' is 2020-03-01 and 2020-03-02: give one value"),
        (change("human_minutes", -4.0), "human_minutes is -4.0: give a finite number, more than 0"),
        (change("human_minutes", 5.0), "human_minutes of task 't07' is"),
        (table().assign(human_attempts=0, human_solved=0), "human_attempts is 0"),
        (table().assign(human_attempts=3, human_solved=4), "human_solved 4 of human_attempts 3"),
        (table().assign(human_attempts=3), "human_attempts and human_solved belong together"),
        (table().drop(columns="date").assign(n_params=0), "n_params is 0"),
        (table().head(0), "no rows"),
        (table().assign(chance=1.0), "chance of task 't00' is 1: give less than 1"),
        (change("model", None), "t.csv:9: model is empty"),
        (table().assign(suite=lambda t: t["model"]), "give one suite at a time"),
    ],
)
def test_bad_tables_are_refused_by_the_value(bad: pd.DataFrame, words: str) -> None:
    with pytest.raises(TasklawsError) as refusal:
        check_items(bad, "t.csv")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_models_come_by_date_and_items_by_name_whatever_the_rows(tmp_path: Path) -> None:
    table().sample(frac=1, random_state=3).to_csv(tmp_path / "shuffled.csv.gz", index=False)
    shuffled, ordered = read_item_scores(tmp_path / "shuffled.csv.gz"), check_items(table(), "t.csv")
    assert shuffled.models == ordered.models == ("m0", "m1", "m2", "m3", "m4", "m5")
    assert np.array_equal(shuffled.scores, ordered.scores)
    assert shuffled.items.equals(ordered.items)
    assert ordered.position == pytest.approx(np.arange(6), abs=0.01)


def test_attempts_are_averaged_and_what_was_not_asked_stays_missing() -> None:
    twice = pd.concat([table().assign(attempt=1, score=1.0), table().assign(attempt=2, score=0.5)])
    assert (check_items(twice, "t.csv").scores == 0.75).all()
    gap = check_items(table().drop(index=7), "t.csv")
    assert np.isnan(gap.scores[7, 0])
    assert np.isnan(gap.scores).sum() == 1


def test_sizes_order_models_by_their_logarithm() -> None:
    sized = table().drop(columns="date").assign(n_params=lambda t: 10.0 ** (9 - t["model"].str[1:].astype(int)))
    checked = check_items(sized, "t.csv")
    assert checked.models[0] == "m5"
    assert np.diff(checked.position) == pytest.approx(np.log(10))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv.gz", b"model,task\n", "t.csv.gz is not a whole gzip file"),
        ("t.csv", b"", "t.csv: malformed table"),
        (
            "t.csv",
            b"model,task,date,score\na,x,2020-01-01,1,\nb,x,2021-01-01,0,\n",
            "t.csv:2: 5 cells under a header of 4",
        ),
        ("t.csv", b"model,task,date,score\n\na,x,2020-01-01,1\n\nb,x,2021-01-01,2\n", "t.csv:5: score is 2"),
        ("t.csv", b"model,task,date,score\na,x,2020-01-01,nan\nb,x,2021-01-01,1\n", "t.csv:2: score is nan"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_its_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TasklawsError) as refusal:
        read_item_scores(tmp_path / name)
    assert words in str(refusal.value)


def test_names_that_look_like_nothing_are_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,task,date,score\nNA,007,2020-01-01,1\nnull,007,2021-01-01,0\n")
    found = read_item_scores(tmp_path / "t.csv")
    assert found.models == ("NA", "null")
    assert found.items.index.tolist() == ["007"]
