"""Reading a table of scores: what is kept, what is refused and in which words."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
        (change("score", "yes"), "score is 'yes': give a number"),
        (
            table().rename(columns={"human_minutes": "human_minute"}),
            "column 'human_minute' is close to 'human_minutes': rename it to 'human_minutes'",
        ),
        (table().assign(models="x").drop(columns="model"), "column 'models' is close to 'model'"),
        (table().drop(columns="task"), "no column 'task'"),
        (table().drop(columns="date"), "neither `date` nor `n_params`"),
        (table().assign(score=lambda t: t["score"].where(t["task"] != "t03")), "item 't03' has no attempts"),
        (table().assign(score=lambda t: t["score"].where(t["model"] != "m3")), "model 'm3' has no score"),
        (table().query("model == 'm2'"), "one model only (m2)"),
        (pd.concat([table(), table().head(1)]), "duplicate row {'model': 'm0', 'task': 't00'}"),
        (pd.concat([table().assign(attempt=1)] * 2), "duplicate row {'model': 'm0', 'task': 't00', 'attempt': 1}"),
        (change("date", "2023-02-30"), "t.csv:9: date is '2023-02-30': give a date"),
        (change("date", None), "date is"),
        (change("date", "2020-03-02"), "date of model 'm0' is 2020-03-01 and 2020-03-02: give one value"),
        (change("human_minutes", -4.0), "human_minutes is -4.0: give a finite number, more than 0"),
        (change("human_minutes", 5.0), "human_minutes of task 't07' is"),
        (table().assign(human_attempts=0, human_solved=0), "human_attempts is 0"),
        (table().assign(human_attempts=3, human_solved=4), "human_solved 4 of human_attempts 3"),
        (table().assign(human_attempts=2.5, human_solved=1), "human_attempts is 2.5: give a whole number of people"),
        (table().assign(human_attempts=3, human_solved=1.5), "human_solved is 1.5: give a whole number of people"),
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
        ("t.csv", b"model,task,date,score\na,x,2020-01-01,nan\nb,x,2021-01-01,1\n", "t.csv:2: score is 'nan'"),
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


def noted(rows: pd.DataFrame) -> str:
    return "; ".join(check_items(rows, "t.csv").notes)


def test_a_blank_score_is_not_asked_and_not_failed() -> None:
    blank = table()
    blank.loc[[7, 8], "score"] = np.nan
    found = check_items(blank, "t.csv")
    assert np.isnan(found.scores[[7, 8], 0]).all()
    assert found.notes == ("2 of 180 scores are empty: taken as not asked, not as failed (a failure is 0)",)
    assert noted(table()) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [("C", "I", "C is 1, I is 0"), (True, False, "False is 0, True is 1"), ("true", "false", "false is 0, true is 1")],
)
def test_words_for_right_and_wrong_are_scores_and_said(right: object, wrong: object, said: str) -> None:
    plain = table()
    words = plain.assign(score=[right if score else wrong for score in plain["score"]])
    assert np.array_equal(check_items(words, "t.csv").scores, check_items(plain, "t.csv").scores)
    assert noted(words) == f"scores in words: {said}"


def test_partial_and_no_answer_are_as_inspect_has_them() -> None:
    words = table().assign(score="C")
    words.loc[[0, 1, 2], "score"] = ["P", "N", None]
    found = check_items(words, "t.csv").scores[:4, 0]
    assert found[[0, 1, 3]].tolist() == [0.5, 0.0, 1.0]
    assert np.isnan(found[2])


def test_columns_that_are_not_known_are_left_out_and_said() -> None:
    rows = table().assign(run_id="r1", alias="a", comment=None)
    found = check_items(rows, "t.csv")
    assert list(found.items) == ["family", "human_minutes"]
    assert found.notes == ("columns not known, left out: 'run_id', 'alias', 'comment'",)


def test_attempts_are_told_apart_by_a_column_or_by_their_scores() -> None:
    rng = np.random.default_rng(0)
    rows = pd.concat([table()] * 3, ignore_index=True)
    rows["score"] = rng.integers(0, 2, len(rows)).astype(float)
    numbered = rows.assign(attempt=np.repeat([1, 2, 3], len(table())))
    by_score, by_column = check_items(rows, "t.csv"), check_items(numbered, "t.csv")
    for found in (by_score, by_column):
        assert found.repeats is not None
        assert (found.repeats.counts == 3).all()
        cell = rows.loc[[7, 187, 367], "score"]
        assert found.scores[7, 0] == pytest.approx(cell.mean())
        assert found.repeats.variances[7, 0] == pytest.approx(cell.var())
        assert "180 of 180 pairs of model and task have several attempts, up to 3" in found.notes
    assert "no column `attempt`" in " ".join(by_score.notes)
    assert "no column `attempt`" not in " ".join(by_column.notes)
    assert check_items(table(), "t.csv").repeats is None


def test_a_table_pasted_twice_is_no_table_of_attempts() -> None:
    with pytest.raises(TasklawsError, match="remove the copies, or tell repeated attempts apart in a column `attempt`"):
        check_items(pd.concat([table(), table()], ignore_index=True), "t.csv")


def test_dates_may_have_a_time_of_day_or_lack_a_day() -> None:
    timed = table().assign(date=table()["date"] + "T13:30:00+02:00")
    assert check_items(timed, "t.csv").position.tolist() == check_items(table(), "t.csv").position.tolist()
    monthly = check_items(table().assign(date=table()["date"].str[:7]), "t.csv")
    assert monthly.models == check_items(table(), "t.csv").models
    assert "name a month or year only" in " ".join(monthly.notes)


@given(st.permutations(range(6)), st.booleans(), st.sampled_from([",", ";", "\t", "jsonl"]), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_names_order_and_form_of_a_file_change_nothing(order: list[int], renamed: bool, form: str, extra: int) -> None:
    rows = table(n_models=3, n_items=8)
    rows = rows[[rows.columns[place] for place in order]].assign(**{f"note_{k}": "x" for k in range(extra)})
    if renamed:
        names = {"model": "Model Name", "task": "item_id", "score": "is_correct", "date": "Release Date"}
        rows = rows.rename(columns=names)
    with TemporaryDirectory() as folder:
        path = Path(folder) / ("t.jsonl" if form == "jsonl" else "t.csv")
        if form == "jsonl":
            rows.to_json(path, orient="records", lines=True)
        else:
            rows.to_csv(path, index=False, sep=form)
        found = read_item_scores(path)
    wanted = check_items(table(n_models=3, n_items=8), "t.csv")
    assert np.array_equal(found.scores, wanted.scores)
    assert found.items.equals(wanted.items[list(found.items)])
    assert found.models == wanted.models
    assert any("left out" in note for note in found.notes) == (extra > 0)


def test_rows_of_several_metrics_are_no_attempts() -> None:
    rows = pd.concat([table().assign(metric="acc"), table().assign(metric="f1", score=0.5)])
    with pytest.raises(TasklawsError, match="has several values of 'metric': 'acc', 'f1': keep the rows of one"):
        check_items(rows.reset_index(drop=True), "scores")
