"""The command as a whole: help, wrong usage, pipes, progress, and what it leaves behind."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import typer

from command import run
from shared_data import ROOT
from small_inputs import POINTS as POINTS_CSV
from small_inputs import write_small_inputs
from tasklaws import cli
from tasklaws.core import progress as progress_module
from tasklaws.core.progress import progress
from tasklaws.core.workers import run_each

GROUP = typer.main.get_command(cli.app)
COMMANDS = sorted(GROUP.commands)
ANSWERING = [
    name for name in COMMANDS if name not in ("compose", "custom-tasks", "index", "new-family", "new-ladder", "ui")
]
POINTS = str(POINTS_CSV)
MAIN = [sys.executable, "-c", "from tasklaws.cli import main; main()"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_is_right_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    words = said.split(f"Example: tasklaws {name}")[1].split()
    assert ("--json" in said) == (name in ANSWERING)
    GROUP.commands[name].make_context(name, cli.expanded(words)).close()


def test_the_whole_is_listed_and_versioned(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert re.findall(r"^  ([a-z]\S+)  +[A-Z]", capsys.readouterr().out, re.MULTILINE) == list(GROUP.commands)
    assert run("--version") == 0
    assert re.fullmatch(r"tasklaws \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "Missing command: see `tasklaws --help`"),
        ("predict x", "No such command 'predict': see `tasklaws --help`"),
        ("fit", "Missing argument 'TABLE': see `tasklaws fit --help`"),
        ("fit t.csv", "Missing option '--law': see `tasklaws fit --help`"),
        ("import --out t.csv", "Missing argument 'PATH...': see `tasklaws import --help`"),
        ("plan --params 1 2 3", "Option '--params' requires 5 arguments: see `tasklaws plan --help`"),
        ("people --outt x", "No such option: --outt (Possible options: --out): see `tasklaws people --help`"),
        ("orders t.csv --out x --last many", "Invalid value for '--last'"),
        ("ls things", "'things' is not one of 'families', 'laws'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    words: str, line: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert line in said.err
    assert not list(tmp_path.iterdir())


def test_an_interrupt_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasklaws.listing._laws", interrupt)
    monkeypatch.setitem(sys.modules["tasklaws.listing"].TOPICS, "laws", interrupt)
    assert run("ls", "laws") == 1
    assert capsys.readouterr().err == "error: interrupted: run the same command again to resume\n"


def test_several_items_follow_one_option() -> None:
    words = ["humans", "a.csv", "--items", "x", "y", "z", "--out", "d"]
    assert cli.expanded(words) == ["humans", "a.csv", "--items", "x", "--items", "y", "--items", "z", "--out", "d"]
    assert cli.expanded(["fit", "t", "--law", "power"]) == ["fit", "t", "--law", "power"]


@pytest.mark.parametrize("topic", ["families", "laws", "ladders", "methods", "metrics", "tables"])
def test_ls_lists_with_a_line_each(
    topic: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert run("ls", topic, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) > 3
    assert all(line and "\n" not in line for line in found.values())
    assert run("ls", topic) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(found)


def test_ls_ladders_elsewhere_says_where(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("ls", "ladders") == 1
    assert capsys.readouterr().err == "error: conf/models does not exist: run this in the repository's root\n"


def test_ls_elsewhere_counts_what_it_can(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("ls", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert "of them" in found["laws"]
    assert found["ladders"] == "conf/models does not exist: run this in the repository's root"


@pytest.mark.parametrize("there", ["fifo", "/dev/stdout"])
def test_nothing_but_a_file_is_replaced(there: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / there
    if there == "fifo":
        os.mkfifo(out)
    with mock.patch("tasklaws.readers.merge.merge_results", side_effect=AssertionError("not refused")):
        assert run("import", POINTS, "--out", str(out)) == 1
    said = f"error: {out} is no regular file and would be replaced: give another name\n"
    assert capsys.readouterr().err == said
    assert there != "fifo" or out.is_fifo()


def test_a_directory_is_no_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("import", POINTS, "--out", str(tmp_path)) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} is no regular file")


def test_a_file_above_the_output_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "old.csv").touch()
    assert run("import", POINTS, "--out", str(tmp_path / "old.csv/new.csv")) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/old.csv: {tmp_path}/old.csv is a file: give a directory\n"


def test_a_closed_pipe_ends_it_quietly() -> None:
    with subprocess.Popen([*MAIN, "ls", "metrics"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# What each command on somebody's files is given, in a directory that has no more than these.
READING = {
    "backtest": "points.csv --rolling 1 --min-rungs 6",
    "check": "claim.json outcomes.csv",
    "claim": "points.csv --at model=next,n_params=1e6,n_tokens=2e7",
    "compare": "scores.csv --models m1,m2",
    "decide": "recipes.csv",
    "design": "pilot.csv --target n_params=1e6,n_tokens=1e7",
    "difficulty": "scores.csv --last 1",
    "forecast": "points.csv --at n_params=1e6,n_tokens=2e7",
    "fit": "points.csv --law logistic --task addition_direct --replicates 2",
    "humans": "attempts.csv --items items.jsonl",
    "import": "points.csv",
    "isoflop": "runs.csv --replicates 20",
    "orders": "scores.csv --last 1",
    "people": "",
    "plan": "--params 1.82 482 2085 0.348 0.366 --flops 1e21",
    "sandbox": "program.py",
}
OF_THE_PIPELINE = {
    "ask",
    "cells",
    "compare-ladders",
    "compose",
    "custom-tasks",
    "export",
    "index",
    "ls",
    "new-family",
    "new-ladder",
    "pin",
    "plan-run",
    "repair-lock",
    "submit",
    "trace",
    "track",
    "ui",
    "verify",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a table of each kind."""
    folder = tmp_path_factory.mktemp("inputs")
    write_small_inputs(folder)
    return folder


def test_every_command_is_known_to_read_files_or_to_be_the_pipelines() -> None:
    assert set(COMMANDS) == {*READING, *OF_THE_PIPELINE}


@pytest.mark.parametrize("name", READING)
def test_a_command_answers_in_both_forms_and_writes_nothing_unless_told_where(
    name: str, inputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    monkeypatch.setattr("tasklaws.forecast.designs.design._DRAWS", 2)  # less work: the form of the answer counts
    before = sorted(inputs.rglob("*"))
    words = [name, *READING[name].split()]
    assert run(*words) == 0
    shown = capsys.readouterr().out
    assert len(shown.split()) > 4, "an answer, not the name of a file"
    assert run(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)
    assert sorted(inputs.rglob("*")) == before


class Clock:
    """Time that passes by a second a look, and a stderr that is a terminal or none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress_module.time, "monotonic", self.look)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)

    def look(self) -> float:
        self.now += 1.0
        return self.now


def test_long_work_says_how_far_it_has_come(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, terminal=False)
    with progress("work", 100) as advance:
        for _ in range(30):
            advance()
    assert (
        capsys.readouterr().err == "work: 2 of 100, 1:38 left\nwork: 12 of 100, 1:28 left\nwork: 22 of 100, 1:18 left\n"
    )


def test_on_a_terminal_it_is_a_bar_that_goes_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch, terminal=True)
    with progress("work", 4) as advance:
        advance()
        advance()
    said = capsys.readouterr().err
    assert said.startswith(f"\rwork [{'#' * 15}{'-' * 15}] 2/4, 0:02 left")
    assert said.endswith("\r\033[K")


def test_short_work_and_a_single_step_say_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_each(abs, [(-1,), (2,)], 1, "work") == [1, 2]
    Clock(monkeypatch, terminal=True)
    with progress("work", 1) as advance:
        advance()
        advance()
    assert capsys.readouterr().err == ""
