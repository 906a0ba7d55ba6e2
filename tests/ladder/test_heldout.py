"""Held-out loss against a computation by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from hub_server import stand_in
from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.heldout import count_config_params, count_params, heldout_loss, load_directory

DOCUMENTS = [
    {"prompt": "Q: 17+4\nA:", "target": " 21"},
    {"prompt": "Q: reverse 'äbc'\nA:", "target": " 'cbä', which is longer than the others\n"},
    {"prompt": "", "target": "no prompt at all"},
    {"prompt": "Q: x" * 30, "target": "y"},
]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary model directory whose vocabulary has a token for each byte, and 0 for the end."""
    folder = tmp_path_factory.mktemp("model")
    for name, content in stand_in("a/b", 1, "both").files.items():
        (folder / name).write_bytes(content)
    return folder


@torch.inference_mode()
def by_hand(model_dir: Path, document: dict[str, str]) -> float:
    """-ln p(target | prompt), one token at a time and one document at a time."""
    tokenizer, model = load_directory(model_dir, torch.float64)
    given = tokenizer(document["prompt"])["input_ids"] or [tokenizer.bos_token_id]
    nats = 0.0
    for token in tokenizer(document["target"])["input_ids"]:
        logits = model(torch.tensor([given])).logits[0, -1]
        nats -= math.log(float(logits[token].exp() / logits.exp().sum()))
        given = [*given, token]
    return nats


def test_equals_a_computation_by_hand(model_dir: Path) -> None:
    nats = sum(by_hand(model_dir, document) for document in DOCUMENTS)
    n_bytes = sum(len(document["target"].encode()) for document in DOCUMENTS)
    loss = heldout_loss(model_dir, DOCUMENTS, dtype=torch.float64)
    assert loss.loss_nats == pytest.approx(nats / n_bytes, rel=1e-9)  # in this vocabulary a token is a byte
    assert loss.bits_per_byte == pytest.approx(nats / n_bytes / math.log(2), rel=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_does_not_depend_on_batch_size_or_order(model_dir: Path, dtype: torch.dtype, tolerance: float) -> None:
    alone = heldout_loss(model_dir, DOCUMENTS, batch_size=1, dtype=dtype)
    for batch_size in (2, 3, 16):
        for documents in (DOCUMENTS, DOCUMENTS[::-1]):
            assert heldout_loss(model_dir, documents, batch_size, dtype) == pytest.approx(alone, rel=tolerance)


def test_a_model_that_knows_nothing_gives_the_entropy_of_a_guess(model_dir: Path, tmp_path: Path) -> None:
    for file in model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(model_dir / "model.safetensors")
    weights["embed_out.weight"] = torch.zeros_like(weights["embed_out.weight"])
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    assert heldout_loss(tmp_path, DOCUMENTS) == pytest.approx((math.log(257), math.log2(257)))


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "no held-out documents"),
        ([{"prompt": "Q", "target": ""}], "empty target"),
        ([{"prompt": "Q" * 2048, "target": "A"}], "has 2049 tokens.*takes 2048"),
    ],
)
def test_refuses_documents_that_it_cannot_score(model_dir: Path, documents: Any, message: str) -> None:
    with pytest.raises(TasklawsError, match=message):
        heldout_loss(model_dir, documents)


@pytest.mark.parametrize("damage", ["truncated", "tensor missing", "nan", "no tokenizer"])
def test_refuses_a_damaged_directory_in_one_line(model_dir: Path, tmp_path: Path, damage: str) -> None:
    for file in model_dir.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    path, weights = tmp_path / "model.safetensors", load_file(model_dir / "model.safetensors")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    if damage == "tensor missing":
        del weights["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"]
        save_file(weights, path, {"format": "pt"})
    if damage == "nan":
        weights["gpt_neox.final_layer_norm.weight"][0] = math.nan
        save_file(weights, path, {"format": "pt"})
    if damage == "no tokenizer":
        (tmp_path / "tokenizer.json").unlink()
        (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(TasklawsError) as caught:
        heldout_loss(tmp_path, DOCUMENTS)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tied", [False, True])
def test_counts_parameters_with_and_without_embeddings(tied: bool) -> None:
    width, layers, vocabulary = 8, 3, 11
    shape: dict[str, Any] = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "vocab_size": vocabulary,
    }
    model = GPTNeoXForCausalLM(GPTNeoXConfig(**shape, intermediate_size=4 * width, tie_word_embeddings=tied))
    # Attention 4 w^2 + 4 w, MLP 8 w^2 + 5 w, two norms 4 w a layer; one norm at the end.
    n_params = layers * (12 * width**2 + 13 * width) + 2 * width
    assert count_params(model) == (n_params, n_params + vocabulary * width * (1 if tied else 2))


def test_counts_a_directory_without_its_weights(model_dir: Path) -> None:
    _, model = load_directory(model_dir, torch.float32)
    assert count_config_params(model_dir) == count_params(model)
