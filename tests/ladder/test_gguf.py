"""GGUF files: sizes from the header, the same model as a Hugging Face directory, and files that are none."""

from pathlib import Path
from typing import Any

import gguf as format
import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.card import hash_files
from tasklaws.ladder.gguf import Sizes, convert, sizes
from tasklaws.ladder.heldout import count_config_params

TEMPLATE = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}"


def write_gguf(
    path: Path, architecture: str = "llama", left_out: str = "", field_left_out: str = ""
) -> LlamaForCausalLM:
    """A llama of 2 layers with freshly drawn weights and a byte tokenizer, as a GGUF file; the model it holds."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, rms_norm_eps=1e-5,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    writer: Any = format.GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(48)
    if field_left_out != "head_count":
        writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(260)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<s>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"])
    writer.add_token_types([3, 3, 3] + [1] * 257)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(2)
    writer.add_chat_template(TEMPLATE)
    names = format.get_tensor_name_map(format.MODEL_ARCH.LLAMA, 2)
    for name, tensor in model.state_dict().items():
        own = names.get_name(name, (".weight",))
        values = tensor.numpy().astype(np.float32)
        if name == "lm_head.weight" or own == left_out:
            continue
        if own.endswith(("attn_q.weight", "attn_k.weight")):
            heads = 4 if "attn_q" in own else 2
            values = values.reshape(heads, 2, -1, 32).swapaxes(1, 2).reshape(values.shape)  # as llama.cpp turns them
        quantised = values.ndim == 2 and "ffn_up" in own
        if quantised:
            kind = format.GGMLQuantizationType.Q8_0
            blocks = format.quantize(values, kind)
            writer.add_tensor(own, blocks, raw_dtype=kind)
            model.state_dict()[name].copy_(torch.from_numpy(format.dequantize(blocks, kind)))
        else:
            writer.add_tensor(own, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model.eval()


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
