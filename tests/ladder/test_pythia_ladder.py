"""conf/models/pythia_ladder.yaml against what the Pythia suite publishes."""

from typing import Any

import pytest
import torch
import yaml
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from hub_server import LADDER
from tasklaws.core.settings import gpt_neox_n_params
from tasklaws.ladder.heldout import count_params

RUNGS: dict[str, dict[str, Any]] = yaml.safe_load(LADDER.read_text())["rungs"]
# What Biderman et al. 2023 publish: n_params, n_params_total, vocabulary.
PUBLISHED = {
    "pythia-70m": (18915328, 70426624, 50304),
    "pythia-160m": (85056000, 162322944, 50304),
    "pythia-410m": (302311424, 405334016, 50304),
    "pythia-1b": (805736448, 1011781632, 50304),
    "pythia-1b4": (1208602624, 1414647808, 50304),
    "pythia-2b8": (2517652480, 2775208960, 50304),
    "pythia-6b9": (6444163072, 6857302016, 50432),
    "pythia-12b": (11327027200, 11846072320, 50688),
}


@pytest.mark.parametrize("rung", RUNGS)
def test_the_ladder_states_the_published_sizes(rung: str) -> None:
    source, (n_params, n_params_total, vocabulary) = RUNGS[rung]["source"], PUBLISHED[rung]
    shape: dict[str, Any] = {
        "num_hidden_layers": source["layers"],
        "num_attention_heads": source["heads"],
        "vocab_size": vocabulary,
    }
    width = source["width"]
    with torch.device("meta"):
        model = GPTNeoXForCausalLM(GPTNeoXConfig(**shape, hidden_size=width, intermediate_size=4 * width))
    assert count_params(model) == (n_params, n_params_total)
    assert (source["n_params"], source["n_params_total"]) == (n_params, n_params_total)
    assert gpt_neox_n_params(source["layers"], width) == n_params


def test_only_the_largest_rung_is_held_out() -> None:
    sizes = [settings["source"]["n_params"] for settings in RUNGS.values()]
    assert sizes == sorted(sizes)
    assert [settings["role"] for settings in RUNGS.values()] == ["fit"] * 7 + ["holdout"]


def test_every_step_is_a_published_one() -> None:
    published = {0, *(2**k for k in range(10)), *range(1000, 143001, 1000)}
    assert len(published) == 154
    for settings in RUNGS.values():
        assert set(settings["source"]["steps"]) <= published
        assert settings["source"]["steps"][-1] == 143000
