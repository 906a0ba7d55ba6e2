"""`tasklaws new-ladder` writes a ladder that composes, from repositories and folders."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import tiny
from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import HubSource, LocalSource, Settings
from tasklaws.ladder.new_ladder import new_ladder

if TYPE_CHECKING:
    from hub_server import Hub

REPOS = ("EleutherAI/pythia-70m", "EleutherAI/pythia-1.4b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model smaller than the hub's stand-ins."""
    made = tmp_path_factory.mktemp("mine")
    tiny.write_corpus(made / "corpus")
    tiny.write_model(made / "My.Model v2", made / "corpus")
    return made / "My.Model v2"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.ROOT / "conf", tmp_path / "conf"))


@pytest.mark.network
def test_it_composes_into_a_ladder_from_small_to_large(conf: Path, folder: Path, hub: "Hub"):
    path = new_ladder("mine", [*REPOS, str(folder)], [REPOS[0]], conf / "models")
    models = Settings.of(yaml.safe_load(compose(["models=mine"], conf))).models
    assert path == conf / "models/mine.yaml"
    assert list(models.rungs) == ["my_model_v2", "pythia-70m", "pythia-1_4b"]
    assert [rung.role for rung in models.rungs.values()] == ["fit", "holdout", "fit"]
    local, small, large = (rung.source for rung in models.rungs.values())
    assert isinstance(local, LocalSource)
    assert isinstance(small, HubSource)
    assert isinstance(large, HubSource)
    assert (local.path, small.repo, large.repo) == (str(folder), *REPOS)
    assert (local.n_params or 0) < (small.n_params or 0) == large.n_params
    assert (small.n_tokens, models.prompts, models.shots, models.dtype) == (None, "plain", "related", "bfloat16")
    with pytest.raises(TasklawsError, match=r"mine\.yaml is there already"):
        new_ladder("mine", REPOS, [], conf / "models")


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "places", "holdout", "said"),
    [
        ("a.b", REPOS, [], "no ladder can be called 'a.b'"),
        ("mine", REPOS[:1], [], "has less than two models"),
        ("mine", [REPOS[0], REPOS[0]], [], "has less than two models"),
        ("mine", [REPOS[0], "nowhere"], [], "nowhere is not there, nor a repository's name"),
        ("mine", [REPOS[0], "no/such"], [], "cannot fetch no/such at main"),
        ("mine", REPOS, ["EleutherAI/pythia-1b"], "--holdout EleutherAI/pythia-1b is none of the models"),
        ("mine", REPOS, REPOS, "--holdout names all models"),
    ],
)
def test_what_makes_no_ladder_is_refused_and_nothing_is_written(
    name: str, places: list[str], holdout: list[str], said: str, conf: Path, hub: "Hub"
):
    before = sorted(conf.rglob("*"))
    with pytest.raises(TasklawsError, match=said):
        new_ladder(name, places, holdout, conf / "models")
    assert sorted(conf.rglob("*")) == before


@pytest.mark.network
def test_rungs_of_one_name_are_refused(conf: Path, folder: Path, tmp_path: Path, hub: "Hub"):
    other = Path(shutil.copytree(folder, tmp_path / "my_model_v2"))
    with pytest.raises(TasklawsError, match="would be rung my_model_v2, as another model is"):
        new_ladder("mine", [str(folder), str(other)], [], conf / "models")


def test_elsewhere_it_says_where(tmp_path: Path):
    with pytest.raises(TasklawsError, match="run this in the repository's root"):
        new_ladder("mine", REPOS, [], tmp_path / "conf/models")


def test_a_ladder_of_folders_has_nothing_to_pin_and_says_how_it_is_asked(conf: Path, folder: Path):
    other = Path(shutil.copytree(folder, conf.parent / "second"))
    command = [str(Path(sys.executable).with_name("tasklaws"))]
    for words, said in (
        (["new-ladder", "mine", str(folder), str(other)], r"in plain language.*\nthen: tasklaws plan-run models=mine"),
        (["pin", "mine"], "has nothing to pin: no rung of it comes from a hub"),
    ):
        done = subprocess.run([*command, *words], cwd=conf.parent, capture_output=True, text=True, check=True)
        assert re.search(said, done.stdout, re.DOTALL)
        assert "tasklaws pin" not in done.stdout
