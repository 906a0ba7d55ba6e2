"""`tasklaws fit` and `tasklaws plan`, as a person types them."""

import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pandas as pd
import pytest
from ladders import SIZES, chinchilla, grid_of_models, losses, published

from tasklaws import cli


def run(*words: object) -> None:
    with mock.patch.object(sys, "argv", ["tasklaws", *map(str, words)]):
        cli.main()


def refusal(capsys: pytest.CaptureFixture[str], *words: object, status: int = 1) -> str:
    """The one line with which a command refuses."""
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = grid_of_models()
    path = tmp_path / "points.csv"
    rows.assign(loss=chinchilla(rows)).to_csv(path, index=False)
    return path


def test_fit_reports_draws_and_prints_json(
    table: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run("fit", table, "--law", "chinchilla", "--replicates", 20)
    report = capsys.readouterr().out
    assert "status converged" in report
    assert not list(Path().iterdir())
    for name in ("first.svg", "second.svg"):
        run("fit", table, "--law", "chinchilla", "--replicates", 20, "--picture", name)
    assert capsys.readouterr().err == "picture: first.svg\npicture: second.svg\n"
    assert Path("first.svg").read_bytes() == Path("second.svg").read_bytes()
    run("fit", table, "--law", "chinchilla", "--replicates", 20, "--json")
    found = json.loads(capsys.readouterr().out)
    assert set(found["params"]) == {"E", "A", "B", "alpha", "beta"} == set(found["stderr"])
    assert found["params"]["alpha"] == pytest.approx(0.35)
    assert (found["status"], found["n_points"]) == ("converged", 60)
    assert found["objective"] < 1e-12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replicates", -3], "replicates is -3: give 0 or more"),
        (["--seed", -1], "seed is -1: give 0 or more"),
        (["--picture", "x.foo"], "--picture x.foo: the name must end in .svg"),
    ],
)
def test_fit_refuses_what_cannot_be_before_it_fits(
    table: Path, words: list[object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, "fit", table, "--law", "chinchilla", *words)


def test_plan_takes_a_fit_or_five_numbers(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("fit", table, "--law", "chinchilla", "--replicates", 20, "--json")
    (tmp_path / "fit.json").write_text(capsys.readouterr().out)
    run("plan", "--fit", tmp_path / "fit.json", "--flops", 1e21, "--json")
    from_fit = json.loads(capsys.readouterr().out)
    run("plan", "--params", 1.8, 480, 2100, 0.35, 0.37, "--flops", 1e21, "--json")
    from_numbers = json.loads(capsys.readouterr().out)
    for name in ("n_params", "n_tokens", "loss"):
        assert from_fit[name] == pytest.approx(from_numbers[name], rel=1e-4)
    (tmp_path / "short.json").write_text(
        json.dumps({"params": {"E": 1.8, "A": 480, "B": 2100, "alpha": 0.35, "beta": 0.37}})
    )
    run("plan", "--fit", tmp_path / "short.json", "--flops", 1e21, "--served", 1e12)
    text = capsys.readouterr().out
    assert "n_params" in text
    assert "tokens/param" in text
    run("plan", "--params", 1.8, 480, 2100, 0.35, 0.37, "--loss", 2.2, "--served", 1e12)
    assert "loss          2.2" in capsys.readouterr().out


def test_a_parameter_that_no_refit_moves_has_no_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flat.csv"
    losses(2.0 + 0 * SIZES).to_csv(path, index=False)
    words = ("fit", path, "--law", "power", "--replicates", 20)
    run(*words, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "unidentified"
    assert found["stderr"] == found["interval"] == {"E": None, "A": None, "a": None}
    run(*words, "--picture", tmp_path / "flat.svg")
    said = capsys.readouterr().out
    assert said.count("(no stderr: every refit of the bootstrap has this value)") == 3
    assert "stderr 0" not in said


def test_chinchillas_own_points_are_read_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    run("fit", published("chinchilla_points.csv"), "--law", "chinchilla", "--replicates", 0, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["n_points"] == 234
    assert found["params"]["alpha"] == pytest.approx(0.3426, abs=1e-3)


def test_metric_task_and_axis_choose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = losses(1.5 + 60 * SIZES**-0.25)
    many = [rows.assign(task=task, metric=metric) for task in ("a", "b") for metric in ("loss", "ce")]
    path = tmp_path / "many.csv"
    pd.concat(many).to_csv(path, index=False)
    run(
        "fit",
        path,
        "--law",
        "power",
        "--metric",
        "ce",
        "--task",
        "b",
        "--axis",
        "n_params",
        "--replicates",
        0,
        "--json",
    )
    assert json.loads(capsys.readouterr().out)["params"]["a"] == pytest.approx(0.25)
    for words, message in (
        ((), "several of"),
        (("--metric", "accc"), "no metric 'accc': choose one of loss, ce"),
        (("--metric", "ce", "--task", "c"), "no task 'c': choose one of a, b"),
    ):
        assert message in refusal(capsys, "fit", path, "--law", "power", *words)


def test_bad_input_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.csv").write_text("n_params,value\n")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    (tmp_path / "fit.json").write_text("[1]")
    for words, message in (
        (("fit", tmp_path / "empty.csv", "--law", "power"), "no rows"),
        (("fit", tmp_path / "odd.csv", "--law", "power"), "no column 'value'"),
        (("fit", tmp_path / "odd.csv", "--law", "powr"), "odd.csv: no column"),
        (("plan", "--fit", tmp_path / "fit.json", "--flops", 1e21), "this is no fit (a list): give what `tasklaws fit"),
        (("plan", "--fit", tmp_path / "odd.csv", "--flops", 1e21), "is no JSON"),
        (("plan", "--fit", tmp_path / "no.json", "--flops", 1e21), "does not exist: give what `tasklaws fit"),
        (("plan", "--flops", 1e21), "give either --fit JSON or --params"),
        (("plan", "--params", 1.8, 480, 2100, 0.35, 0.3), "give either --flops or --loss"),
        (("plan", "--params", 1.8, 480, 2100, 0.35, -0.3, "--flops", 1e21), "beta is -0.3"),
    ):
        assert message in refusal(capsys, *words)


def test_the_command_exits_with_a_line_and_status_1(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-c",
        "from tasklaws.cli import main; main()",
        "fit",
        tmp_path / "no.csv",
        "--law",
        "power",
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no.csv" in done.stderr
