"""`tasklaws verify` on a finished tree: silent as it is, and naming whatever was changed."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tamperings import RUNG, TAMPERINGS, WEIGHTS, Tampering, in_lock, linked

from clone import Clone
from tasklaws.tracking.rebuild import rebuild_all
from tasklaws.verify.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

# One of each check; the others are heavy.
FEW = (
    "config.json",
    "a stray result",
    "a study's forecast",
    "conf/ is not composed",
    "a module in stages/",
    "dvc.lock was cut off",
    "a pipe for a result",
    "a page",
    "a size in dvc.lock",
    "another schema of dvc.lock",
    "a fit, and params.yaml cannot be read",
    "dvc.yaml cannot be read",
    "a name of two lines",
)


def lines(root: Path, deep: bool = False) -> list[str]:
    """What verify says differs."""
    return [str(problem) for problem in verify(root, deep).problems]


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in root.rglob("*") if path.is_file() and ".dvc/tmp" not in path.as_posix()]
    return {path.relative_to(root).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def test_an_untouched_tree_and_a_moved_copy_have_nothing_that_differs_and_nothing_is_written(
    finished_clone: Clone, tmp_path: Path
) -> None:
    before = snapshot(finished_clone.path)
    said = finished_clone.run("tasklaws", "verify")
    assert "nothing differs" in said
    assert snapshot(finished_clone.path) == before
    shutil.copytree(finished_clone.path, tmp_path / "moved", symlinks=True)
    assert lines(tmp_path / "moved") == []


def test_the_command_fails_and_names_the_file(clone: Clone) -> None:
    with (clone.path / "results/nano_mini/forecasts.csv").open("a") as file:
        file.write("\n")
    said = clone.run("tasklaws", "verify", fails=True)
    assert said.splitlines()[0] == "results/nano_mini/forecasts.csv: is not what forecast@nano_mini wrote"
    said = clone.run("dvc", "repro", "--force", "--single-item", "report", fails=True)
    assert "results/nano_mini/forecasts.csv is not what forecast@nano_mini wrote" in " ".join(said.split())


@pytest.mark.parametrize("name", FEW)
def test_a_change_is_named(clone: Clone, name: str) -> None:
    found(clone.path, next(each for each in TAMPERINGS if each.name == name))


def test_what_is_stated_and_no_failure(clone: Clone) -> None:
    (clone.path / ".dvc/config.local").write_text("[cache]\n    dir = /nowhere\n['remote \"x\"']\n    url = /x\n")
    note = min((clone.path / ".work/runs").glob("fit@*"))
    note.write_text(note.read_text().replace('"seconds": ', '"seconds": 1'))
    found = verify(clone.path)
    assert found.problems == []
    assert any("cache.dir (local)" in str(each) and "remote" not in str(each) for each in found.unchecked)
    assert any(f"1 notes in .work/runs, {note.name} first" in str(each) for each in found.unchecked)


def test_links_are_fine_where_a_rung_was_to_link_to_its_weights(clone: Clone) -> None:
    linked(WEIGHTS)(clone.path)
    assert [each.where for each in verify(clone.path).problems] == [WEIGHTS]
    in_lock(lambda stages: stages[f"model@{RUNG}"]["params"]["params.yaml"].update(source={"weights": "link"}))(
        clone.path
    )
    assert not any(each.where == WEIGHTS for each in verify(clone.path).problems)


def test_a_module_in_a_library_s_place_is_named_by_the_command(clone: Clone) -> None:
    (clone.path / "src/pandas.py").write_text("x = 1\n")
    clone.env["PYTHONPATH"] = str(clone.path / "src")
    said = clone.run("tasklaws", "verify", fails=True).splitlines()
    assert said[0].startswith("src/pandas.py: commit ")
    assert said[1].startswith("tasklaws verify: a check ended with AttributeError")


@pytest.mark.heavy
def test_a_deep_look_at_an_untouched_tree_finds_nothing(finished_clone: Clone) -> None:
    before = snapshot(finished_clone.path)
    assert lines(finished_clone.path, deep=True) == []
    assert snapshot(finished_clone.path) == before


@pytest.mark.heavy
@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda each: each.name)
def test_every_tampering_is_named(clone: Clone, tampering: Tampering) -> None:
    found(clone.path, tampering)


def test_an_edited_run_of_mlflow_is_named(clone: Clone) -> None:
    rebuild_all(clone.path)
    assert lines(clone.path) == []
    with closing(sqlite3.connect(clone.path / "mlflow.db")) as store, store:
        store.execute("UPDATE latest_metrics SET value = value + 1")
        store.execute("UPDATE metrics SET value = value + 1")
    assert any(line.startswith("MLflow run ") for line in lines(clone.path))
    rebuild_all(clone.path)
    artifact = next(path for path in sorted((clone.path / "mlartifacts").rglob("*.csv")) if path.is_file())
    artifact.write_text("made up\n")
    assert any(line.startswith("MLflow run ") for line in lines(clone.path))


def found(root: Path, tampering: Tampering) -> None:
    """Change a tree, and look whether verify names it, without --deep unless that is needed."""
    tampering.change(root)
    said = lines(root, tampering.deep)
    assert any(line.startswith(tampering.named) for line in said), said
    if tampering.deep:
        assert not any(line.startswith(tampering.named) for line in lines(root)), "it needs no --deep"


@pytest.mark.heavy
def test_another_ladder_and_the_way_back_leave_nothing_that_differs(clone: Clone) -> None:
    clone.run("tasklaws", "compose", "models=nano_mini", "models.name=nano_other", "laws.replicates=60")
    clone.run("dvc", "repro")
    assert lines(clone.path) == []
    clone.run("tasklaws", "compose", "models=nano_mini")
    clone.run("dvc", "repro")
    assert lines(clone.path) == []


def test_what_was_never_pulled_is_counted_and_only_a_deep_look_needs_it(clone: Clone) -> None:
    for name in ("data", "models", "responses", "scores", "reports", ".dvc/cache"):
        shutil.rmtree(clone.path / name)
    said = verify(clone.path)
    assert said.problems == []
    assert any("nobody pulled" in str(each) for each in said.unchecked)
