"""What a configuration promises of a rung is what the model has."""

import pytest
import torch
import yaml
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from tasklaws.compose import compose
from tasklaws.core.settings import Models, Settings, gpt_neox_n_params
from tasklaws.ladder.heldout import count_params
from tasklaws.ladder.sizes import rung_budgets
from tasklaws.tables import LADDER
from tiny import ROOT, SOURCE


def models(ladder: str) -> Models:
    return Settings.of(yaml.safe_load(compose([f"models={ladder}"], ROOT / "conf"))).models


@pytest.mark.parametrize(
    ("layers", "width", "heads", "vocab_size"),
    [(1, 8, 1, 50), (3, 6, 1, 300), (3, 22, 1, 300), (2, 32, 4, 320), (3, 64, 8, 320), (5, 128, 8, 1000)],
)
def test_the_formula_counts_what_a_model_has(layers, width, heads, vocab_size):
    config = GPTNeoXConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
    )
    with torch.device("meta"):
        n_params, n_params_total = count_params(GPTNeoXForCausalLM(config))
    assert gpt_neox_n_params(layers, width) == n_params
    assert n_params_total == n_params + 2 * vocab_size * width


@pytest.mark.parametrize(
    ("layers", "width", "n_params"),
    # Biderman et al. 2023 (arXiv 2304.01373), table 1: 70m, 160m, 410m, 1b, 1.4b, 2.8b, 6.9b, 12b.
    [
        (6, 512, 18_915_328),
        (12, 768, 85_056_000),
        (24, 1024, 302_311_424),
        (16, 2048, 805_736_448),
        (24, 2048, 1_208_602_624),
        (32, 2560, 2_517_652_480),
        (32, 4096, 6_444_163_072),
        (36, 5120, 11_327_027_200),
    ],
)
def test_the_formula_gives_pythias_published_numbers(layers, width, n_params):
    assert gpt_neox_n_params(layers, width) == n_params


def test_a_trained_rung_is_promised_its_tokens():
    assert (SOURCE.n_params, SOURCE.n_tokens) == (gpt_neox_n_params(2, 8), 120 * 4 * 96)


def test_a_fetched_rung_is_promised_its_last_step():
    source = models("pythia_ladder").rungs["pythia-70m"].source
    # 299.9 billion tokens, as Pythia's authors give it.
    assert (source.n_params, source.n_tokens) == (18_915_328, 299_892_736_000)


@pytest.mark.parametrize("ladder", ["nano_ladder", "nano_mini", "pythia_ladder"])
def test_the_ladder_table_follows_from_the_configuration(ladder):
    rows = rung_budgets(models(ladder))
    assert [row["rung"] for row in rows] == list(models(ladder).rungs)
    for row in rows:
        assert list(row) == LADDER.columns
        assert row["train_flops"] == 6 * row["n_params"] * row["n_tokens"]
