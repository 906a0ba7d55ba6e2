"""Models in GGUF files, the form of llama.cpp: their sizes, and the same model as a Hugging Face directory."""

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening, written_together
from tasklaws.ladder.model_sizes import Sizes

# The token matrices, read and written; a model that has no second one uses the first for both.
_EMBEDDINGS = ("token_embd.weight", "output.weight")
_NO_PARAMETERS = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight")


def sizes(gguf: Path) -> Sizes:
    """The sizes of a GGUF file's model, from its header alone: `n_params` leaves out the token matrices.

    A file that is no GGUF, or not whole, and a header without one of these raise TasklawsError.
    """
    reader = _header(gguf)
    architecture = _field(gguf, reader, "general.architecture")
    layers, width, heads = (
        int(_field(gguf, reader, f"{architecture}.{name}"))
        for name in ("block_count", "embedding_length", "attention.head_count")
    )
    counts = {tensor.name: int(tensor.n_elements) for tensor in reader.tensors if tensor.name not in _NO_PARAMETERS}
    embeddings = sum(counts.get(name, 0) for name in _EMBEDDINGS)
    return Sizes(layers, width, heads, sum(counts.values()) - embeddings, sum(counts.values()))


def convert(gguf: Path, out: Path) -> None:
    """Write a GGUF file's model as a Hugging Face directory: weights in float32, tokenizer, chat template.

    transformers reads it; quantised weights become what they stand for, and the same file makes the same bytes. It
    takes 8 bytes of memory a parameter and 4 on the disk. A file that is no GGUF, or not whole, and an architecture or
    tokenizer that transformers cannot read raise TasklawsError, and `out` stays as it was.
    """
    _header(gguf)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tasklaws.ladder.train import export

    # By its absolute path: a folder's relative name is taken for that of a repository.
    folder = str(gguf.absolute().parent)
    with opening(gguf, "give one that transformers reads"), redirect_stderr(io.StringIO()):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name, local_files_only=True)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=gguf.name, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    model, report = loaded
    if report["missing_keys"]:
        raise TasklawsError(f"{gguf} holds no weights for {sorted(report['missing_keys'])[0]}: give a whole file")
    # It says that the weights are quantised, which they no longer are.
    model.hf_quantizer = None
    del model.config.quantization_config
    with written_together(out) as made, redirect_stderr(io.StringIO()):
        export(model, tokenizer, made)


def _header(gguf: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise TasklawsError("GGUF files need the package gguf: run `pip install gguf`") from error
    if not gguf.is_file():
        raise TasklawsError(f"{gguf} does not exist or is no file: give the path of a GGUF file")
    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise TasklawsError(f"{gguf} is no GGUF file: give one, or a Hugging Face directory")
    with opening(gguf, "it may be cut off: fetch it again"):
        return GGUFReader(gguf)


def _field(gguf: Path, reader: Any, name: str) -> Any:
    field = reader.get_field(name)
    if field is None:
        raise TasklawsError(f"{gguf} does not say {name}: state layers, width, heads and n_params")
    value = field.contents()
    # Of heads a layer's own number each: the largest, as transformers has it.
    return max(value) if isinstance(value, list) else value
