"""`dvc exp run -S models=pythia_ladder` from fetch to report, against a loopback hub with stand-ins of all sizes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from clone import ROOT, Clone, asked
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import Document
from tasklaws.trace.targets import trace

if TYPE_CHECKING:
    from hub_server import Hub

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.network]

FEW = [
    "corpus=mini",
    # Giving another dictionary would add to the one that is there.
    *(f"~elicitation.ask.{family}" for family in asked() if family not in ("gauss_sum", "largest_of_four")),
    "elicitation.ask.gauss_sum=[python]",
]
LADDER = yaml.safe_load((ROOT / "conf/models/pythia_ladder.yaml").read_text())["rungs"]
FEWEST = ["pythia-1b4", "pythia-12b"]  # their weights are in parts, as .bin and as safetensors


@pytest.mark.parametrize("rungs", [FEWEST, pytest.param(list(LADDER), marks=pytest.mark.heavy)], ids=["two", "all"])
def test_from_fetch_to_report(hub: "Hub", tmp_path: Path, rungs: list[str]) -> None:
    clone = Clone.small(tmp_path / "clone", HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=str(tmp_path / "cache"))
    left_out = [f"~models.rungs.{rung}" for rung in LADDER if rung not in rungs]
    final_only = [f"models.rungs.{rung}.source.steps=[143000]" for rung in rungs]
    settings = ["models=pythia_ladder", *FEW, *left_out, *final_only]
    said = clone.run("dvc", "exp", "run", *(word for setting in settings for word in ("-S", setting)))
    assert said.count("Running stage 'model@pythia-") == len(rungs)
    page = (clone.path / "reports/pythia_ladder/index.html").read_text()
    assert all(rung in page for rung in rungs)
    for rung in rungs:
        served = hub.repos[LADDER[rung]["source"]["repo"]]["step143000"].commit
        for target in (f"gauss_sum_python@{rung}", f"results/pythia_ladder/observations_{LADDER[rung]['role']}.csv"):
            found = json.dumps(trace(target, clone.path).to_dict())
            assert f'"commit": "{served}"' in found
            assert '"as_scored": false' not in found
            assert "DIFFERS" not in found
    # Offline afterwards: with the hub gone, another setting needs no fetch, and a new fetch is served from the cache.
    clone.env.update(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    clone.set(lambda params: params["laws"].update(replicates=60))
    before = clone.outputs()
    clone.forget("model@pythia-1b4")
    assert clone.ran("dvc", "repro", "fit@pythia_ladder") == ["model@pythia-1b4", "fit@pythia_ladder"]
    assert clone.outputs()["models/pythia-1b4"] == before["models/pythia-1b4"]


def test_without_a_network_the_error_is_one_clear_line(tmp_path: Path) -> None:
    clone = Clone.fresh(tmp_path / "clone", HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_CACHE=str(tmp_path / "cache"))
    clone.run("tasklaws", "compose", "models=pythia_ladder")
    clone.run("python", "stages/items.py")
    document = Document("addition", "direct", "Q: 1+1\nA:", " 2")
    write_jsonl(clone.path / "data/corpus/heldout.jsonl", [document.to_dict()])
    said = clone.run("python", "stages/model.py", "pythia-70m", fails=True)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "EleutherAI/pythia-70m" in line
    assert "http://127.0.0.1:9" in line
    assert "Traceback" not in said
    assert not (clone.path / "models").exists()
