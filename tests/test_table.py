"""Tables of points: every shape that people have is read, and what cannot be is refused by its line and value."""

import gzip
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_data import shared
from tasklaws.core.errors import TasklawsError
from tasklaws.tables import LOSSES, METRIC_RANGES, POINTS, is_loss
from tasklaws.tabular.points import complete, read_curves, read_points, write_points

HEADER = "model,task,metric,value,n_params"
ROW = "m,t,acc,0.5,1000"


def table(folder: Path, *lines: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


def test_only_names_a_value_and_a_size_are_needed(tmp_path):
    read = read_points(table(tmp_path, HEADER, ROW, name="mine.csv"))
    assert list(read) == POINTS.columns
    row = read.iloc[0]
    assert (row["ladder"], row["model"], row["task"], row["metric"]) == ("mine", "m", "t", "acc")
    assert (row["value"], row["n_params"], bool(row["is_final"])) == (0.5, 1000, True)
    assert row[["n_tokens", "train_flops", "step", "stderr", "n_items", "chance"]].isna().all()


def test_compute_follows_from_size_and_tokens_but_is_not_overwritten(tmp_path):
    header = f"{HEADER},n_tokens,train_flops"
    read = read_points(
        table(tmp_path, header, f"{ROW},2000,", "n,t,acc,0.5,6900000000,300000000000,", "o,t,acc,.5,1000,2000,7e6")
    )
    assert read["train_flops"].tolist() == [12e6, 6 * 6.9e9 * 3e11, 7e6]


def test_an_untrained_checkpoint_is_kept(tmp_path):
    read = read_points(table(tmp_path, f"{HEADER},n_tokens,step,is_final", f"{ROW},0,0,False", f"{ROW},500,1,true"))
    assert read["train_flops"].tolist() == [0, 3e6]
    assert read["is_final"].tolist() == [False, True]


def test_integers_past_64_bits_are_read(tmp_path):
    """Pandas reads them as objects, and 6 N D of whole numbers would overflow."""
    read = read_points(table(tmp_path, f"{HEADER},train_flops", f"{ROW},380000000000000000000000", f"n{ROW},7000000"))
    assert read["train_flops"].tolist() == [3.8e23, 7e6]


def test_compute_alone_is_a_size(tmp_path):
    read = read_points(table(tmp_path, "model,task,metric,value,train_flops", "m,t,acc,0.5,1e20"))
    assert read["train_flops"].tolist() == [1e20]
    assert read["n_params"].isna().all()


def test_other_columns_are_kept_and_seeds_tell_rows_apart(tmp_path):
    read = read_points(table(tmp_path, f"{HEADER},seed,corpus", f"{ROW},0,c4", f"{ROW},1,"))
    assert list(read) == [*POINTS.columns, "seed", "corpus"]
    assert len(read.query("seed == 1 and corpus.isna()")) == 1


def test_text_that_looks_like_a_number_or_nothing_stays_text(tmp_path):
    read = read_points(table(tmp_path, HEADER, "007,nan,acc,1,1000", "7,null,acc,0,1000"))
    assert read["model"].tolist() == ["007", "7"]
    assert read["task"].tolist() == ["nan", "null"]


def test_spreadsheets_tables_are_read(tmp_path):
    """A byte order mark, lines that end in CR LF, blank lines and rows of bare commas."""
    path = tmp_path / "x.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n\r\n{ROW}\r\n,,,,\r\n".encode())
    assert len(read_points(path)) == 1
    path.write_bytes(path.read_bytes() + b"n,t,acc,2,1000\r\n")
    with pytest.raises(TasklawsError, match=r"x.csv:5: value is 2.0"):
        read_points(path)


@pytest.mark.parametrize("metric", sorted(LOSSES))
def test_losses_may_exceed_one_but_not_be_negative(tmp_path, metric):
    assert read_points(table(tmp_path, HEADER, f"m,t,{metric},7.5,1000"))["value"].tolist() == [7.5]
    with pytest.raises(TasklawsError, match=r"value is -7.5: a loss is 0 or more"):
        read_points(table(tmp_path, HEADER, f"m,t,{metric},-7.5,1000"))


def test_sizes_go_by_other_names_each_by_one(tmp_path):
    read = read_points(table(tmp_path, "model,task,metric,value,N,D", "m,t,acc,.5,1000,2000"))
    assert (read["n_params"].item(), read["n_tokens"].item(), read["train_flops"].item()) == (1000, 2000, 12e6)
    with pytest.raises(TasklawsError, match=r"x.csv: columns 'params' and 'N' are both n_params"):
        read_points(table(tmp_path, "model,task,metric,value,params,N,D", "m,t,acc,.5,700,1000,2000"))
    with pytest.raises(TasklawsError, match=r"x.csv:2: N is '1 kilo': give a number"):
        read_points(table(tmp_path, "model,task,metric,value,N", "m,t,acc,.5,1 kilo"))


def test_a_law_needs_no_more_than_values(tmp_path):
    read = read_curves(table(tmp_path, "N,D,ce", "1000,2000,3.5", "1000,2000,3.6", "1000,,3.7"))
    assert read["value"].tolist() == [3.5, 3.6, 3.7]
    assert set(read["metric"]) == {"ce"}
    assert {"model", "task", "stderr"}.isdisjoint(read)
    assert read["train_flops"].tolist()[:2] == [12e6, 12e6]
    learning = read_curves(table(tmp_path, "model,task,metric,value,n_examples", "m,t,ce,3,1000", "m,t,ce,2,2000"))
    assert learning["n_tokens"].tolist() == [1000, 2000]
    assert read_curves(table(tmp_path, "n_params,value", "1000,900"))["value"].tolist() == [900]  # of no known kind


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["n_params,metric,value", "1000,acc,57.3"],
            ":2: value is 57.3: a metric that is no known loss lies in [0, 1]",
        ),
        (["n_params,loss", "1000,-1"], ":2: value is -1.0: a loss is 0 or more"),
        (["n_params,loss", "1000,2", "2000,"], ":3: value is empty: a result needs one"),
        (["n_params,loss", "1000,two", "2000,2", "3000,2"], ":2: loss is 'two': give a number"),
        (["n_params,width", "1000,2"], ": no column 'value'"),
        (
            ["n_params,loss,model", "1000,2,m", "1000,3,m"],
            ":3: same as X:2 (ladder x, model m, metric loss, n_params 1000.0)",
        ),
    ],
)
def test_laws_and_forecasts_refuse_the_same_rows(tmp_path, lines, said):
    path = table(tmp_path, *lines)
    with pytest.raises(TasklawsError) as error:
        read_curves(path)
    assert str(error.value).startswith(str(path) + said.replace("X", str(path)))


def test_what_counts_as_a_loss_of_the_pipelines_own_metrics():
    assert {metric for metric in METRIC_RANGES if is_loss(metric)} == {"target_bits_per_byte", "brier"}


EXTRA = f"{HEADER},n_tokens,train_flops,step,is_final,stderr,n_items,chance"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER, ROW, "n,t,acc,1.2,1000"], ":3: value is 1.2: a metric that is no known loss lies in [0, 1]"),
        ([HEADER, "m,t,acc,-0.1,1000"], ":2: value is -0.1: a metric that is no known loss lies in [0, 1]"),
        ([HEADER, "m,t,acc,,1000"], ":2: value is empty: a result needs one"),
        ([HEADER, "m,t,acc,NaN,1000"], ":2: value is 'NaN': give a number"),
        ([HEADER, ROW, "m,t,acc,inf,1000"], ":3: value is inf: give a finite number"),
        ([HEADER, "m,t,acc,57%,1000", "n,t,acc,.5,1000"], ":3: value is '.5': other cells have %"),
        ([HEADER, "m,t,acc,True,1000"], ":2: value is 'True': give a number"),
        ([HEADER, "m,t,acc,.5,125 MB"], ":2: n_params is '125 MB': give a number"),
        ([HEADER, "m,t,acc,.5,0"], ":2: n_params is 0.0: a model's size is positive"),
        ([HEADER, "m,t,acc,.5,1e999"], ":2: n_params is inf: give a finite number"),
        ([HEADER, "m,t,acc,.5,"], ":2: n_params is empty: a row needs n_params, or train_flops"),
        ([HEADER, ",t,acc,.5,1000"], ":2: model is empty: a result needs one"),
        ([HEADER, ROW, "", ROW], ":4: same as X:2 (ladder x, model m, task t, metric acc): keep one row for each"),
        ([f"{HEADER},n_items,n_eff", f"{ROW},100,0.5"], ":2: n_eff is 0.5: items are worth 1 to n_items"),
        ([f"{HEADER},n_items,n_eff", f"{ROW},100,101"], ":2: n_eff is 101.0: items are worth 1 to n_items"),
        ([f"{HEADER},n_eff", f"{ROW},few"], ":2: n_eff is 'few': give a number"),
        ([HEADER], ": no rows: give at least one"),
        ([], ": malformed table (No columns to parse from file)"),
        ([HEADER, ROW, "", f"{ROW},1"], ":4: 6 cells under a header of 5"),
        ([HEADER, f"{ROW},1"], ":2: 6 cells under a header of 5: remove what is too much"),
        (
            [HEADER.replace("metric", "kind"), ROW],
            ": no column 'metric' among 'model', 'task', 'kind'",
        ),
        ([HEADER.replace("n_params", "size"), ROW], ":2: n_params is empty: a row needs n_params, or train_flops"),
        ([HEADER.replace("n_params", "value"), ROW], ": column 'value' appears twice"),
        ([EXTRA, f"{ROW},-1,,,,,,"], ":2: n_tokens is -1.0: give 0 (untrained) or more"),
        ([EXTRA, f"{ROW},,-1,,,,,"], ":2: train_flops is -1.0: give 0 (untrained) or more"),
        ([EXTRA, f"{ROW},,,-1,,,,"], ":2: step is -1.0: give 0 (untrained) or more"),
        ([EXTRA, f"{ROW},,,,maybe,,,"], ":2: is_final is 'maybe': write True or False"),
        ([EXTRA, f"{ROW},,,,,-0.1,,"], ":2: stderr is -0.1: a standard error is 0 or more"),
        ([EXTRA, f"{ROW},,,,,,0,"], ":2: n_items is 0.0: give a whole number, 1 or more"),
        ([EXTRA, f"{ROW},,,,,,2.5,"], ":2: n_items is 2.5: give a whole number"),
        ([HEADER, ROW, "m,u,acc,0.5,2000"], ":3: n_params of model 'm' is 2000, and 1000 before: give one size"),
        ([HEADER, ROW, "", "m,t"], ":4: 2 cells under a header of 5: give all cells"),
        ([EXTRA, f"{ROW},,,,,,,1"], ":2: chance is 1.0: a guess scores in [0, 1)"),
        ([EXTRA, f"{ROW},,,,,,,-0.5"], ":2: chance is -0.5: a guess scores in [0, 1)"),
    ],
)
def test_what_cannot_be_is_refused_by_its_line_and_value(tmp_path, lines, said):
    path = table(tmp_path, *lines)
    with pytest.raises(TasklawsError) as error:
        read_points(path)
    assert str(error.value).startswith(str(path) + said.replace("X", str(path)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(f"{HEADER}\n{ROW}\n".encode(), mtime=0)[:-12], "is not a whole gzip file"),
        (f"{HEADER}\n{ROW}\n".encode(), "is not a whole gzip file"),
        (gzip.compress(b"\x80", mtime=0), "is not UTF-8 text"),
        (None, "does not exist"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content, said):
    path = tmp_path / "x.csv.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TasklawsError, match=said):
        read_points(path)


@pytest.mark.parametrize("rungs", [1, 2])
def test_few_rungs_and_constant_values_are_read(tmp_path, rungs):
    assert (
        len(read_points(table(tmp_path, HEADER, *(f"m{rung},t,acc,0.5,{rung + 100}" for rung in range(rungs)))))
        == rungs
    )


# Spaces around a name do not count, and a size in a model's name must be its size.
names = st.text(min_size=1, max_size=8).filter(
    lambda name: name == name.strip() and not re.search(r"[\0\r]|\d[kmbt]", name, re.IGNORECASE)
)
optional = st.none() | st.floats(0, 0.99, allow_subnormal=False)


@st.composite
def point(draw: st.DrawFn) -> dict[str, object]:
    sizes = draw(st.tuples(st.integers(100, 10**12), st.none() | st.just(0) | st.integers(100, 10**13)))
    return {
        "ladder": draw(names),
        "model": draw(names),
        "n_params": sizes[0],
        "n_tokens": sizes[1],
        "step": draw(st.none() | st.integers(0, 10**6)),
        "is_final": draw(st.booleans()),
        "task": draw(names),
        "metric": draw(st.sampled_from(["acc", "exact_match", "loss"])),
        "value": draw(st.floats(0, 1, allow_subnormal=False)),
        "stderr": draw(st.none() | st.floats(0, 0.5, allow_subnormal=False)),
        "n_items": draw(st.none() | st.integers(1, 10**6)),
        "chance": draw(optional),
    }


KEYS = ("ladder", "model", "step", "task", "metric")


def same_keys(read: pd.DataFrame, row: dict[str, object]) -> pd.Series:
    same = [read[key].isna() if row[key] is None else read[key] == row[key] for key in KEYS]
    return pd.concat(same, axis="columns").all(axis="columns")


@settings(max_examples=25)
@given(
    st.lists(point(), min_size=1, max_size=6, unique_by=(lambda row: row["model"], lambda row: row["task"])),
    st.randoms(),
)
def test_what_was_written_is_read_and_written_the_same(tmp_path_factory, rows, random):
    folder = tmp_path_factory.mktemp("points")
    wanted = complete(
        pd.DataFrame(rows).astype(dict.fromkeys(["n_tokens", "step", "stderr", "n_items", "chance"], float))
    )
    for name in ("a.csv", "a.csv.gz"):
        write_points(folder / name, wanted)
        read = read_points(folder / name)
        assert len(read) == len(rows)
        for row in rows:
            (found,) = read[same_keys(read, row)].to_dict("records")
            for column in ("value", "stderr", "chance", "n_params", "n_tokens", "n_items"):
                value = np.nan if row[column] is None else row[column]
                assert found[column] == pytest.approx(value, rel=1e-9, nan_ok=True)
        write_points(folder / f"again-{name}", read.iloc[random.sample(range(len(read)), len(read))])
        assert (folder / f"again-{name}").read_bytes()[10:] == (folder / name).read_bytes()[10:]


@pytest.mark.parametrize("name", ["pythia", "olmo_ladder", "gadre", "bigg"])
def test_published_ladders_are_read_whole(tmp_path, name):
    path = shared(f"ladders/{name}.csv.gz")
    read = read_points(path)
    raw = pd.read_csv(path)
    assert list(read) == list(raw)
    assert len(read) == len(raw)
    assert (read["value"] == raw["value"]).all()
    assert (read["step"] == 0).sum() == (raw["step"] == 0).sum()
    assert read["train_flops"].isna().equals(raw["train_flops"].isna())


@pytest.mark.heavy
def test_a_million_rows_are_read_in_seconds(tmp_path):
    count = 1_000_000
    made = pd.DataFrame({"model": np.arange(count) % 1000, "task": np.arange(count) // 1000, "metric": "acc"})
    made = made.assign(value=0.5, n_params=made["model"] + 100)
    made.to_csv(tmp_path / "x.csv", index=False)
    start = time.process_time()
    assert len(read_points(tmp_path / "x.csv")) == count
    assert time.process_time() - start < 20
