"""The ladder that most tests of the pages look at, made once for them all."""

import shutil
from pathlib import Path

import pytest

from results_tree import params_of, write_results
from tasklaws.core.settings import Settings
from tasklaws.report.build import build_report
from tasklaws.report.load import Results, load_results

FEW = ("gauss_sum", "largest_of_four", "sha256_power")


@pytest.fixture(scope="session")
def mini(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """Three rungs, one seed, a few families, not yet reported; the largest is asked in plain language."""
    root = tmp_path_factory.mktemp("mini")
    params = params_of("nano_mini", FEW)
    *_, largest = params["models"]["rungs"].values()
    largest["asking"] = {"prompts": "plain"}
    write_results(root, params)
    return root, Settings.of(params)


@pytest.fixture(scope="session")
def reported(mini: tuple[Path, Settings], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """The same with its pages."""
    root = shutil.copytree(mini[0], tmp_path_factory.mktemp("reported"), dirs_exist_ok=True)
    build_report(root, mini[1])
    return root, mini[1]


@pytest.fixture(scope="session")
def results(reported: tuple[Path, Settings]) -> Results:
    return load_results(*reported)
