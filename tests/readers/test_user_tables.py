"""Tables as people have them: layouts, delimiters, names, units and dates; read right, or refused with a remedy."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.user_tables import MOST_IN_A_ROW, open_table, table_name
from tasklaws.tables import ITEM_SCORES, MODELS, POINTS
from tasklaws.tabular.gaps import test_sets as known_test_sets
from tasklaws.tabular.names import (
    ALIASES,
    ITEM_ALIASES,
    known_as,
    normal,
    one_edit,
    parse_directions,
    parse_units,
    split_unit,
)
from tasklaws.tabular.numbers import iso_days, letters_as_scores
from tasklaws.tabular.points import read_curves, read_points
from tasklaws.tabular.reading import read_named

SIZES = {"a-10m": 1e7, "b-30m": 3e7, "c-100m": 1e8, "d-300m": 3e8, "e-1b": 1e9, "f-3b": 3e9}
SCORES = [0.26, 0.3, 0.37, 0.46, 0.57, 0.68]


def write(folder: Path, text: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def tidy(head: str = "model,n_params,task,metric,value", row: str = "{name},{size:.0f},quiz,acc,{score}") -> str:
    rows = [
        row.format(name=name, size=size, score=score) for (name, size), score in zip(SIZES.items(), SCORES, strict=True)
    ]
    return "\n".join([head, *rows]) + "\n"


def refusal(path: Path, read=read_points, **options) -> str:
    with pytest.raises(TasklawsError) as error:
        read(path, **options)
    assert len(str(error.value)) <= 500
    assert "\n" not in str(error.value)
    return str(error.value)


def alike(read: pd.DataFrame, other: pd.DataFrame) -> None:
    columns = ["model", "n_params", "task", "metric", "value"]
    pd.testing.assert_frame_equal(read[columns], other[columns])


# ---- layouts ---------------------------------------------------------------------------------------------------------


def test_a_row_a_model_and_a_column_a_task_is_told_and_shown(tmp_path):
    rows = "".join(
        f"{name},{size:.0f},{score},{score / 2},\n" for (name, size), score in zip(SIZES.items(), SCORES, strict=True)
    )
    read = read_points(write(tmp_path, f"model,params,quiz,riddle,empty\n{rows}"))
    assert len(read) == 12
    assert read.loc[read["task"] == "quiz", "value"].tolist() == SCORES
    assert read.groupby("model")["n_params"].first().to_dict() == SIZES
    assert any(
        "read as wide, 6 models (rows) x 2 tasks (columns 'quiz', 'riddle')" in line for line in read.attrs["notes"]
    )
    assert any("--direction score=down" in line for line in read.attrs["notes"])


def test_a_row_a_task_and_a_column_a_model_takes_sizes_from_their_rows(tmp_path):
    head = "Benchmark," + ",".join(SIZES)
    sizes = "params (M)," + ",".join(f"{size / 1e6:g}" for size in SIZES.values())
    scores = [
        f"{task}," + ",".join(str(score - lower) for score in SCORES) for task, lower in (("quiz", 0), ("riddle", 0.01))
    ]
    read = read_points(write(tmp_path, "\n".join([head, sizes, *scores]) + "\n"))
    assert len(read) == 12
    assert read.groupby("model")["n_params"].first().to_dict() == SIZES
    assert read.loc[read["task"] == "quiz", "value"].tolist() == SCORES
    unnamed = write(tmp_path, "\n".join([head, sizes, scores[0].replace("quiz", "")]) + "\n", "y.csv")
    assert "y.csv:3: task is empty" in refusal(unnamed)
    assert any("wide-tasks" in line for line in read.attrs["notes"])


def test_wide_columns_may_name_metrics_beside_tasks(tmp_path):
    read = read_points(
        write(
            tmp_path, "model,N,quiz_acc,riddle/bpb,Average,d_model\nm,1000,0.5,1.5,1.0,4096\nn,2000,.6,1.4,1.0,8192\n"
        )
    )
    assert set(zip(read["task"], read["metric"], strict=True)) == {("quiz", "acc"), ("riddle", "bpb")}
    assert set(read["d_model"]) == {4096, 8192}
    assert any("'Average', 'd_model' are taken for no tasks" in line for line in read.attrs["notes"])


def test_a_first_column_without_a_known_name_needs_the_layout_stated(tmp_path):
    path = write(tmp_path, "system,quiz,riddle\nm,0.5,0.6\nn,0.6,0.7\n")
    assert "--layout wide" in refusal(path)
    assert "a row needs n_params" in refusal(path, layout="wide")  # read then, but of no size
    path = write(tmp_path, "system,n_params,quiz,riddle\nm,1000,0.5,0.6\nn,2000,0.6,0.7\n")
    assert set(read_points(path)["model"]) == {"m", "n"}  # a column of sizes says that rows are models


def test_several_metrics_with_a_column_each_are_rows_of_their_own(tmp_path):
    read = read_curves(write(tmp_path, "N,D,loss,bpb\n1000,2000,3,1\n2000,2000,2,0.9\n"))
    assert read.groupby("metric")["value"].apply(list).to_dict() == {"loss": [3, 2], "bpb": [1, 0.9]}
    read = read_points(write(tmp_path, "model,N,task,acc,acc_stderr\nm,1000,quiz,0.5,0.01\n"))
    assert (read["metric"].item(), read["value"].item(), read["stderr"].item()) == ("acc", 0.5, 0.01)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tsv", "semicolons", "decimal commas", "gz", "jsonl", "parquet", "utf-16", "spaces"])
def test_every_form_of_a_file_reads_the_same(tmp_path, form):
    text = tidy()
    wanted = read_points(write(tmp_path, text))
    rows = pd.read_csv(tmp_path / "x.csv")
    path = tmp_path / {"tsv": "y.tsv", "gz": "y.csv.gz", "jsonl": "y.jsonl", "parquet": "y.parquet"}.get(form, "y.csv")
    if form == "parquet":
        rows.to_parquet(path)
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_dict("records")))
    else:
        if form in ("tsv", "semicolons", "decimal commas"):
            text = text.replace(",", "\t" if form == "tsv" else ";")
        if form == "decimal commas":
            text = text.replace(".", ",")
        if form == "spaces":
            text = text.replace(",", " , ")
        content = text.encode("utf-16" if form == "utf-16" else "utf-8")
        path.write_bytes(gzip.compress(content) if form == "gz" else content)
    read = read_points(path)
    alike(read, wanted)
    assert set(read["ladder"]) == {"y"}
    assert any("semicolons" in line for line in read.attrs["notes"]) == (form in ("semicolons", "decimal commas"))
    assert any("decimal commas" in line for line in read.attrs["notes"]) == (form == "decimal commas")


def test_parquet_without_pyarrow_is_refused_with_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")

    def missing(*_: object) -> None:
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd, "read_parquet", missing)
    assert "pip install 'tasklaws[parquet]'" in refusal(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.parquet", b"PAR1 and no more", "is no whole Parquet file"),
        ("x.xlsx", b"PK", "save the sheet as CSV"),
        ("x.jsonl", b'{"model": "m"}\n[1]\n', "x.jsonl:2: [1] is no JSON object"),
        ("x.jsonl", b'{"value": NaN}\n', "x.jsonl:1: no JSON object (NaN is no number"),
        ("x.jsonl", b'{"value": 1, "value": 2}\n', "a name appears twice"),
        ("x.jsonl", b"[" * 100_000, "x.jsonl:1: no JSON object"),
        ("x.csv", b"a,b\n1,2\0\n", "x.csv:2: a NUL byte"),
        ("x.csv", b'a,b\n"1,2\n', "x.csv:2: malformed row"),
        ("x.csv", b"a,b\n1,2\n3\n", "x.csv:3: 1 cells under a header of 2: give all cells"),
        ("x.csv", b'a,b\n"x\ny",2\n3\n', "x.csv:4: 1 cells under a header of 2"),
        ("x.csv", b"a,b\n" + b"9" * 300_000 + b",1\n", "x.csv:2: a cell of more than"),
        ("x.csv", ",".join(f"c{number}" for number in range(100_000)).encode() + b"\n1\n", "has 100000 columns"),
        ("x.csv", b"\na,b\n1,2\n", "line 1 is empty"),
        ("x.csv", b"a,,\n1,2,3\n", "columns 2 and 3 have no name"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_its_line(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refusal(path)


def test_a_refusal_shows_no_more_than_the_beginning_of_a_cell(tmp_path):
    path = write(tmp_path, tidy() + "m,1000,quiz,acc," + "x" * 50_000 + "\n")
    assert ":8: value is 'xxx" in refusal(path)


def test_a_device_is_no_table():
    assert "is a device" in refusal(Path("/dev/zero"))


def test_an_index_column_and_trailing_commas_are_left_out(tmp_path):
    wanted = read_points(write(tmp_path, tidy()))
    pd.read_csv(tmp_path / "x.csv").to_csv(tmp_path / "y.csv")
    alike(read_points(tmp_path / "y.csv"), wanted)
    alike(read_points(write(tmp_path, tidy().replace("\n", ",\n"))), wanted)


# ---- names -----------------------------------------------------------------------------------------------------------


def test_a_name_is_one_columns_in_every_table():
    for known in (POINTS.columns, MODELS.columns):
        for column in known:
            assert known_as(column.replace("_", " ").title(), known) == column
            for alias in ALIASES.get(column, "").split():
                assert known_as(alias, known) == column, alias
    for column in ITEM_SCORES.columns:
        assert known_as(column.upper(), ITEM_SCORES.columns, ITEM_ALIASES) == column


@given(st.data())
def test_a_letter_off_a_known_name_is_never_taken_in_silence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("near")
    name = data.draw(
        st.sampled_from(["chance", "n_items", "stderr", "n_tokens", "train_flops", "higher_is_better", "date"])
    )
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("bjqxz"))
    changed = data.draw(
        st.sampled_from(
            [name[:at] + name[at + 1 :], name[:at] + letter + name[at:], name[:at] + letter + name[at + 1 :]]
        )
    )
    if known_as(changed, [*POINTS.columns, "date"]) is None:
        path = write(
            folder, tidy(f"model,n_params,task,metric,value,{changed}", "{name},{size:.0f},quiz,acc,{score},0.1")
        )
        assert "rename it to" in refusal(path)


def test_names_in_capitals_and_spaces_are_the_known_ones(tmp_path):
    head = "Model Name,Model Size,Benchmark,Metric,Value,Chance,N Items"
    read = read_points(write(tmp_path, tidy(head, "{name},{size:.0f},quiz,acc,{score},0.25,1000")))
    assert read["n_params"].tolist() == list(SIZES.values())
    assert set(read["chance"]) == {0.25}
    assert set(read["n_items"]) == {1000}


def test_unknown_columns_stay_and_are_named(tmp_path):
    read = read_points(
        write(
            tmp_path,
            tidy("model,n_params,task,metric,value,organisation,n_layers", "{name},{size:.0f},quiz,acc,{score},us,12"),
        )
    )
    assert set(read["organisation"]) == {"us"}
    assert len(read.query("n_layers == 12")) == 6
    assert any("columns kept as they are: 'organisation', 'n_layers'" in line for line in read.attrs["notes"])


def test_one_edit_is_a_letter_more_less_other_or_swapped():
    assert all(one_edit("chance", other) for other in ("chance", "chnce", "chancee", "chamce", "hcance", "chanec"))
    assert not any(one_edit("chance", other) for other in ("chan", "change_", "cancel", "hcnace"))
    assert normal(" Model-Size ") == "model_size"


def test_a_refusal_lists_the_names_that_are_known(tmp_path):
    said = refusal(write(tmp_path, "N,D,loss\n1000,2000,3\n"))
    assert "no column 'model' among 'N', 'D', 'loss'" in said
    assert "n_params (N, params)" in said


def test_the_page_on_tables_lists_every_name():
    page = (Path(__file__).parents[2] / "docs/tables.md").read_text()
    for column, others in ALIASES.items():
        assert f"| `{column}` | {', '.join(f'`{name}`' for name in others.split())} |" in page
    assert ", ".join(f"`{name}`" for name in ITEM_ALIASES["task"].split()) in page


def test_models_and_items_are_read_by_the_same_names(tmp_path):
    path = write(tmp_path, "Model Name,Parameters (B),notes\nm,7,x\nn,1.4,\n")
    models = read_named(path, MODELS.columns, ["model", "ladder"], MODELS.numbers, MODELS.keys)
    assert models["n_params"].tolist() == [7e9, 1.4e9]
    path = write(tmp_path, "LLM,item_id,Score,release date\nm,q1,C,2024-05\nn,q1,I,2024-06-01\n")
    items = read_named(
        path, ITEM_SCORES.columns, ["model", "task", "score"], [], ["model", "task", "score"], ITEM_ALIASES
    )
    assert items["task"].tolist() == ["q1", "q1"]
    assert items["date"].tolist() == ["2024-05-16", "2024-06-01"]
    assert letters_as_scores(items["score"]).tolist() == ["1", "0"]


# ---- units -----------------------------------------------------------------------------------------------------------

SUFFIXES = {
    "n_params_b": 1e9,
    "params (B)": 1e9,
    "N [billions]": 1e9,
    "n_params_in_millions": 1e6,
    "Model Size (M)": 1e6,
    "params_e9": 1e9,
}


@pytest.mark.parametrize(("name", "factor"), SUFFIXES.items())
def test_a_unit_in_a_columns_name_is_heeded(tmp_path, name, factor):
    rows = tidy(f"model,{name},task,metric,value", "{name},{size},quiz,acc,{score}")
    for size in SIZES.values():
        rows = rows.replace(f",{size},", f",{size / factor:.10g},")
    assert read_points(write(tmp_path, rows))["n_params"].tolist() == pytest.approx(list(SIZES.values()))


@given(st.sampled_from([1e3, 1e6, 1e9, 1e12, 1e21]), st.sampled_from(["n_params", "n_tokens", "train_flops"]))
def test_any_unit_can_be_stated_by_option(tmp_path_factory, factor, column):
    folder = tmp_path_factory.mktemp("units")
    sizes = {"n_params": 1e10, "n_tokens": 1e12, "train_flops": 1e22}
    rows = "".join(f"m{place},{sizes[column] * 2**place / factor:.12g},quiz,acc,0.5,2020\n" for place in range(3))
    path = write(folder, f"model,{column},task,metric,value,date\n{rows}")
    read = read_points(path, units={column: factor})
    assert read[column].tolist() == pytest.approx([sizes[column] * 2**place for place in range(3)])


@pytest.mark.parametrize(("column", "least"), [("n_params", 100), ("n_tokens", 100), ("train_flops", 1e6)])
@pytest.mark.parametrize("value", [0.01, 0.5, 7, 70.2])
def test_what_cannot_be_a_size_is_refused_with_the_remedy(tmp_path, column, least, value):
    path = write(
        tmp_path, f"model,{column},task,metric,value,date\nm,{value},quiz,acc,0.5,2020\nn,1e14,quiz,acc,0.5,2020\n"
    )
    said = refusal(path)
    assert f"x.csv:2: {column} is {value}" in said
    assert f"--units {column}=" in said
    assert read_points(path, units={column: 1.0})[column].tolist()[0] == value < least


def test_fractions_below_ten_thousand_are_another_unit_and_digitised_sizes_are_not(tmp_path):
    path = write(tmp_path, "model,n_params,task,metric,value\nm,125.5,quiz,acc,0.5\nn,6900,quiz,acc,0.6\n")
    assert "x.csv:2: n_params is 125.5: too small" in refusal(path)
    path = write(tmp_path, "model,n_params,task,metric,value\nm,57304123.7,quiz,acc,0.5\nn,6900000000,quiz,acc,0.6\n")
    assert read_points(path)["n_params"].tolist()[0] == 57304123.7


def test_a_models_name_tells_that_its_size_has_another_unit(tmp_path):
    rows = tidy(row="{name},{size},quiz,acc,{score}")
    for size in SIZES.values():
        rows = rows.replace(f",{size},", f",{size / 1e4:.0f},")
    assert "its name says otherwise" in refusal(write(tmp_path, rows))


def test_flops_that_are_far_from_6nd_in_every_row_are_refused(tmp_path):
    path = write(tmp_path, "model,N,D,C,task,metric,value\nm,1000000,20000000,1200000,quiz,acc,0.5\n")
    assert "which has another unit?" in refusal(path)


def test_cells_with_units_are_read(tmp_path):
    path = write(tmp_path, "model,N,D,task,metric,value\nm,7B,1.4T,quiz,acc,45%\nn,350M,300 B,quiz,acc,50.5%\n")
    read = read_points(path)
    assert read["n_params"].tolist() == [7e9, 350e6]
    assert read["n_tokens"].tolist() == [1.4e12, 300e9]
    assert read["value"].tolist() == [0.45, 0.505]
    assert any("'7B' read as 7e+09" in line for line in read.attrs["notes"])


def test_percent_are_refused_unless_stated_and_never_clipped(tmp_path):
    rows = tidy(row="{name},{size:.0f},quiz,acc,{score}")
    for score in SCORES:
        rows = rows.replace(f",{score}\n", f",{score * 100:.0f}\n")
    path = write(tmp_path, rows)
    assert "x.csv:2: value is 26.0" in refusal(path)
    assert "--units value=percent" in refusal(path)
    assert read_points(path, units=parse_units(["value=percent"]))["value"].tolist() == pytest.approx(SCORES)
    named = write(tmp_path, rows.replace("metric,value", "metric,score (%)"))
    assert read_points(named)["value"].tolist() == pytest.approx(SCORES)
    assert "--units stderr=percent" in refusal(
        write(tmp_path, "model,N,task,metric,value_pct,stderr\nm,1000,quiz,acc,45,0.4\n")
    )


def test_units_are_parsed_or_refused():
    assert parse_units(["n_params=1e9,value=percent", "n_tokens=T"]) == {
        "n_params": 1e9,
        "value": 0.01,
        "n_tokens": 1e12,
    }
    assert split_unit("flops_e21") == ("flops", 1e21)
    assert split_unit("Training compute (1e21 FLOPs)") == ("Training compute", 1e21)
    assert split_unit("train_flops") == ("train_flops", None)
    for wrong in ("n_params", "n_params=parsec", "=3", "n_params=0", "n_params=-1", "n_params=nan"):
        with pytest.raises(TasklawsError, match="--units"):
            parse_units([wrong])
    assert parse_directions(["wibble=up,wobble=down"]) == {"wibble": "up", "wobble": "down"}
    with pytest.raises(TasklawsError, match="--direction wibble=sideways"):
        parse_directions(["wibble=sideways"])


def test_a_unit_of_no_column_and_two_units_of_one_are_refused(tmp_path):
    path = write(tmp_path, tidy("model,n_params_b,task,metric,value", "{name},1,quiz,acc,{score}"))
    assert "states another unit" in refusal(path, units={"n_params": 1e6})
    assert "--units 'wibble'" in refusal(path, units={"wibble": 1e6})


# ---- directions, dates, what follows ---------------------------------------------------------------------------------


def test_a_loss_under_another_name_is_no_accuracy(tmp_path):
    path = write(tmp_path, tidy(row="{name},{size:.0f},val,val_bpb,{score}"))
    assert any("'val_bpb' less" in line for line in read_points(path).attrs["notes"])


def test_an_unknown_metrics_direction_is_asked_for(tmp_path):
    path = write(tmp_path, tidy(row="{name},{size:.0f},val,wibble,{score}"))
    for read in (read_points, read_curves):
        assert "--direction wibble=up (or down), or a column higher_is_better" in refusal(path, read)
        assert read(path, directions={"wibble": "down"})["higher_is_better"].tolist() == [False] * 6
    path = write(
        tmp_path, tidy("model,n_params,task,metric,value,higher_is_better", "{name},{size:.0f},val,wibble,{score},true")
    )
    assert read_points(path)["higher_is_better"].tolist() == [True] * 6
    path_of_two = write(tmp_path, tidy() + "g,1000,quiz,wibble,0.5\n", "two.csv")
    assert set(read_points(path_of_two)["metric"]) == {"acc"}
    assert any("left out wibble, 1 row(s)" in line for line in read_points(path_of_two).attrs["notes"])
    assert "both directions are stated" in refusal(path, directions={"wibble": "down"})
    assert "no such metric" in refusal(path, directions={"wobble": "down"})


def test_dates_serve_where_sizes_are_unknown(tmp_path):
    read = read_points(
        write(tmp_path, "model,date,task,metric,value\nm,2020-05-01,t,acc,.5\nn,2021-06,t,acc,.6\no,2022,t,acc,.7\n")
    )
    assert read["date"].tolist() == ["2020-05-01", "2021-06-16", "2022-07-02"]
    assert any("2 row(s) name a month or year only" in line for line in read.attrs["notes"])
    assert "(or a date)" in refusal(
        write(tmp_path, "model,date,task,metric,value\nm,2020-05-01,t,acc,.5\nn,,t,acc,.6\n")
    )


def test_days_are_read_in_forms_that_mean_one_day_only():
    given_ = pd.Series(["2024-05-01T10:00:00Z", "May 2024", "3 May 2024", "2024/05/04", None, "2024"], name="date")
    days, line = iso_days(given_)
    assert days.tolist()[:4] == ["2024-05-01", "2024-05-16", "2024-05-03", "2024-05-04"]
    assert days.isna().tolist() == [False, False, False, False, True, False]
    assert "taken as its middle" in line
    for wrong in ("05/06/2024", "2024-13", "2024-02-30", "soon"):
        with pytest.raises(TasklawsError, match="give a date"):
            iso_days(pd.Series([wrong], name="date"))


def test_tokens_follow_from_size_and_flops_with_a_line_that_says_so(tmp_path):
    read = read_curves(write(tmp_path, "N,C,loss\n1e8,1.2e19,3\n1e9,1.2e21,2\n"))
    assert read["n_tokens"].tolist() == pytest.approx([2e10, 2e11])
    assert any("n_tokens of 2 row(s) are train_flops / (6 n_params)" in line for line in read.attrs["notes"])


def test_rows_fill_each_others_gaps_where_all_agree(tmp_path):
    head = "model,n_params,task,metric,value,n_items,chance\n"
    rows = "m,1000,quiz,acc,.5,400,.25\nm,,riddle,acc,.5,300,.5\nn,2000,quiz,acc,.6,,\nn,2000,riddle,acc,.6,200,\n"
    read = read_points(write(tmp_path, f"{head}{rows}o,3000,riddle,acc,.7,,.25\n"))
    assert read["n_params"].tolist() == [1000, 1000, 2000, 2000, 3000]
    assert read["n_items"].tolist()[:4] == [400, 300, 400, 200]
    assert read["n_items"].isna().tolist() == [False] * 4 + [True]  # 300 and 200 do not agree
    assert read["chance"].tolist()[2] == 0.25
    assert read["chance"].isna().tolist() == [False, False, False, True, False]
    notes = " ".join(read.attrs["notes"])
    assert "n_params of m (1 row(s))" in notes
    assert "n_items of quiz (1 row(s))" in notes


def test_the_size_of_a_known_test_set_is_taken_unless_standard_errors_tell_another(tmp_path):
    path = write(tmp_path, "model,N,task,metric,value\nm,1000,hellaswag,acc,.5\nn,2000,other,acc,.5\n")
    read = read_points(path)
    assert read["n_items"].tolist()[0] == known_test_sets()["hellaswag"] == 10042
    assert read["n_items"].isna().tolist() == [False, True]
    assert any("of the known test sets" in line for line in read.attrs["notes"])
    path = write(tmp_path, "model,N,task,metric,value,stderr\nm,1000,hellaswag,acc,.5,0.05\n")  # a hundred items
    assert read_points(path)["n_items"].isna().all()


def test_names_without_endings():
    assert [table_name(Path(name)) for name in ("a.csv", "b.csv.gz", "c.jsonl", "d.parquet", "e")] == list("abcde")
    assert MOST_IN_A_ROW == 10_000


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=5), min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    )
)
def test_rows_stand_on_the_lines_that_the_file_has(tmp_path_factory, rows):
    """Whatever is quoted, and however many lines a cell has."""
    path = tmp_path_factory.mktemp("lines") / "x.csv"
    pd.DataFrame([["c0", "c1"], *rows, ["last", "row"]]).to_csv(path, index=False, header=False)
    text = path.read_text()
    source = open_table(path)
    assert source.lines[-1] == text.removesuffix("\n").count("\n") + 1
    assert len(source.frame(["c0", "c1"])) == len(rows) + 1
