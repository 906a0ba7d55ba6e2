"""`tasklaws pin` writes what a hub's revisions resolve to, and leaves all else of a ladder's file alone."""

import difflib
import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tasklaws.compose import compose
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import HubSource, Models, Settings
from tasklaws.ladder.pin import pin
from tiny import ROOT

if TYPE_CHECKING:
    from hub_server import Hub

pytestmark = pytest.mark.network


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "conf", tmp_path / "conf"))


def composed(conf: Path, ladder: str) -> Models:
    return Settings.of(yaml.safe_load(compose([f"models={ladder}"], conf))).models


def only_pins(before: str, after: str) -> bool:
    """Whether two texts of a ladder differ in lines of revisions alone."""
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    pinned = ("revision:", "branches:", "1000:", "16000:", "64000:")
    return all(line[2:].strip().startswith(pinned) for line in changed)


def test_revisions_become_commits_and_comments_stay(conf: Path, hub: "Hub"):
    path = conf / "models/pythia_ladder.yaml"
    before = path.read_text()
    found = pin(path, composed(conf, "pythia_ladder"))
    after = composed(conf, "pythia_ladder")
    for name, rung in after.rungs.items():
        assert isinstance(rung.source, HubSource)
        served = hub.repos[rung.source.repo]
        assert rung.source.revisions == {step: served[f"step{step}"].commit for step in rung.source.steps}
        assert found[name]["main"] == rung.source.revision
    assert only_pins(before, path.read_text())
    # Pinned already, it asks nothing and writes nothing.
    asked, text = len(hub.asked), path.read_text()
    assert pin(path, after) == {}
    assert (len(hub.asked), path.read_text()) == (asked, text)


def test_what_the_hub_does_not_have_leaves_the_file_as_it_was(conf: Path, hub: "Hub"):
    path = conf / "models/pythia_ladder.yaml"
    before = path.read_text()
    del hub.repos["EleutherAI/pythia-12b"]["step16000"]
    with pytest.raises(TasklawsError, match="cannot fetch EleutherAI/pythia-12b at step16000"):
        pin(path, composed(conf, "pythia_ladder"))
    assert path.read_text() == before


def test_a_rung_of_another_file_is_named(conf: Path, hub: "Hub"):
    path = conf / "models/longer.yaml"
    path.write_text("defaults: [pythia_ladder, _self_]\nname: longer\n")
    with pytest.raises(TasklawsError, match=r"longer\.yaml has no source of pythia-70m: pin the ladder"):
        pin(path, composed(conf, "longer"))


@pytest.mark.parametrize("ladder", ["gpt2", "olmo2", "opt", "pythia_deduped", "qwen2_5", "smollm2"])
def test_nothing_but_the_pins_changes_in_the_ladders_that_are_there(
    ladder: str, conf: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tasklaws.ladder.pin._commit", lambda repo, revision: hashlib.sha1(repo.encode()).hexdigest())
    path = conf / "models" / f"{ladder}.yaml"
    before = path.read_text()
    found = pin(path, composed(conf, ladder))
    after = composed(conf, ladder)
    assert list(found) == list(after.rungs)
    for rung in after.rungs.values():
        assert isinstance(rung.source, HubSource)
        assert set(rung.source.revisions.values()) == {hashlib.sha1(rung.source.repo.encode()).hexdigest()}
    assert only_pins(before, path.read_text())
