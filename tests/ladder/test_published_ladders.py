"""The ladders of published models: each composes, and states what can be computed of the shapes that it states."""

import re
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig

from tasklaws.compose import compose
from tasklaws.core.settings import HubSource, Models, Settings, gpt_neox_n_params
from tasklaws.ladder.heldout import count_params
from tiny import ROOT

LADDERS = ["gpt2", "olmo2", "opt", "pythia_deduped", "pythia_ladder", "qwen2_5", "smollm2"]
HOLDOUTS = {"opt": 2, "qwen2_5": 2}


def composed(ladder: str) -> Models:
    return Settings.of(yaml.safe_load(compose([f"models={ladder}"], ROOT / "conf"))).models


def source_of(ladder: str, rung: str) -> HubSource:
    source = composed(ladder).rungs[rung].source
    assert isinstance(source, HubSource)
    return source


@pytest.mark.parametrize("ladder", LADDERS)
def test_it_is_asked_as_published_models_should_be(ladder: str):
    params = yaml.safe_load(compose([f"models={ladder}"], ROOT / "conf"))
    models = Settings.of(params).models
    assert models.name == ladder
    assert (models.dtype, models.num_fewshot, models.shots, models.prompts) == ("bfloat16", 3, "related", "plain")
    assert params["execution"]["batch_size"] == "auto"
    roles = [rung.role for rung in models.rungs.values()]
    n_held = HOLDOUTS.get(ladder, 1)
    assert roles == ["fit"] * (len(roles) - n_held) + ["holdout"] * n_held
    assert len({rung.source.repo for rung in models.rungs.values() if isinstance(rung.source, HubSource)}) == len(roles)


@pytest.mark.parametrize("ladder", LADDERS)
def test_its_notes_say_where_its_figures_were_read(ladder: str):
    text = (ROOT / "conf/models" / f"{ladder}.yaml").read_text()
    notes = " ".join(line.removeprefix("#") for line in text.splitlines() if line.startswith("#"))
    assert re.search(r"https?://|arXiv", notes)
    assert re.search("[Ll]icence", notes)
    assert re.search("[Tt]okens", notes)


def test_both_corpora_of_pythia_have_the_same_shapes():
    rungs = composed("pythia_ladder").rungs
    for name, rung in composed("pythia_deduped").rungs.items():
        other = rungs[name.removesuffix("-deduped")].source
        assert isinstance(rung.source, HubSource)
        assert isinstance(other, HubSource)
        assert rung.source.repo == f"{other.repo}-deduped"
        for field in ("steps", "n_tokens", "layers", "width", "heads", "n_params", "n_params_total"):
            assert getattr(rung.source, field) == getattr(other, field)
        assert rung.source.n_params == gpt_neox_n_params(other.layers or 0, other.width or 0)


@pytest.mark.parametrize(
    ("ladder", "rung", "config"),
    [
        (
            "smollm2",
            "smollm2-135m",
            LlamaConfig(
                vocab_size=49152,
                hidden_size=576,
                num_hidden_layers=30,
                num_attention_heads=9,
                num_key_value_heads=3,
                intermediate_size=1536,
                tie_word_embeddings=True,
            ),
        ),
        ("gpt2", "gpt2-124m", GPT2Config()),
        ("gpt2", "gpt2-355m", GPT2Config(n_layer=24, n_embd=1024, n_head=16)),
        ("gpt2", "gpt2-774m", GPT2Config(n_layer=36, n_embd=1280, n_head=20)),
        ("gpt2", "gpt2-1b5", GPT2Config(n_layer=48, n_embd=1600, n_head=25)),
        ("opt", "opt-125m", OPTConfig()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_size_that_was_computed_follows_from_the_shape_that_was_read(ladder: str, rung: str, config: Any):
    source = source_of(ladder, rung)
    build: Any = AutoModelForCausalLM.from_config
    with torch.device("meta"):
        assert count_params(build(config)) == (source.n_params, source.n_params_total)
    read = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert read == (source.layers, source.width, source.heads)


def test_a_figure_that_was_not_read_is_not_there():
    assert {
        rung.source.n_tokens for ladder in ("gpt2", "opt", "qwen2_5") for rung in composed(ladder).rungs.values()
    } == {None}
    assert [rung.source.n_tokens for rung in composed("olmo2").rungs.values()] == [
        4 * 10**12,
        4 * 10**12,
        5 * 10**12,
        6 * 10**12,
    ]
