"""One ladder of rungs from everywhere: trained here, from a folder, from a hub; tokens and losses known of some."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from clone import Clone, asked

if TYPE_CHECKING:
    from hub_server import Hub

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.network, pytest.mark.heavy]

FEW = [f"~elicitation.ask.{family}" for family in asked() if family not in ("gauss_sum", "largest_of_four")]


def mixed(clone: Clone, folder: Path) -> dict[str, Any]:
    """The miniature ladder's smallest rungs, and beside them two that were made elsewhere."""
    mini = yaml.safe_load((clone.path / "conf/models/nano_mini.yaml").read_text())
    rungs = {name: mini["rungs"][name] for name in ("mini-1k", "mini-5k")}
    rungs["folder"] = {"role": "fit", "source": {"kind": "local", "path": str(folder), "heldout": False}}
    rungs["hub"] = {
        "role": "holdout",
        "source": {"kind": "hub", "repo": "EleutherAI/pythia-70m", "n_tokens": 10**9},
        "asking": {"dtype": "float32", "num_fewshot": 1},
    }
    return mini | {"name": "mixed", "rungs": rungs, "planned": {"more": {"n_params": 50000, "n_tokens": 10**6}}}


def test_from_everywhere_to_the_report(hub: "Hub", tmp_path: Path) -> None:
    clone = Clone.small(tmp_path / "clone", HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=str(tmp_path / "cache"))
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name, content in hub.repos["EleutherAI/pythia-160m"]["main"].files.items():
        (folder / name).write_bytes(content)
    (clone.path / "conf/models/mixed.yaml").write_text(yaml.safe_dump(mixed(clone, folder), sort_keys=False))
    clone.run("tasklaws", "compose", "models=mixed", "corpus=mini", *FEW, "elicitation.ask.gauss_sum=[python]")
    clone.run("dvc", "repro")
    results = clone.path / "results/mixed"
    sizes = pd.read_csv(results / "ladder.csv").set_index("rung")
    assert sizes.loc["folder", "n_params"] == sizes.loc["hub", "n_params"]  # read from their config.json
    assert sizes["n_tokens"].isna().to_dict() == {"folder": True, "hub": False, "mini-1k": False, "mini-5k": False}
    fit, holdout = (pd.read_csv(results / f"observations_{role}.csv") for role in ("fit", "holdout"))
    assert set(fit.loc[fit["family"] == "corpus", "rung"]) == {"mini-1k", "mini-5k"}
    assert "corpus" in set(holdout["family"])
    points = pd.read_csv(results / "points.csv")
    assert points.loc[points["model"] == "folder", ["n_tokens", "train_flops"]].isna().all(axis=None)
    page = (clone.path / "reports/mixed/index.html").read_text()
    assert all(rung in page for rung in sizes.index)
    assert not re.search(r"\bnan\b", page)
    clone.run("tasklaws", "track")
    for rung in ("folder", "hub"):
        found = clone.run("tasklaws", "trace", f"gauss_sum_python@{rung}")
        assert "DIFFERS" not in found
    assert clone.ran("dvc", "repro") == []
