"""`tasklaws backtest` on tables of every shape: it works, or one line says what is wrong and nothing is written."""

import sys

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, rises, table

from tasklaws import cli
from tasklaws.core.files import read_json
from tasklaws.forecast.verdict import BACKWARD
from tasklaws.tables import BACKTEST_FORECASTS

SPLIT = ["--fit", "n_params < 2e9", "--holdout", "n_params > 2e9"]
ROLLING = ["--rolling", "1", "--min-rungs", "4"]
FILES = {"forecasts.csv", "methods.csv", "summary.json"}
FIGURES = {"figures/coverage.svg", "figures/errors.svg", "figures/predicted.svg"}


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return table(draw(rng, rises(rng, 3, SIZES), 500), SIZES, chance=0.0)


@pytest.fixture
def backtest(tmp_path, monkeypatch):
    """Run the command on a table, and give the forecasts and the summary that it wrote."""

    def command(points, *options):
        points.to_csv(tmp_path / "table.csv", index=False)
        argv = ["tasklaws", "backtest", str(tmp_path / "table.csv"), *options, "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", argv)
        cli.main()
        return pd.read_csv(tmp_path / "out/forecasts.csv"), read_json(tmp_path / "out/summary.json")

    return command


@pytest.fixture
def refusal(backtest, tmp_path, capsys):
    """The one line with which the command refuses a table."""

    def command(points, *options):
        with pytest.raises(SystemExit) as end:
            backtest(points, *options)
        assert end.value.code == 1
        assert {path.name for path in tmp_path.iterdir()} == {"table.csv"}
        line = capsys.readouterr().err
        assert line.startswith("error: ")
        assert line.count("\n") == 1
        return line

    return command


def names(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_it_writes_tables_summary_and_figures_the_same_each_time(points, backtest, tmp_path):
    forecasts, summary = backtest(points, *SPLIT)
    assert list(forecasts) == BACKTEST_FORECASTS.columns
    assert len(forecasts) == summary["n"] == 3
    assert names(tmp_path / "out") == FILES | FIGURES
    first = {name: (tmp_path / "out" / name).read_bytes() for name in FILES | FIGURES}
    (tmp_path / "out/notes.txt").write_text("mine")
    backtest(points.sample(frac=1, random_state=0), *SPLIT)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in FILES | FIGURES} == first
    assert names(tmp_path / "out") == FILES | FIGURES | {"notes.txt"}


def test_an_interrupted_run_writes_nothing(points, backtest, monkeypatch, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tasklaws.forecast.figures.draw_figures", interrupt)
    with pytest.raises(SystemExit):
        backtest(points, *SPLIT)
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv"}


SHAPES = {
    "no tokens": lambda points: points.assign(n_tokens=np.nan),
    "no compute": lambda points: points.assign(n_tokens=np.nan, train_flops=np.nan),
    "no parameters": lambda points: points.assign(n_params=np.nan, n_tokens=np.nan),
    "no errors nor items": lambda points: points.drop(columns=["stderr", "n_items"]),
    "errors but no items": lambda points: points.drop(columns="n_items").assign(stderr=0.02),
    "no chance": lambda points: points.drop(columns="chance"),
    "constant values": lambda points: points.assign(value=points["value"].where(points["metric"] == "loss", 0.25)),
    "all wrong": lambda points: points.assign(value=points["value"].where(points["metric"] == "loss", 0.0)),
    "all right": lambda points: points.assign(value=points["value"].where(points["metric"] == "loss", 1.0)),
    "only scores": lambda points: points[points["metric"] == "acc"],
    "only losses": lambda points: points[points["metric"] == "loss"],
    "one task": lambda points: points[points["task"] == "t00"],
    "holes": lambda points: points.drop(index=points.index[[2, 9, 13, 20]]),
    "two ladders": lambda points: pd.concat([points, points.assign(ladder="other")]),
    "three seeds": lambda points: pd.concat([points.assign(seed=seed) for seed in range(3)]),
    "equal sizes": lambda points: pd.concat([points, points.assign(model=points["model"] + "-again")]),
}


WIDE = ["--rolling", "3", "--min-rungs", "1"]
CASES = [*((shape, SPLIT) for shape in SHAPES), *((shape, WIDE) for shape in ("no compute", "holes", "all right"))]


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_tables_of_every_shape_work(points, backtest, monkeypatch, shape, options):
    monkeypatch.setattr("tasklaws.forecast.figures.draw_figures", lambda *_: None)  # half of the time
    made = SHAPES[shape](points)
    if shape == "no parameters" and options is SPLIT:
        options = ["--fit", "train_flops < 1e21", "--holdout", "train_flops > 1e21"]
    forecasts, summary = backtest(made, *options)
    assert forecasts[["predicted", "lower", "upper"]].notna().all(axis=None)
    assert (forecasts["lower"] <= forecasts["predicted"]).all()
    assert (forecasts["predicted"] <= forecasts["upper"]).all()
    assert 0 <= summary["mae"] < 1
    assert not forecasts.duplicated(["ladder", "task", "metric", "model", "n_fit"]).any()


@pytest.mark.parametrize("known", [1, 2])
def test_few_rungs_repeat_the_last_and_say_so(points, backtest, known):
    forecasts, _ = backtest(points, "--fit", f"n_params <= {SIZES[known - 1] * 1.01}", "--holdout", "n_params > 2e9")
    last = points[(points["model"] == f"m{known - 1:02}") & (points["metric"] == "acc")]
    assert forecasts["predicted"].to_numpy() == pytest.approx(last["value"].to_numpy())
    assert set(forecasts["verdict"]) == {"not enough rungs"}
    assert set(forecasts["method"]) == {"repeat_last"}
    assert (forecasts["upper"] > forecasts["lower"]).all()


def test_forecasts_of_smaller_models_are_flagged(points, backtest, capsys):
    ahead, _ = backtest(points, *SPLIT)
    assert not ahead["evidence"].str.endswith(BACKWARD).any()
    assert "largest known" not in capsys.readouterr().out
    smallest = f"{SIZES[0] * 1.01}"
    back, _ = backtest(points, "--fit", f"n_params > {smallest}", "--holdout", f"n_params < {smallest}")
    assert back["evidence"].str.endswith(BACKWARD).all()
    assert (
        "3 of 3 forecasts are of models smaller than the largest known one: see `evidence`" in capsys.readouterr().out
    )


def test_early_checkpoints_do_not_count(points, backtest):
    early = points.assign(step=1000.0, is_final=False, value=points["value"] / 2, n_tokens=points["n_tokens"] / 9)
    late = points.assign(step=2000.0)
    forecasts, _ = backtest(points.assign(step=2000.0), *SPLIT)
    again, _ = backtest(pd.concat([early, late]), "--fit", "n_params < 2e9", "--holdout", "n_params > 2e9")
    pd.testing.assert_frame_equal(forecasts, again)
    unsaid, _ = backtest(pd.concat([early, late]).drop(columns="is_final").drop(columns="train_flops"), *SPLIT)
    assert unsaid["observed"].equals(forecasts["observed"])


def test_a_model_without_a_known_task_has_no_forecast(points, backtest):
    strange = points[points["model"] == "m05"].assign(model="strange", n_params=2.9e9)
    strange = strange.assign(task="new " + strange["task"])
    forecasts, _ = backtest(pd.concat([points, strange]), *SPLIT)
    assert set(forecasts["model"]) == {"m05"}


def test_losses_as_the_target(points, backtest):
    forecasts, summary = backtest(points, *SPLIT, "--metric", "loss")
    assert (forecasts["predicted"] - forecasts["observed"]).abs().max() < 0.1
    assert summary["mae"] < summary["methods"]["repeat_last"]["mae"] / 2
    assert "power" in summary["methods"]


def test_tasks_are_chosen_by_name(points, backtest):
    forecasts, _ = backtest(points, *SPLIT, "--tasks", "t00,t02")
    assert list(forecasts["task"]) == ["t00", "t02"]


REFUSED = {
    "both": (["--fit", "n_params < 2.5e9", "--holdout", "n_params > 1e8"], "in both fit and holdout"),
    "no such column": (["--fit", "size < 2.5e9", "--holdout", "n_params > 1e9"], "fit 'size < 2.5e9' is no query"),
    "no query": (["--fit", "n_params <", "--holdout", "n_params > 1e9"], "is no query"),
    "an assignment": (["--fit", "x = 3", "--holdout", "n_params > 1e9"], "write a comparison"),
    "a number": (["--fit", "n_params + 1", "--holdout", "n_params > 1e9"], "write a comparison"),
    "no row": (["--fit", "n_params < 3", "--holdout", "n_params > 1e9"], "matches no row"),
    "of another kind": (["--fit", "model < 3", "--holdout", "n_params > 1e9"], "is no query"),
    "unknown metric": ([*SPLIT, "--metric", "f1"], "metric 'f1' is not in the table: it has acc, loss"),
    "unknown task": ([*SPLIT, "--tasks", "t00,piqa"], "task 'piqa' is not in the table"),
    "neither": ([], "give either"),
    "both modes": ([*SPLIT, *ROLLING], "give either"),
    "one half": (["--fit", "n_params < 2.5e9"], "give either"),
    "no step ahead": (["--rolling", "0"], "rolling is 0"),
    "too few models": (["--rolling", "1", "--min-rungs", "6"], "no ladder has more than 6 models, min-rungs is 6"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_asked_is_refused(points, refusal, case):
    options, reason = REFUSED[case]
    assert reason in refusal(points, *options)


def change(points, column, value):
    return points.assign(**{column: points[column].where(points.index != 2, value)})


BAD = {
    "too large a score": (lambda points: change(points, "value", 57.3), "value is 57.3"),
    "a duplicate": (lambda points: pd.concat([points, points[4:5]]), "same as"),
    "no value": (lambda points: change(points, "value", np.nan), "value is empty"),
    "no size": (lambda points: points.drop(columns=["n_params", "train_flops"]), "needs n_params"),
    "two kinds of size": (
        lambda points: points.assign(
            n_tokens=np.nan,
            n_params=points["n_params"].where(points["model"] > "m03"),
            train_flops=points["train_flops"].where(points["model"] <= "m03"),
        ),
        "give one of all models",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused(points, refusal, case):
    make, reason = BAD[case]
    assert reason in refusal(make(points), *ROLLING)


def million(n_models, n_tasks, n_steps):
    model, task, step = (part.ravel() for part in np.indices((n_models, n_tasks, n_steps)))
    size = np.geomspace(1e7, 3e9, n_models).round()[model]
    value = (1 + model) / (2 + n_models) * (1 + step) / n_steps
    columns = {
        "model": np.char.add("m", model.astype(str)),
        "task": np.char.add("t", task.astype(str)),
        "metric": "acc",
    }
    return pd.DataFrame({**columns, "value": value, "n_params": size, "step": step, "is_final": step == n_steps - 1})


def test_a_table_that_would_take_too_long_is_refused(points, refusal, monkeypatch):
    monkeypatch.setattr("tasklaws.forecast.choices._MOST_WORK", 10)
    assert "are too many at once" in refusal(points, *ROLLING)


def test_tasks_beyond_what_is_held_at_once_are_forecast_in_parts(points, backtest, monkeypatch):
    """Each part as it would be if the table held no other tasks' scores."""
    monkeypatch.setattr("tasklaws.forecast.choices._MOST_CELLS", 2 * len(SIZES))
    parts, _ = backtest(points, *SPLIT)
    monkeypatch.undo()
    assert sorted(parts["task"].unique()) == ["t00", "t01", "t02"]
    alone = [backtest(points[points["task"].isin([*own, "web"])], *SPLIT)[0] for own in (["t00", "t02"], ["t01"])]
    pd.testing.assert_frame_equal(parts, pd.concat(alone).sort_values(BACKTEST_FORECASTS.keys, ignore_index=True))


@pytest.mark.heavy
def test_a_million_rows_of_checkpoints_work(backtest):
    forecasts, _ = backtest(million(10, 20, 5000), *SPLIT)
    assert len(forecasts) == 20


@pytest.mark.heavy
@pytest.mark.parametrize(("n_models", "n_tasks"), [(10, 100_000), (1000, 1000)])
def test_a_million_cells_are_refused(refusal, n_models, n_tasks):
    assert f"{n_tasks} tasks of {n_models} models are too many" in refusal(million(n_models, n_tasks, 1), *ROLLING)


def test_ladders_do_not_share_models(points, refusal):
    parted = pd.concat([points[points["n_params"] < 2e9], points[points["n_params"] > 2e9].assign(ladder="other")])
    assert "in the same ladder" in refusal(parted, *SPLIT)
