"""Units that are stated twice or for some cells, and what a wide table has beside results."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.tables import direction, may_be_share
from tasklaws.tabular.names import parse_units
from tasklaws.tabular.points import read_curves, read_points

SIZES = [1e7, 3e7, 7e7, 3e8]
SCORES = [0.26, 0.37, 0.57, 0.68]


def write(folder, text, name="p.csv"):
    path = folder / name
    path.write_text(text)
    return path


def rows(head, line):
    cells = zip("abcd", SIZES, SCORES, strict=True)
    return head + "\n" + "".join(line.format(name=name, size=size, score=score) + "\n" for name, size, score in cells)


def test_a_unit_that_stands_twice_counts_once(tmp_path):
    percent = parse_units(["value=percent"])
    wide = write(tmp_path, rows("model,params,arc (%),piqa", "{name},{size:.0f},{score:.0%},{score:.0%}"))
    wide.write_text(wide.read_text().replace("%,", ",").replace("%\n", "\n"))
    assert read_points(wide, units=percent)["value"].to_list() == [score for score in SCORES for _ in "ab"]
    in_cells = rows("model,params (B),task,metric,score (%)", "{name},{size:.0f},quiz,acc,{score:.0%}")
    for size, cell in zip(SIZES, ("10M", "30M", "0.07", "0.3B"), strict=True):
        in_cells = in_cells.replace(f",{size:.0f},", f",{cell},")
    read = read_points(write(tmp_path, in_cells, "cells.csv"))
    assert read["n_params"].to_list() == SIZES
    assert read["value"].to_list() == SCORES
    with pytest.raises(TasklawsError, match=r"a column or row of the table states 0.01: keep one"):
        read_points(wide, units={"value": 1.0})


@given(st.integers(1, 10**6), st.sampled_from(["params (B)", "tokens_T", "flops_e21"]))
def test_a_number_in_another_unit_is_the_same_to_the_last_digit(tmp_path_factory, thousandths, name):
    path = write(tmp_path_factory.mktemp("t"), f"{name},loss\n{thousandths}e-3,2\n1e6,2\n")
    power = {"params (B)": 6, "tokens_T": 9, "flops_e21": 18}[name]
    column = {"params (B)": "n_params", "tokens_T": "n_tokens", "flops_e21": "train_flops"}[name]
    assert read_curves(path, units={"value": 1.0})[column].iloc[0] == float(f"{thousandths}e{power}")


def test_percent_are_of_scores_and_error_rates_and_not_of_losses_beside_them(tmp_path):
    text = "model,N,task,metric,value\na,1e7,t,acc,57\na,1e7,t,val_loss,3.3\na,1e7,t,error_rate,43\n"
    read = read_points(write(tmp_path, text), units=parse_units(["value=percent"]))
    assert read["value"].to_list() == [0.57, 3.3, 0.43]
    assert any("'val_loss': as they stand" in note for note in read.attrs["notes"])
    columns = write(tmp_path, "model,N,task,acc,loss\na,1e7,t,57,3.3\n")
    assert read_points(columns, units=parse_units(["value=percent"]))["value"].to_list() == [0.57, 3.3]
    assert may_be_share("top1_err")
    assert may_be_share("my_thing")
    assert not may_be_share("eval/loss")


def test_standard_errors_beside_percent_need_a_unit_of_their_own(tmp_path):
    path = write(tmp_path, "model,N,task,acc (%),acc_stderr\na,1e7,t,57,1.2\nb,1e8,t,60,1.2\n")
    with pytest.raises(TasklawsError, match="'acc_stderr' states no unit: give --units stderr=percent"):
        read_points(path)
    assert read_points(path, units=parse_units(["stderr=percent"]))["stderr"].to_list() == [0.012, 0.012]


def test_standard_errors_settings_and_averages_are_no_tasks_of_a_wide_table(tmp_path):
    head = "model,N,layers,lr,arc,arc_stderr,piqa,AVG acc,wikitext_ppl"
    path = write(tmp_path, rows(head, "{name},{size:.0f},12,3e-4,{score},0.01,{score},{score},{size:.0f}"))
    read = read_points(path)
    assert read["task"].unique().tolist() == ["arc", "piqa", "wikitext"]
    assert read.loc[read["task"] == "arc", "stderr"].eq(0.01).all()
    assert read.loc[read["task"] == "piqa", "stderr"].isna().all()
    assert any("'layers', 'lr', 'AVG acc' are taken for no tasks" in note for note in read.attrs["notes"])


def test_rows_of_tasks_name_units_metrics_and_dates_as_columns_do(tmp_path):
    text = "task,a,b\nparams,10M,0.03B\ndate,2024-05-01,2025-05-01\narc (%),26,37\nval_bpb,0.9,0.8\n"
    read = read_points(write(tmp_path, text)).set_index(["task", "model"])
    assert read["value"].to_dict() == {("arc", "a"): 0.26, ("arc", "b"): 0.37, ("val", "a"): 0.9, ("val", "b"): 0.8}
    assert read.loc["val", "metric"].eq("bpb").all()
    assert read.loc["arc", "metric"].eq("score").all()
    assert read.loc["arc", "n_params"].to_list() == [1e7, 3e7]
    assert read.loc["arc", "date"].to_list() == ["2024-05-01", "2025-05-01"]
    both = "task,metric,a,b\nn_params,,1e7,1e8\narc,acc,.3,.4\narc,loss,3,2\n"
    assert read_points(write(tmp_path, both))["metric"].value_counts().to_dict() == {"acc": 2, "loss": 2}


def test_a_comma_that_may_set_thousands_apart_is_asked_about(tmp_path):
    text = "model;N;task;metric;value;n_items\na;1e7;t;acc;0,3;{}\nb;1e8;t;acc;0,4;500\n"
    with pytest.raises(TasklawsError, match="n_items is '10,000': a decimal comma, or thousands"):
        read_points(write(tmp_path, text.format("10,000")))
    assert read_points(write(tmp_path, text.format("10000")))["value"].to_list() == [0.3, 0.4]
    with pytest.raises(TasklawsError, match="n_items is '1,319': write it without marks between thousands"):
        read_points(write(tmp_path, 'model,N,task,metric,value,n_items\na,1e7,t,acc,.3,"1,319"\n'))


def test_a_refusal_of_a_wide_cell_names_its_column(tmp_path):
    path = write(tmp_path, "model,N,arc,wikitext\na,1e7,.3,19.7\n")
    with pytest.raises(TasklawsError, match=r"value is 19.7: .*'score' of 'wikitext'"):
        read_points(path)
    with pytest.raises(TasklawsError, match=r"p.csv:2: metric 'wibble': is more of it better"):
        read_points(write(tmp_path, "model,N,task,metric,value\na,1e7,t,wibble,.3\n"))


def test_an_integer_of_hundreds_of_digits_is_refused_in_json_too(tmp_path):
    row = {"model": "a", "n_params": 10**400, "task": "t", "metric": "acc", "value": 0.3}
    with pytest.raises(TasklawsError, match="n_params is inf: give a finite number"):
        read_points(write(tmp_path, json.dumps(row) + "\n", "p.jsonl"))


def test_a_chance_that_differs_within_a_task_is_told(tmp_path):
    text = "model,N,task,metric,value,chance\na,1e7,t,acc,.3,.25\nb,1e8,t,acc,.4,.5\n"
    notes = read_points(write(tmp_path, text)).attrs["notes"]
    assert any("chance differs between the rows of 1 task(s), as 't': 0.25 to 0.5" in note for note in notes)


def test_one_minus_a_score_is_no_score():
    assert direction("1-acc") is None
    assert direction("1 - accuracy") is None
    assert direction("top1_acc") == "up"
    assert np.all([direction(name) == "up" for name in ("pass@1", "mc1", "acc")])
