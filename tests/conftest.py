"""Fixtures that several parts share; its place also lets tests import helpers such as hub_server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import hypothesis
import pytest

from once import built_once
from quick import is_quick, skip_slow_imports

if TYPE_CHECKING:  # seconds of importing torch, which most tests do not need
    from clone import Clone
    from hub_server import Hub, Revision
    from tasklaws.core.settings import Settings

# One commit, one verdict: neither a busy machine nor other draws fail the next run of what passed. To search on, with
# new draws: pytest --hypothesis-profile default. A property is tried often only where the heavy tests run too.
for name, examples in (("tasklaws", 20), ("heavy", 100)):
    hypothesis.settings.register_profile(name, deadline=None, derandomize=True, max_examples=examples)
hypothesis.settings.load_profile("tasklaws")

NOT_QUICK = {"slow", "pipeline", "heavy"}


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """What a test, or what it calls in its own process, sets in the environment ends with the test: where a hub is said
    to be offline, transformers writes so into every tokenizer that is saved later.

    What nobody foresaw ends in a traceback, which no test can take for a refusal."""
    with mock.patch.dict(os.environ, TASKLAWS_TRACEBACK="1"):
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that need neither torch, lm-eval, MLflow nor DVC")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        skip_slow_imports()
    elif not config.getoption("markexpr") and not config.getoption("hypothesis_profile"):
        hypothesis.settings.load_profile("heavy")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_test = collection_path.name.startswith("test_")
    return True if config.getoption("quick") and is_test and not is_quick(collection_path) else None


@pytest.hookimpl(tryfirst=True)  # xdist's, which reads the groups, would come before
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Those that run the pipeline first, each for itself, then those of a file together, whose fixtures are then made
    once, files with a slow test before the others.

    Of the first, one begins that needs the finished clone: one worker makes it while another goes on with those that
    need none.
    """
    if config.getoption("quick"):
        slow = [item for item in items if NOT_QUICK & {mark.name for mark in item.iter_markers()}]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("pipeline"):
            return 1 if "finished_clone" in getattr(item, "fixturenames", ()) else 0
        return 2 if item.path in slow_files else 3

    for item in items:
        if not item.get_closest_marker("pipeline"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=place)
    first = next((item for item in items if place(item) == 1), None)
    if first is not None:
        items.remove(first)
        items.insert(0, first)


@pytest.fixture(scope="session")
def not_quick(pytestconfig: pytest.Config) -> None:
    """For a fixture that takes long: the tests that use it are skipped among the quick ones."""
    if pytestconfig.getoption("quick"):
        pytest.skip("not quick: what it needs takes long to make")


@pytest.fixture(scope="session")
def pythia_stand_ins() -> dict[str, dict[str, Revision]]:
    """Tiny stand-ins for every repository and step of conf/models/pythia_ladder.yaml."""
    from hub_server import pythia

    return pythia()


@pytest.fixture
def hub(
    pythia_stand_ins: dict[str, dict[str, Revision]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A loopback hub that this process and its children fetch from, with an empty cache of their own."""
    import huggingface_hub.constants

    from hub_server import Hub

    with Hub({repo: dict(revisions) for repo, revisions in pythia_stand_ins.items()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        yield hub
        huggingface_hub.close_session()


@pytest.fixture(scope="session")
def finished_clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which `make repro` has run on the small ladder, and `make study`; made once for all workers: only read
    it.

    `order` beside it lists the stages as they ran.
    """
    from clone import Clone

    def build(folder: Path) -> None:
        clone = Clone.small(folder / "clone")
        clone.set_up()
        (folder / "order").write_text("\n".join(clone.ran("make", "repro")))
        assert "studies/pythia/README.md" in clone.run("make", "study")
        clone.commit("its results")

    return Clone(built_once(tmp_path_factory, "finished_clone", build) / "clone")


@pytest.fixture
def clone(finished_clone: Clone, tmp_path: Path) -> Clone:
    """A copy of the finished clone for one test."""
    return finished_clone.copy(tmp_path / "clone")


@pytest.fixture(scope="session")
def three_families(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """The miniature ladder's invented results of three families, the largest rung asked in plain language, not yet
    reported; made once for all workers: only read it."""
    from results_tree import params_of, write_results
    from tasklaws.core.settings import Settings

    params = params_of("nano_mini", ("gauss_sum", "largest_of_four", "sha256_power"))
    *_, largest = params["models"]["rungs"].values()
    largest["asking"] = {"prompts": "plain"}
    root = built_once(tmp_path_factory, "three_families", lambda folder: write_results(folder, params))
    return root, Settings.of(params)


@pytest.fixture(scope="session")
def three_families_reported(
    three_families: tuple[Path, Settings], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Settings]:
    """The same with its report."""
    root, settings = three_families

    def build(folder: Path) -> None:
        from tasklaws.report.build import build_report

        shutil.copytree(root, folder, dirs_exist_ok=True)
        build_report(folder, settings)

    return built_once(tmp_path_factory, "three_families_reported", build), settings
