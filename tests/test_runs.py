"""Notes of runs: written where DVC runs a stage, beside its results, and never in its way."""

import hashlib
import json
from pathlib import Path

import pytest

from tasklaws.core import errors, runs
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text


@pytest.fixture(autouse=True)
def in_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "fit@a/b")
    monkeypatch.setattr(runs, "_written", set())


def test_a_stage_that_ended_well_leaves_a_note() -> None:
    errors.run(lambda: write_text(Path("out.csv"), "a\n"))
    (note,) = runs.read_notes()
    assert note["stage"] == "fit@a/b"
    assert note["wrote_md5"] == [hashlib.md5(b"a\n").hexdigest()]
    assert {"command", "started", "seconds", "host", "packages"} <= set(note)
    assert "commit" not in note  # there is no repository


def test_equal_bytes_take_the_place_of_the_earlier_note() -> None:
    for _ in range(2):
        errors.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert len(runs.read_notes()) == 1
    errors.run(lambda: write_text(Path("out.csv"), "b\n"))
    assert len(runs.read_notes()) == 2


def test_a_stage_that_failed_leaves_none() -> None:
    def fails() -> None:
        write_text(Path("out.csv"), "a\n")
        raise TasklawsError("no")

    with pytest.raises(SystemExit):
        errors.run(fails)
    assert runs.read_notes() == []


def test_what_no_stage_runs_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    errors.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert not Path(".work").exists()


def test_no_stage_fails_of_its_note() -> None:
    Path(".work").write_text("a file in its place")
    errors.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert Path("out.csv").read_text() == "a\n"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"stage": "a"})])
def test_a_damaged_note_is_left_out(text: str) -> None:
    write_text(Path(".work/runs/a.json"), text)
    assert runs.read_notes() == []


def test_versions_name_no_build() -> None:
    found = runs.packages()
    assert found["python"].count(".") == 1
    assert {"numpy", "scipy", "pandas", "wasmtime"} <= set(found)
    assert not any("+" in version for version in found.values())
