"""Fixtures that several parts share; its place also lets tests import helpers such as hub_server."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from hub_server import Hub, Revision, pythia


@pytest.fixture(scope="session")
def pythia_stand_ins() -> dict[str, dict[str, Revision]]:
    """Tiny stand-ins for every repository and step of conf/models/pythia_ladder.yaml."""
    return pythia()


@pytest.fixture
def hub(
    pythia_stand_ins: dict[str, dict[str, Revision]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A loopback hub that this process and its children fetch from, with an empty cache of their own."""
    with Hub({repo: dict(revisions) for repo, revisions in pythia_stand_ins.items()}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        yield hub
        huggingface_hub.close_session()
