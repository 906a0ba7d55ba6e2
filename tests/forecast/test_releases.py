"""studies/releases: the table is what its page says, its command runs, and what it made is what is recorded."""

import re
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest

import forecast_releases
from shared_data import ROOT
from tasklaws import cli
from tasklaws.claims.file import read_claim
from tasklaws.core.files import read_json
from tasklaws.tables import AHEAD_FORECASTS

STUDY = ROOT / "studies/releases"
PAGE = (STUDY / "README.md").read_text()
FEW = ("factorio_learning_environment", "os_world")


def test_the_table_is_what_the_page_says() -> None:
    table = pd.read_csv(STUDY / "releases.csv")
    assert list(table) == ["suite", "model", "date", "task", "score"]
    rows, models, tasks = (int(number) for number in re.findall(r"(\d+) (?:scores|dated models|benchmarks)", PAGE)[:3])
    assert (len(table), table["model"].nunique(), table["task"].nunique()) == (rows, models, tasks)
    assert f"{table['date'].min()} to {table['date'].max()}" in PAGE
    assert not table.duplicated(["model", "task"]).any()
    assert table["score"].between(0, 1).all()
    assert forecast_releases.sha256(STUDY / "releases.csv") in PAGE


def test_what_was_made_is_what_is_recorded() -> None:
    record = read_json(STUDY / "record.json")
    assert record["table_sha256"] == forecast_releases.sha256(STUDY / "releases.csv")
    assert record["forecasts_sha256"] == forecast_releases.sha256(STUDY / "forecasts.csv")
    assert record["made"] in PAGE
    forecasts = AHEAD_FORECASTS.read(STUDY / "forecasts.csv")
    assert len(forecasts) == record["n_forecasts"] == 2 * 16
    assert set(forecasts["model"]) == set(record["at"])
    assert (forecasts["lower"] <= forecasts["predicted"]).all()
    assert (forecasts["predicted"] <= forecasts["upper"]).all()


def test_the_claim_is_of_the_recorded_forecasts() -> None:
    claim = read_claim(STUDY / "claim.json")
    forecasts = AHEAD_FORECASTS.read(STUDY / "forecasts.csv").sort_values(["model", "task"])
    said = claim.table.sort_values(["model", "task"])
    for name in ("predicted", "lower", "upper", "last"):
        assert said[name].to_numpy() == pytest.approx(forecasts[name].to_numpy(), rel=1e-5, abs=1e-9)
    assert list(said["first_day"].unique()) == [f"{at}-01" for at in forecast_releases.AT]
    assert claim.rests_on.files == {"releases.csv": forecast_releases.sha256(STUDY / "releases.csv")}
    for name in ("true", "true_with_common_errors", "no_change_from_the_last_known"):
        assert f"{100 * claim.rule.pass_chance[name]:.0f}%" in PAGE


def test_the_command_of_the_page_makes_what_the_tool_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = re.findall(r"^tasklaws forecast .*$", PAGE, re.MULTILINE)
    assert all(f"--at date={at}" in line for at in forecast_releases.AT)
    monkeypatch.chdir(ROOT)
    words = [*shlex.split(line)[:-1], str(tmp_path / "out"), "--tasks", ",".join(FEW)]
    monkeypatch.setattr(sys, "argv", words)
    cli.main()
    forecast_releases.make("2026-11-29", tmp_path, FEW)
    assert (tmp_path / "forecasts.csv").read_bytes() == (tmp_path / "out/forecasts.csv").read_bytes()
    assert read_json(tmp_path / "record.json")["n_forecasts"] == 2 * len(FEW)
