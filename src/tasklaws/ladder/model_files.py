"""Which files of a model's directory a rung takes, as its source allows, and whether they are whole."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening, read_json, sha256_of

if TYPE_CHECKING:
    from tasklaws.core.settings import CopiedSource

TOKENIZERS = ["tokenizer.json", "tokenizer.model", "vocab.json"]
# All that a causal model and its tokenizer may need beside the weights.
_SMALL_FILES = [*TOKENIZERS, "config.json", "generation_config.json", "tokenizer_config.json"]
_SMALL_FILES += ["special_tokens_map.json", "added_tokens.json", "merges.txt", "chat_template.jinja"]
# The first of these forms that is there is taken, and no other.
_SAFE = [["model.safetensors"], ["model.safetensors.index.json", "model-*.safetensors"]]
_PICKLED = [["pytorch_model.bin"], ["pytorch_model.bin.index.json", "pytorch_model-*.bin"]]
WEIGHTS_FIRST = [form[0] for form in (*_SAFE, *_PICKLED)]  # a directory that has one of these has weights
# How lm-eval is told that pickled weights and code of the model's own may be taken.
PICKLED = "give use_safetensors=False among its arguments"
TRUSTED = "if you trust it, give trust_remote_code=True among its arguments"


def small_files(source: "CopiedSource") -> list[str]:
    """What all files but weights are called, as patterns; code of the model's own only where it may run."""
    return [*_SMALL_FILES, *(["*.py"] if source.trust_remote_code else [])]


def chosen(names: Sequence[str], source: "CopiedSource", place: str, remedy: str) -> list[str]:
    """The files to take of those that `place` has; without a configuration, a tokenizer and weights that may be taken
    TasklawsError is raised."""
    weights = weights_of(names, source.pickled_weights, place, remedy, "say `pickled_weights: true` in its source")
    small = _matching(names, small_files(source))
    if "config.json" not in small:
        raise TasklawsError(f"{place} holds no config.json: {remedy}")
    if not set(TOKENIZERS) & set(small):
        raise TasklawsError(f"{place} holds no {TOKENIZERS[0]}, nor {', '.join(TOKENIZERS[1:])}: {remedy}")
    return sorted({*small, *weights})


def weights_of(names: Sequence[str], pickled_weights: bool, place: str, remedy: str, allow: str) -> list[str]:
    """The files of weights among those that `place` has; without any, and where there are pickled ones alone and
    these may not be taken (`allow` says how they may), TasklawsError is raised."""
    weights = next((found for form in _SAFE if (found := _matching(names, form))), [])
    pickled = next((found for form in _PICKLED if (found := _matching(names, form))), [])
    if not weights and pickled and not pickled_weights:
        raise TasklawsError(
            f"{place} holds its weights as pickle files alone ({pickled[0]}), which can run any code when they are "
            f"read: if you trust them, {allow}"
        )
    if not (weights or pickled):
        raise TasklawsError(f"{place} holds no weights (model.safetensors): {remedy}")
    return weights or pickled


def _matching(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if "/" not in name and any(Path(name).match(pattern) for pattern in patterns)]


def needs_own_code(config: Any) -> bool:
    """Whether a config.json names Python code of the model's own, and transformers has no such model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if not isinstance(config, dict) or "auto_map" not in config:
        return False
    return config.get("model_type") not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


def refuse_damaged(directory: Path, remedy: str) -> None:
    """Raise TasklawsError where a file of weights is cut off, or one that the index names is not there."""
    for index in directory.glob("*.index.json"):
        with opening(index, remedy):
            named = sorted(set(read_json(index)["weight_map"].values()))
        for name in named:
            if not (directory / name).is_file():
                raise TasklawsError(f"{directory} does not load (no {name}, which {index.name} names): {remedy}")
    for path in sorted(directory.glob("*.safetensors")):
        with opening(path, remedy), safe_open(path, framework="pt"):
            pass


def tokenizer_sha256(files: dict[str, str]) -> str | None:
    """The SHA-256 of a tokenizer: of tokenizer.json, or of the list of the others' hashes."""
    if TOKENIZERS[0] in files:
        return files[TOKENIZERS[0]]
    return sha256_of([files[name] for name in (*TOKENIZERS[1:], "merges.txt") if name in files])


def move_into_place(staged: Path, out: Path, aside: Path) -> None:
    """Put a finished rung in its place, with whatever stood there out of sight before."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        shutil.rmtree(aside, ignore_errors=True)
        out.rename(aside)
    staged.rename(out)
