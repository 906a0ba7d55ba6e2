"""The real ladder of three small rungs, trained and asked as cells by every engine, and collected by the pipeline."""

import shutil
from pathlib import Path

import pytest
import yaml

from clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.heavy]
LADDER = [f"{stage}@mini-{size}" for stage in ("model", "respond") for size in ("1k", "5k", "21k")]


@pytest.mark.parametrize(
    "words",
    [["engine=debug"], ["engine=local", "at_once=1"], ["engine=local", "at_once=2", "resources.respond.shards=2"]],
    ids=["debug", "local", "two_local_with_shards"],
)
def test_it_gives_the_bytes_of_the_pipeline_alone(
    finished_clone: Clone, clone: Clone, tmp_path: Path, words: list[str]
) -> None:
    store = tmp_path / "store"
    settings = [f"execution.{word}" for word in (*words, f"store={store}", "workers=1")]
    for stage in LADDER:
        clone.forget(stage)
    for folder in ("models", "responses", ".work", ".dvc/cache/runs"):
        shutil.rmtree(clone.path / folder)
    clone.run("tasklaws", "compose", "models=nano_mini", *settings)
    clone.run("dvc", "repro", "items", "corpus", "benchmarks")
    assert "would be sent" in clone.run("tasklaws", "submit", "--dry-run")
    assert not store.exists()
    said = clone.run("tasklaws", "submit")
    done = f"cells, {len(list(store.glob('entries/*')))} done"
    assert done in said
    assert "0 cells would be sent" in clone.run("tasklaws", "submit", "--dry-run")
    told = clone.run("dvc", "repro", *LADDER)
    assert all(f"{stage}: taken from the store" in told for stage in LADDER)
    assert done in clone.run("tasklaws", "cells")
    assert done in clone.run("tasklaws", "cells", "--resubmit")
    assert clone.outputs() == finished_clone.outputs()
    assert clone.ran("dvc", "repro") == []


def test_what_the_pipeline_made_is_not_trained_again_but_put_into_the_store(clone: Clone, tmp_path: Path) -> None:
    clone.forget("respond@mini-1k")
    shutil.rmtree(clone.path / "responses")
    clone.run("tasklaws", "compose", "models=nano_mini", f"execution.store={tmp_path / 'store'}", "execution.workers=1")
    assert "model@mini-21k: made here, put into the store" in clone.run("tasklaws", "submit")
    models = [yaml.safe_load(path.read_text())["cell"] for path in tmp_path.glob("store/entries/*/manifest.json")]
    assert {"model@mini-1k", "model@mini-5k", "model@mini-21k", "respond@mini-1k"} <= set(models)
