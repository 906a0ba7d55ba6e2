"""GGUF files: sizes from the header, the same model as a Hugging Face directory, and files that are none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from gguf_file import write_gguf
from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.card import hash_files
from tasklaws.ladder.gguf import convert, sizes
from tasklaws.ladder.heldout import count_config_params
from tasklaws.ladder.model_sizes import Sizes


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LlamaForCausalLM]:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    return path, write_gguf(path)


def test_the_directory_holds_the_model_of_the_file(written: tuple[Path, LlamaForCausalLM], tmp_path: Path) -> None:
    path, model = written
    out = tmp_path / "converted"
    convert(path, out)
    found: Any = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    ids = torch.arange(3, 60)[None]
    with torch.inference_mode():
        assert torch.allclose(found.eval()(ids).logits, model(ids).logits, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer.decode(tokenizer("Q: 1+1\nA:")["input_ids"]) == "Q: 1+1\nA:"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "<user>hi"
    assert not hasattr(found.config, "quantization_config")


def test_the_same_file_makes_the_same_bytes(written: tuple[Path, LlamaForCausalLM], tmp_path: Path) -> None:
    for name in ("once", "twice"):
        convert(written[0], tmp_path / name)
    assert hash_files(tmp_path / "once") == hash_files(tmp_path / "twice")
    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "once").glob("*.json"))


def test_the_header_tells_the_sizes(written: tuple[Path, LlamaForCausalLM], tmp_path: Path) -> None:
    convert(written[0], tmp_path / "out")
    assert sizes(written[0]) == Sizes(2, 32, 4, *count_config_params(tmp_path / "out"))


def _cut(path: Path, length: int) -> Path:
    cut = path.with_name(f"cut{length}.gguf")
    cut.write_bytes(path.read_bytes()[:length])
    return cut


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(
    written: tuple[Path, LlamaForCausalLM], tmp_path: Path, share: float
) -> None:
    cut = _cut(written[0], int(share * written[0].stat().st_size))
    for act in (sizes, lambda path: convert(path, tmp_path / "out")):
        with pytest.raises(TasklawsError, match=r"cut\d+\.gguf does not load .*fetch it again"):
            act(cut)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_text("version https://git-lfs.github.com/spec/v1\n")
    for name, words in (("model.gguf", "is no GGUF file"), ("absent.gguf", "does not exist"), (".", "is no file")):
        with pytest.raises(TasklawsError, match=words):
            convert(tmp_path / name, tmp_path / "out")


def test_a_model_that_transformers_cannot_read_is_refused(tmp_path: Path) -> None:
    write_gguf(tmp_path / "other.gguf", architecture="nonesuch")
    write_gguf(tmp_path / "headless.gguf", field_left_out="head_count")
    write_gguf(tmp_path / "part.gguf", left_out="blk.1.attn_q.weight")
    with pytest.raises(TasklawsError, match=r"other.gguf does not load .*nonesuch"):
        convert(tmp_path / "other.gguf", tmp_path / "out")
    with pytest.raises(TasklawsError, match=r"headless.gguf does not say llama.attention.head_count: state layers"):
        sizes(tmp_path / "headless.gguf")
    with pytest.raises(TasklawsError, match=r"part.gguf holds no weights for model.layers.1.self_attn.q_proj.weight"):
        convert(tmp_path / "part.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()
