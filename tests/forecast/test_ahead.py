"""Forecasts of models that nobody ran: how they are asked for, what they say, and that nothing later has a part."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, rises, table

import tasklaws as tl
from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.ahead.planned import read_at
from tasklaws.forecast.ahead.verb import NARROWED_BY, forecast
from tasklaws.forecast.backtest import backtest
from tasklaws.forecast.verdict import BACKWARD
from tasklaws.tables import AHEAD_FORECASTS, AHEAD_METHODS
from tasklaws.tabular.points import read_points

NEXT = {"n_params": 7e9, "n_tokens": 1.4e11}
AT = "n_params=7e9,n_tokens=140B"


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return table(draw(rng, rises(rng, 3, SIZES), 500), SIZES, chance=0.0, losses=False)


@pytest.fixture(scope="module")
def dated():
    """Three tasks by date alone, two months apart."""
    rng = np.random.default_rng(1)
    days = np.datetime64("2024-01-15") + 60 * np.arange(6)
    found = table(draw(rng, rises(rng, 3, SIZES), 500), SIZES, losses=False)
    sizes = dict.fromkeys(["n_params", "n_tokens", "train_flops"], np.nan)
    return found.assign(date=days.astype(str)[found["model"].str[1:].astype(int)], **sizes)


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `tasklaws forecast` on a table; what it printed on stdout and stderr."""

    def run(points, *options, status=0):
        points.to_csv(tmp_path / "table.csv", index=False)
        monkeypatch.setattr(sys, "argv", ["tasklaws", "forecast", str(tmp_path / "table.csv"), *options])
        if status:
            with pytest.raises(SystemExit) as end:
                cli.main()
            assert end.value.code == status
        else:
            cli.main()
        return capsys.readouterr()

    return run


# What it says


def test_it_is_the_forecast_that_a_backtest_makes(points):
    """A planned model is forecast as the same model is when it is held out."""
    known = points[points["model"] != "m05"]
    last = points[points["model"] == "m05"].iloc[0]
    planned = forecast(known, {name: last[name] for name in ("n_params", "n_tokens", "train_flops")})
    held_out = backtest(points, fit="model < 'm05'", holdout="model == 'm05'").forecasts
    names = ["task", "predicted", "lower", "upper", "expected_error_points", "headline", "verdict", "evidence"]
    pd.testing.assert_frame_equal(planned.forecasts[names], held_out[names])


def test_every_row_is_whole(points):
    found = forecast(points, NEXT, exceeds=0.5)
    rows = found.forecasts
    assert list(rows["task"]) == ["t00", "t01", "t02"]
    assert set(rows["model"]) == {"7B parameters, 140B tokens"}
    assert (rows["lower"] < rows["predicted"]).all()
    assert (rows["predicted"] < rows["upper"]).all()
    assert rows["p_passes"].between(0, 1).all()
    assert (rows["p_passes"] > 0.5).equals(rows["predicted"] > 0.5)
    assert set(rows["narrowed_by"]) <= set(NARROWED_BY)
    assert rows["part"].between(0.25, 1).all()
    assert (rows["n_tests"] == 6).all()  # one, two and three ahead from three models, and so on
    weights = found.methods.groupby("task")["weight"].sum()
    assert weights.to_numpy() == pytest.approx(1.0)
    assert "on up to 6 earlier forecasts of each task" in found.summary()
    assert f"{7e9 * 1.4e11 / (SIZES[-1] * 20 * SIZES[-1]):.3g} times the training compute" in found.summary()


def test_a_higher_bar_is_passed_less_often(points):
    chances = [forecast(points, NEXT, exceeds=bar).forecasts["p_passes"] for bar in (0.1, 0.5, 0.9)]
    assert (chances[0] >= chances[1]).all()
    assert (chances[1] >= chances[2]).all()


def test_a_loss_passes_by_being_lower(points):
    bits = table(3 * (SIZES / 1e7) ** -0.1, SIZES, metric="bpb", losses=False)
    low, high = (forecast(bits, NEXT, exceeds=bar).forecasts["p_passes"].iloc[0] for bar in (0.5, 2.9))
    assert low < 0.05
    assert high > 0.95


def test_a_nearer_model_is_surer_and_far_ones_wait_for_a_nearer_rung(points):
    near, far = (forecast(points, {"n_params": size, "n_tokens": 20 * size}).forecasts for size in (4e9, 4e11))
    assert far["expected_error_points"].mean() > near["expected_error_points"].mean()
    assert set(far["narrowed_by"]) == {"gap"}


@pytest.mark.parametrize("exceeds", [50, -1, np.inf, np.nan])
def test_a_bar_that_no_score_can_have_is_refused(points, exceeds):
    with pytest.raises(TasklawsError, match=f"exceeds is {exceeds:g}: "):
        forecast(points, NEXT, exceeds=exceeds)


def test_an_axis_of_sizes_needs_sizes(dated):
    with pytest.raises(TasklawsError, match="axis is size, and no model of the table has one"):
        forecast(dated, {"date": "2025-06-01"}, axis="size")
    with pytest.raises(TasklawsError, match="axis is size, and no model of the table has one"):
        backtest(dated, rolling=1, axis="size")


def test_no_planned_size_is_infinite(points):
    with pytest.raises(TasklawsError, match="give a finite number"):
        forecast(points, {"n_params": 7e9, "n_tokens": np.inf})


@pytest.mark.parametrize("count", [1, 2])
def test_from_one_or_two_models_a_far_one_is_less_sure_than_a_near_one(points, count):
    known = points[points["model"] < f"m{count:02}"]
    sizes = (SIZES[count - 1] * times for times in (1.1, 1e4))
    near, far = (forecast(known, {"n_params": size, "n_tokens": 20 * size}).forecasts for size in sizes)
    assert ((far["upper"] - far["lower"]) > (near["upper"] - near["lower"])).all()
    assert set(far["headline"]) == {"not forecastable"}


def test_few_known_models_rest_on_no_test(points):
    found = forecast(points[points["model"] < "m02"], NEXT)
    assert "intervals rest on how far the known models lie apart" in found.summary()
    assert (found.forecasts["n_tests"] == 0).all()


def test_the_verb_is_there_whatever_was_imported_before(points):
    """Python gives a package's name to the package: the verb of that name must answer all the same."""
    import tasklaws.forecast.panel  # noqa: F401

    assert tl.forecast(points, NEXT).to_dict() == forecast(points, NEXT).to_dict()


# How it is asked


def test_models_are_named_in_many_ways(points, tmp_path):
    (tmp_path / "planned.csv").write_text("model,N,tokens\nnext,7e9,140B\n")
    one = forecast(points, read_at([AT])).forecasts
    other = forecast(points, read_at([str(tmp_path / "planned.csv")])).forecasts
    assert set(other["model"]) == {"next"}
    pd.testing.assert_frame_equal(one.drop(columns="model"), other.drop(columns="model"))
    both = forecast(points, [NEXT, {"model": "small", "n_params": 4e9, "n_tokens": 8e10}]).forecasts
    assert both.groupby("model").size().to_dict() == {"7B parameters, 140B tokens": 3, "small": 3}


def test_a_model_without_values_is_planned(points, command, tmp_path):
    row = points.iloc[[-1]].assign(model="next", n_params=7e9, n_tokens=1.4e11, train_flops=np.nan, value=np.nan)
    asked = command(points, "--at", f"model=next,{AT}", "--json")
    stands = command(pd.concat([points, row, row.assign(task="t00")]), "--json")
    assert "planned, as no row has a value: next" in stands.err
    assert json.loads(stands.out)["forecasts"] == json.loads(asked.out)["forecasts"]
    with pytest.raises(TasklawsError, match="value is empty: a result needs one"):
        read_points(tmp_path / "table.csv")


def test_a_wide_table_may_have_planned_models(points, command):
    wide = points.pivot(index=["model", "n_params", "n_tokens"], columns="task", values="value").reset_index()
    planned = pd.DataFrame([{"model": "next", "n_params": 7e9, "n_tokens": 1.4e11}])
    said = json.loads(command(pd.concat([wide, planned]), "--json").out)
    assert {row["model"] for row in said["forecasts"]} == {"next"}
    assert len(said["forecasts"]) == 3


def test_the_command_answers_in_a_table_and_writes_a_page_of_its_own(points, command, tmp_path):
    said = command(points, "--at", AT, "--exceeds", "0.5", "--out", str(tmp_path / "out"))
    assert re.search(r"^\| t00 +\| 0\.\d{3} ", said.out, re.MULTILINE)
    assert "passes 0.5" in said.out
    files = {path.name: path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"forecasts.csv", "methods.csv", "summary.json", "index.html", "forecast-1.svg", "curve-3.svg"} <= set(files)
    assert list(pd.read_csv(files["forecasts.csv"])) == AHEAD_FORECASTS.columns
    assert list(pd.read_csv(files["methods.csv"])) == AHEAD_METHODS.columns
    page = files["index.html"].read_text()
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert page.count("<svg") == 5
    assert "Forecast of 7B parameters, 140B tokens" in page
    before = {name: path.read_bytes() for name, path in files.items()}
    command(points.sample(frac=1, random_state=0), "--at", AT, "--exceeds", "0.5", "--out", str(tmp_path / "out"))
    assert {name: path.read_bytes() for name, path in files.items()} == before


REFUSED = {
    "no model": ([], "nothing is planned: give at"),
    "an unknown key": (["--at", "size=7e9"], "--at 'size=7e9': is no key: write KEY=VALUE"),
    "no number": (["--at", "n_params=big"], "n_params is 'big': give a number"),
    "too small": (["--at", "n_params=7"], "too small: write it out, as 7e9 or 7B"),
    "twice": (["--at", "N=7e9,params=8e9"], "n_params stands twice"),
    "no place": (["--at", "model=next"], "a planned model needs n_params"),
    "no file": (["--at", "planned.csv"], "--at 'planned.csv': no such file"),
    "a known name": (["--at", "model=m01,n_params=7e9"], "planned model 'm01' is in the table already"),
    "a strange ladder": (["--at", "n_params=7e9,ladder=x"], "ladder 'x' is not in the table: it has made_up"),
    "no such date": (["--at", "date=2027-06"], "no known model has a date, by which '2027-06' is to be placed"),
    "a doubtful date": (["--at", "date=05/06/2027"], "give a date: YYYY-MM-DD, YYYY-MM or YYYY"),
    "no such axis": (["--at", "n_params=7e9,loss=2", "--axis", "loss"], "the table has no column loss"),
    "an unknown metric": (["--at", AT, "--metric", "f1"], "metric 'f1' is not in the table"),
    "an unknown task": (["--at", AT, "--tasks", "t99"], "task 't99' is not in the table"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_one_line(points, command, case):
    options, reason = REFUSED[case]
    said = command(points, *options, status=1)
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert reason in said.err


def test_a_table_without_results_is_refused(points, command):
    assert "no model has any" in command(points.assign(value=np.nan), status=1).err


def test_it_says_that_it_looks_backward(points):
    found = forecast(points, {"n_params": 2e7, "n_tokens": 4e8})
    assert found.forecasts["evidence"].str.endswith(BACKWARD).all()
    assert "3 of 3 forecasts are of models smaller than the largest known one: see `evidence`" in found.notes


def test_without_tokens_it_is_placed_by_parameters(points):
    found = forecast(points, {"n_params": 7e9})
    assert set(found.forecasts["placed_by"]) == {"n_params"}
    assert any("placed by parameters alone" in line for line in found.notes)


# Dates, losses and checkpoints


def test_by_date_only_surely_earlier_models_count(dated):
    """2024-07 may be the 1st: the model of 2024-07-13 is not surely earlier; what comes later changes no byte."""
    found = forecast(dated, read_at(["date=2024-07"]))
    assert set(found.forecasts["n_fit"]) == {3}
    assert any("3 model(s) of made_up are not surely earlier than 2024-07" in line for line in found.notes)
    later = dated["date"] > "2024-07"
    other = dated.copy()
    other.loc[later, "value"] = np.random.default_rng(2).uniform(0, 1, later.sum())
    other.loc[later, "n_items"] = 7.0
    changed = forecast(pd.concat([other, other[later].assign(task="new")]), read_at(["date=2024-07"]))
    assert changed.forecasts.to_csv() == found.forecasts.to_csv()
    assert changed.methods.to_csv() == found.methods.to_csv()
    assert changed.known.to_csv() == found.known.to_csv()


def test_a_date_that_is_only_known_to_the_year_is_less_sure(dated):
    day, year = (forecast(dated, read_at([f"date={date}"])).forecasts for date in ("2025-07-02", "2025"))
    assert (year["upper"] - year["lower"] > day["upper"] - day["lower"]).all()
    assert year["predicted"].to_numpy() == pytest.approx(day["predicted"].to_numpy(), abs=0.02)


def test_no_model_is_earlier(dated):
    with pytest.raises(TasklawsError, match="no model is surely earlier than 2023: give a later date"):
        forecast(dated, read_at(["date=2023"]))


def checkpoints(n_steps=10):
    """Two runs whose score rises with training tokens."""
    rows = [
        {"ladder": "runs", "model": model, "n_params": size, "n_tokens": 1e9 * 2.0**k, "step": 1000 * 2**k}
        | {"is_final": k == n_steps - 1, "task": "t", "metric": "acc", "n_items": 2000.0}
        | {"value": np.round(2000 / (1 + np.exp(2.5 - slope * k))) / 2000}
        for model, size, slope in (("a", 1e8, 0.35), ("b", 1e9, 0.45))
        for k in range(n_steps)
    ]
    return pd.DataFrame(rows).assign(
        train_flops=lambda rows: 6 * rows["n_params"] * rows["n_tokens"], stderr=np.nan, chance=0.0
    )


@pytest.mark.parametrize(("axis", "at"), [("n_tokens", 1e9 * 2.0**11), ("step", 1000.0 * 2**11)])
def test_later_checkpoints_of_each_run(axis, at):
    found = forecast(checkpoints(), {axis: at})
    assert found.axis == axis
    truth = {"a": 1 / (1 + np.exp(2.5 - 0.35 * 11)), "b": 1 / (1 + np.exp(2.5 - 0.45 * 11))}
    rows = found.forecasts.set_index("ladder")
    assert set(rows.index) == {"a", "b"}
    for run, share in truth.items():
        assert rows.loc[run, "lower"] < share < rows.loc[run, "upper"]
    assert set(rows["placed_by"]) == {axis}
    tested = backtest(checkpoints(), rolling=1, min_rungs=8, axis=axis)
    assert list(tested.forecasts["n_fit"]) == [8, 9, 8, 9]
    assert tested.figures["mae"] < 0.03


def test_checkpoints_need_several():
    with pytest.raises(TasklawsError, match="no model has two checkpoints of different step"):
        backtest(checkpoints(1), rolling=1, axis="step")


@pytest.mark.parametrize("axis", ["n_tokens", "step", "loss"])
def test_a_task_at_the_floor_is_forecast_whatever_places_the_models(axis):
    guessed = checkpoints().assign(value=np.tile([0.25, 0.26, 0.24, 0.25, 0.23], 4), chance=0.25)
    at = {"n_tokens": 1e9 * 2.0**11, "step": 1000.0 * 2**11, "loss": 2.0}
    if axis == "loss":
        guessed = guessed[guessed["is_final"]]
        guessed = pd.concat([guessed.assign(model=f"m{k}", loss=4.0 - 0.2 * k) for k in range(5)])
    found = forecast(guessed, {axis: at[axis]}, axis=axis).forecasts
    assert set(found["verdict"]) == {"at the floor"}
    assert found["evidence"].str.contains("10 points above it at").all()


def test_models_by_their_validation_loss(points):
    loss = (1.7 + 400 * SIZES**-0.35)[points["model"].str[1:].astype(int)]
    by_loss = points.assign(loss=loss, n_params=np.nan, n_tokens=np.nan, train_flops=np.nan)
    found = forecast(by_loss, {"loss": float(loss.min()) - 0.02})
    assert found.axis == "loss"
    assert (found.forecasts["n_fit"] == 6).all()
    assert not found.forecasts["evidence"].str.contains(BACKWARD).any()
    assert (found.forecasts["predicted"] > found.forecasts["last"] - 0.03).all()
    back = forecast(by_loss, {"loss": float(loss.max())})
    assert back.forecasts["evidence"].str.endswith(BACKWARD).all()
    with pytest.raises(TasklawsError, match="m03 has no loss in"):
        forecast(by_loss.assign(loss=np.where(points["model"] == "m03", np.nan, loss)), {"loss": 1.9})


# Scores that are given


def test_given_scores_move_and_narrow_the_others(points, tmp_path):
    blind = forecast(points, NEXT).forecasts.set_index("task")
    high = pd.DataFrame({"task": ["t00"], "value": [blind.loc["t00", "upper"]]})
    told = forecast(points, NEXT, given=high).forecasts.set_index("task")
    assert list(told.index) == ["t01", "t02"]
    assert (told["predicted"] > blind.loc[told.index, "predicted"]).all()
    assert (told["upper"] - told["lower"] < (blind["upper"] - blind["lower"])[told.index]).all()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"task": ["t09"], "value": [0.5]}, "a score of 't09' is given, which no known model of made_up has"),
        ({"task": ["t00"], "value": [50.0]}, "the given score of t00 is 50: scores lie in"),
        ({"task": ["t00", "t00"], "value": [0.5, 0.9]}, "the score of 't00' is given twice"),
        ({"task": ["t00", "t01", "t02"], "value": [0.5] * 3}, "every task's score is given: nothing is left"),
        ({"task": ["t00"], "value": [np.nan]}, "a given score of t00 is empty"),
        ({"task": ["t00"], "value": [0.5], "model": ["x"]}, "given scores of 'x', which is not planned"),
        ({"value": [0.5]}, "no column 'task'"),
    ],
)
def test_a_given_score_that_cannot_be_is_refused(points, given, reason):
    with pytest.raises(TasklawsError, match=re.escape(reason)):
        forecast(points, NEXT, given=pd.DataFrame(given))


def test_a_family_of_few_sizes_is_forecast_in_the_company_of_others():
    """Other families of the table say how far a larger member goes; no model is planned in these."""
    rng = np.random.default_rng(3)
    families = [
        table(draw(rng, rises(rng, 4, SIZES), 500), SIZES, ladder=f"family {f}", losses=False) for f in range(4)
    ]
    points = pd.concat([*families[1:], families[0][families[0]["model"] < "m03"]])
    found = forecast(points, NEXT | {"ladder": "family 0"})
    assert set(found.forecasts["ladder"]) == {"family 0"}
    assert set(found.forecasts["n_fit"]) == {3}
    assert (found.methods.groupby("method")["weight"].sum()["skills"]) > 0
