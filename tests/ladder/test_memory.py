"""What a model takes in memory, and what is refused."""

from pathlib import Path

import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder import memory
from tasklaws.ladder.memory import Shape, bytes_text, fitting_batch, needed, refuse_too_large, too_large

# Llama's names, with fewer heads for keys and values; GPT-2's.
LLAMA = {
    "num_hidden_layers": 30,
    "hidden_size": 576,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
}
GPT2 = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}


def test_the_cache_counts_heads_of_keys_and_values():
    assert Shape.of_config(LLAMA, 1).cached == 2 * 30 * 3 * 64
    assert Shape.of_config(GPT2, 1) == Shape(1, 2 * 12 * 768, 50257)
    assert Shape.of_config({"text_config": LLAMA | {"head_dim": 128}}, 1).cached == 2 * 30 * 3 * 128


def test_the_sum_is_that_of_its_parts():
    shape = Shape(n_params_total=1000, cached=8, vocab_size=50)
    found = needed(shape, "float32", batch_size=4, n_read=10, n_judged=3)
    assert (found.weights, found.cache, found.logits) == (4000, 4 * 10 * 8 * 4, 2 * 4 * 3 * 50 * 4)
    assert needed(shape, "bfloat16", 4, 10, 3).total == found.total // 2
    assert fitting_batch(shape, "float32", 10, 3, available=found.total) == 4
    assert fitting_batch(shape, "float32", 10, 3, available=0) == 1


def test_a_configuration_without_a_number_is_refused():
    with pytest.raises(TasklawsError, match=r"config\.json has no num_hidden_layers"):
        Shape.of_config({"hidden_size": 8}, 1)


def test_what_does_not_fit_is_refused_with_the_sum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    found = needed(Shape(3 << 30, 1 << 20, 1 << 10), "bfloat16", 1, 256, 1)
    sum_ = "6.5 GiB = 6 GiB weights \\+ 512 MiB cache \\+ 4 KiB logits, and 6 GiB are free"
    monkeypatch.setattr(memory, "available_memory", lambda device: 6 << 30)
    with pytest.raises(TasklawsError, match=f"big does not fit in the memory of cpu: {sum_}"):
        refuse_too_large("big", found, "cpu")
    monkeypatch.setattr(memory, "available_memory", lambda device: None)
    refuse_too_large("big", found, "mps")
    assert too_large("big", found, "cpu", 7 << 30) is None
    assert "2 processes, each 6.5 GiB" in str(too_large("big", found, "cpu", 7 << 30, copies=2))


def test_the_bound_of_a_control_group_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    free = memory.available_memory("cpu")
    assert free
    (tmp_path / "memory.max").write_text("1048576\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "memory.max")
    assert memory.available_memory("cpu") == 1 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory("cpu")


def test_sizes_are_shown_as_people_read_them():
    said = [bytes_text(size) for size in (512, 3 << 20, 3 << 29, 1010 << 30)]
    assert said == ["0.5 KiB", "3 MiB", "1.5 GiB", "1010 GiB"]
