"""One ladder of rungs from everywhere: trained here, from a folder and a GGUF file, from a hub, two servers, a task."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

import local_tasks
from clone import Clone
from gguf_file import write_gguf
from openai_server import OpenAIServer

if TYPE_CHECKING:
    from hub_server import Hub

pytestmark = [pytest.mark.slow, pytest.mark.pipeline, pytest.mark.network, pytest.mark.heavy]

ASKED = {"gauss_sum": ["python"], "largest_of_four": ["choice"]}
UNKNOWN = {"file", "folder", "served", "chat"}  # how many tokens they learned from is not stated


def ask_few(clone: Clone) -> None:
    """Leave all families but `ASKED` out of what is asked, in conf/, where verify looks."""
    for path in sorted((clone.path / "conf/families").glob("*.yaml")):
        if "elicitation" in yaml.safe_load(path.read_text()):
            ask = {family: ways for family, ways in ASKED.items() if family == path.stem}
            clone.set(lambda params, ask=ask: params.update(elicitation={"ask": ask}), f"conf/families/{path.name}")


def mixed(clone: Clone, server: OpenAIServer) -> dict[str, Any]:
    """The miniature ladder's smallest rungs, and beside them those that were made elsewhere."""
    mini = yaml.safe_load((clone.path / "conf/models/nano_mini.yaml").read_text())
    local = {"kind": "local", "heldout": False}
    served = {"kind": "lm_eval", "model": "local-completions", "n_params": 8000}
    told = {"model": "tiny", "num_concurrent": 2}
    completions = told | {"base_url": f"{server.base}/completions", "tokenizer": "../my-model", "max_length": 512}
    chat = served | {
        "model": "local-chat-completions",
        "n_params": 30000,
        "model_args": told | {"base_url": f"{server.base}/chat/completions"},
    }
    rungs = {
        **{name: mini["rungs"][name] for name in ("mini-1k", "mini-5k")},
        "file": {"role": "fit", "source": local | {"path": "../my-model.gguf"}, "asking": {"dtype": "float32"}},
        "folder": {"role": "fit", "source": local | {"path": "../my-model"}},
        "served": {"role": "fit", "source": served | {"model_args": completions}, "asking": {"batch_size": 8}},
        "hub": {
            "role": "holdout",
            "source": {"kind": "hub", "repo": "EleutherAI/pythia-70m", "n_tokens": 10**9},
            "asking": {"dtype": "float32", "num_fewshot": 1},
        },
        "chat": {"role": "holdout", "source": chat, "asking": {"chat_template": True}},
    }
    return mini | {"name": "mixed", "rungs": rungs, "planned": {"more": {"n_params": 50000, "n_tokens": 10**6}}}


def test_from_everywhere_to_the_report(hub: "Hub", tmp_path: Path) -> None:
    clone = Clone.small(tmp_path / "clone", HF_ENDPOINT=hub.endpoint, HF_HUB_CACHE=str(tmp_path / "cache"))
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name, content in hub.repos["EleutherAI/pythia-160m"]["main"].files.items():
        (folder / name).write_bytes(content)
    write_gguf(tmp_path / "my-model.gguf")
    ask_few(clone)
    shutil.rmtree(clone.path / "studies")  # whose record is of the commit's code, not of what is tested
    local_tasks.write_tasks(clone.path / "my_tasks", named="my_tasks")
    mine = {"benchmarks": {"written": {"repeats": 2}}, "benchmark_folder": "my_tasks"}
    (clone.path / "conf/benchmarks/mine.yaml").write_text("# @package _global_\n" + yaml.safe_dump(mine))
    with OpenAIServer(folder) as server:
        (clone.path / "conf/models/mixed.yaml").write_text(yaml.safe_dump(mixed(clone, server), sort_keys=False))
        clone.run("tasklaws", "compose", "models=mixed", "corpus=mini", "benchmarks=mine")
        clone.commit("a ladder of rungs from everywhere")
        said = clone.run("dvc", "repro")
    assert "chat: gives no likelihoods, and is not asked to choose: largest_of_four" in said
    results = clone.path / "results/mixed"
    sizes = pd.read_csv(results / "ladder.csv").set_index("rung")
    assert sizes.loc["folder", "n_params"] == sizes.loc["hub", "n_params"]  # read from their config.json
    assert set(sizes.index[sizes["n_tokens"].isna()]) == UNKNOWN
    fit, holdout = (pd.read_csv(results / f"observations_{role}.csv") for role in ("fit", "holdout"))
    assert set(fit.loc[fit["family"] == "corpus", "rung"]) == {"mini-1k", "mini-5k"}
    assert set(holdout.loc[holdout["family"] == "corpus", "rung"]) == {"hub"}
    assert set(holdout.loc[holdout["elicitation"] == "choice", "rung"]) == {"hub"}
    assert set(pd.concat([fit, holdout]).query("family == 'written'")["rung"]) == set(sizes.index)
    points = pd.read_csv(results / "points.csv")
    assert points.loc[points["model"].isin(UNKNOWN), ["n_tokens", "train_flops"]].isna().all(axis=None)
    page = (clone.path / "reports/mixed/index.html").read_text()
    assert all(rung in page for rung in sizes.index)
    assert not re.search(r"\bnan\b", page)
    clone.run("tasklaws", "track")
    for rung in sizes.index:
        found = clone.run("tasklaws", "trace", f"gauss_sum_python@{rung}", "--json")
        assert "DIFFERS" not in found
        assert '"as_scored": false' not in found
    clone.commit("its results")
    assert "nothing differs" in clone.run("tasklaws", "verify")
    # With hub, server and both models gone, what follows from what was said needs none of them.
    clone.env.update(HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    for path in (folder, tmp_path / "my-model.gguf"):
        path.rename(path.with_name(f"{path.name}.gone"))
    n_asked = len(server.requests)
    clone.set(lambda params: params["laws"].update(replicates=60))
    ran = clone.ran("dvc", "repro")
    assert ran[0] == "fit@mixed"
    assert "report@mixed" in ran
    assert not [stage for stage in ran if stage.split("@")[0] in ("ladder", "model", "respond", "score", "observe")]
    assert len(server.requests) == n_asked
    assert clone.ran("dvc", "repro") == []
