"""Notes of runs: written where DVC runs a stage, beside its results, and never in its way."""

import hashlib
from pathlib import Path

import pytest

from tasklaws.core import files, runs, script
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text


@pytest.fixture(autouse=True)
def in_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "fit@a/b")
    monkeypatch.setattr(files, "written", set())
    monkeypatch.setattr(runs, "written", files.written)


def test_a_stage_that_ended_well_leaves_a_note() -> None:
    script.run(lambda: write_text(Path("out.csv"), "a\n"))
    ((note,), others) = runs.read_notes()
    assert others == []
    assert note["stage"] == "fit@a/b"
    assert note["wrote_md5"] == [hashlib.md5(b"a\n").hexdigest()]
    assert {"command", "started", "seconds", "host", "packages"} <= set(note)
    assert "commit" not in note  # there is no repository


def test_equal_bytes_take_the_place_of_the_earlier_note() -> None:
    for _ in range(2):
        script.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert len(runs.read_notes()[0]) == 1
    script.run(lambda: write_text(Path("out.csv"), "b\n"))
    assert len(runs.read_notes()[0]) == 2


def test_a_stage_that_failed_leaves_none() -> None:
    def fails() -> None:
        write_text(Path("out.csv"), "a\n")
        raise TasklawsError("no")

    with pytest.raises(SystemExit):
        script.run(fails)
    assert runs.read_notes() == ([], [])


def test_what_no_stage_runs_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    script.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert not Path(".work").exists()


def test_no_stage_fails_of_its_note() -> None:
    Path(".work").write_text("a file in its place")
    script.run(lambda: write_text(Path("out.csv"), "a\n"))
    assert Path("out.csv").read_text() == "a\n"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"stage": "a"}', '{"seal": "\u00e9"}', '{"seal": "\\ud800"}'])
def test_a_note_without_a_seal_is_not_believed(text: str) -> None:
    write_text(Path(".work/runs/a.json"), text)
    assert runs.read_notes() == ([], ["a.json"])


def test_a_note_that_was_changed_or_moved_or_is_another_user_s_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    script.run(lambda: write_text(Path("out.csv"), "a\n"))
    (path,) = runs.RUNS.glob("*")
    text = path.read_text()
    path.write_text(text.replace('"started": "2', '"started": "1'))
    assert runs.read_notes() == ([], [path.name])
    path.rename(path.with_name("other.json")).write_text(text)
    assert runs.read_notes() == ([], ["other.json"])
    path.with_name("other.json").rename(path)
    assert len(runs.read_notes()[0]) == 1
    monkeypatch.setenv("XDG_STATE_HOME", str(Path("elsewhere").absolute()))
    assert runs.read_notes() == ([], [path.name])


def test_versions_name_no_build() -> None:
    found = runs.packages()
    assert found["python"].count(".") == 1
    assert {"numpy", "scipy", "pandas", "wasmtime"} <= set(found)
    assert not any("+" in version for version in found.values())
