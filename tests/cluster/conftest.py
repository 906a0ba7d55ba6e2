"""One tiny ladder and what a plain local run makes of it, for all trials of a cluster."""

import json
from pathlib import Path

import pytest
from trial import CELLS, made, tiny_ladder

from clone import Clone
from once import built_once


@pytest.fixture(scope="session")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `clone`, where no cell has run, and `plain.json`, what one process after the other made of it."""

    def build(folder: Path) -> None:
        clone = tiny_ladder(folder / "clone")
        plain = clone.copy(folder / "plain")
        plain.run("dvc", "repro", *CELLS)
        (folder / "plain.json").write_text(json.dumps(made(plain.path)))

    return built_once(tmp_path_factory, "tiny_ladder", build)


@pytest.fixture(scope="module")
def ladder_clone(ladder: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the clone for one file of tests."""
    return Clone(ladder / "clone").copy(tmp_path_factory.mktemp("cluster") / "clone")
