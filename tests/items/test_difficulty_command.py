"""`tasklaws difficulty TABLE --out DIR`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from item_commands import assert_rows_in_any_order_give_the_same, tasklaws
from populations import table

import tasklaws as tl
from shared_data import shared


def test_it_writes_predictions_difficulties_and_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ("predictions.csv", "difficulties.csv", "summary.json")
    assert_rows_in_any_order_give_the_same("difficulty", files, tmp_path, monkeypatch)

    summary = json.loads((tmp_path / "table/summary.json").read_text())
    assert summary["held_out"] == ["m4", "m5"]
    assert summary["not_converged"] == []
    assert list(summary["methods"]) == ["constant", "full", "item_response", "solve_rate", "time"]
    assert summary["methods"]["solve_rate"] is None
    assert set(summary["methods"]["full"]) == set(summary["definitions"])
    predictions = pd.read_csv(tmp_path / "table/predictions.csv")
    assert len(predictions) == 2 * 30 * 4
    assert predictions["probability"].between(0, 1).all()
    difficulties = pd.read_csv(tmp_path / "table/difficulties.csv")
    assert (difficulties["low"] < difficulties["difficulty"]).all()
    assert (difficulties["difficulty"] < difficulties["high"]).all()
    assert difficulties["difficulty"].corr(difficulties["solved"]) < -0.9


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (lambda rows: rows["score"].where(rows["model"] != "m5", 1.0), "m5"),
        (lambda rows: rows["score"].where(~rows["model"].isin(["m4", "m5"]), 0.0), "m4, m5"),
        (lambda rows: 0.0, "m4, m5"),
    ],
)
def test_all_or_nothing_solved_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scores: Callable[[pd.DataFrame], pd.Series | float],
    said: str,
) -> None:
    table().assign(score=scores).to_csv(tmp_path / "table.csv", index=False)
    tasklaws(monkeypatch, "difficulty", str(tmp_path / "table.csv"), "--last", "2", "--out", str(tmp_path / "out"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("all or no")]
    assert lines == [f"all or no items solved, so that its mean alone gives log loss 0, and no AUC: {said}"]


@pytest.mark.parametrize(
    "mutilated",
    [
        table()[["model", "date", "task", "score"]],
        table(n_models=3),
        table(n_items=2),
        table().sample(frac=0.2, random_state=0),
        table().assign(score=lambda rows: 0.1 + 0.3 * rows["score"]),
        table().assign(date=lambda rows: rows["date"].where(rows["model"] != "m5", "2050-01-01")),
        table().assign(date=lambda rows: rows["date"].where(rows["model"] < "m3", "2050-01-01")),
        table().assign(human_minutes=5.0, family="one", human_attempts=3, human_solved=0),
        table().assign(family=lambda rows: rows["task"]),
    ],
)
def test_a_poor_table_has_finite_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutilated: pd.DataFrame
) -> None:
    mutilated.to_csv(tmp_path / "table.csv", index=False)
    tasklaws(monkeypatch, "difficulty", str(tmp_path / "table.csv"), "--last", "1", "--out", str(tmp_path / "out"))
    for name in ("predictions.csv", "difficulties.csv"):
        assert np.isfinite(pd.read_csv(tmp_path / "out" / name).select_dtypes("number").to_numpy()).all()


def test_fits_that_did_not_settle_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table().to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.setattr("tasklaws.items.irt.MAX_ITERATIONS", 1)
    tasklaws(monkeypatch, "difficulty", str(tmp_path / "table.csv"), "--last", "1", "--out", str(tmp_path / "out"))
    assert "4 fits did not settle: see not_converged among the figures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "last", "words"),
    [
        (table().assign(score=2), "1", "score is 2"),
        (table(), "6", "last is 6: 5 models have earlier ones: give 1 to 5"),
        (table().head(30), "1", "one model only (m0)"),
    ],
)
def test_a_refusal_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rows: pd.DataFrame,
    last: str,
    words: str,
) -> None:
    rows.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(SystemExit) as refusal:
        tasklaws(monkeypatch, "difficulty", str(tmp_path / "table.csv"), "--last", last, "--out", str(tmp_path / "out"))
    assert refusal.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "given", "extrapolated"),
    [
        ("metr_th10", ["--last", "6"], 0.160, 0.190),
        pytest.param("swe_bench_verified", ["--last", "1", "--records"], 0.240, 0.260, marks=pytest.mark.heavy),
    ],
)
def test_the_real_sets_are_predicted_as_well_as_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str], given: float, extrapolated: float
) -> None:
    tasklaws(monkeypatch, "difficulty", str(shared(f"items/{name}.csv.gz")), *arguments, "--out", str(tmp_path))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["methods"]["full"]["log_loss"] <= given
    assert summary["methods"]["full"]["log_loss_extrapolated"] <= extrapolated
    if name == "metr_th10":
        assert summary["methods"]["full"]["never_solved_auc"] >= 0.8
        assert summary["methods"]["time"]["log_loss"] == pytest.approx(0.278, abs=0.001)
        assert summary["methods"]["constant"]["log_loss"] == pytest.approx(0.640, abs=0.001)


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_what_each_model_solved_is_its_mean_score(chance: float) -> None:
    rows = table().assign(chance=chance)
    rows.loc[rows["model"] == "m5", "score"] = 1.0
    abilities = tl.predict_items(rows, 2).figures["abilities"]
    for model in ("m4", "m5"):
        assert abilities[model]["mean_solved"] == pytest.approx(rows.loc[rows["model"] == model, "score"].mean())
        assert chance <= abilities[model]["forecast_low"] < abilities[model]["forecast"] < 1
