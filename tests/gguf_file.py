"""A tiny llama as a GGUF file, whose weights follow from a seed."""

from pathlib import Path
from typing import Any

import gguf as format
import numpy as np
import torch
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

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
