"""Fixtures that several parts share; its place also lets tests import helpers such as hub_server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:  # seconds of importing torch, which most tests do not need
    from clone import Clone
    from hub_server import Hub, Revision

# One commit, one verdict: neither a busy machine nor other draws fail the next run of what passed. To search on, with
# new draws: pytest --hypothesis-profile default.
hypothesis.settings.register_profile("tasklaws", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tasklaws")


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
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which `make repro` has run on the miniature ladder; `order` beside it lists the stages as they ran."""
    from clone import BIN, Clone

    clone = Clone(tmp_path_factory.mktemp("mini") / "clone")
    # An environment that make takes for set up, so that it never installs the clone into the real one.
    (clone.path / ".venv").mkdir()
    for part in BIN.parent.iterdir():
        if part.name != ".ready":
            (clone.path / ".venv" / part.name).symlink_to(part)
    (clone.path / ".venv/.ready").touch()
    clone.run("tasklaws", "compose", "models=nano_mini")
    clone.commit("the miniature ladder")
    (clone.path.parent / "order").write_text("\n".join(clone.ran("make", "repro")))
    clone.commit("its results")
    return clone
