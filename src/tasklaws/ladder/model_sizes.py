"""How large a model is, by what its config.json says."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening, read_json
from tasklaws.core.settings import CopiedSource
from tasklaws.ladder.model_files import needs_own_code

# What a config may say of layers, experts and labels, each of which is a module or a name that is made.
MOST_IN_CONFIG = 1000
_COUNTED = re.compile("layer|expert|label|block")
_OTHER_MODEL = "choose another model"


class Sizes(NamedTuple):
    """A model's shape by its configuration, as far as that has it, and its parameters without embeddings and with."""

    layers: int | None
    width: int | None
    heads: int | None
    n_params: int
    n_params_total: int


def read_sizes(directory: Path, place: str, trusted: bool) -> Sizes:
    """The sizes by the config.json of a directory, which comes from `place`; one without what a causal model needs, and
    one that needs code of its own and is not `trusted`, raise TasklawsError."""
    from transformers import AutoConfig

    config = read_json(directory / "config.json")
    refuse_endless(config, place)
    if not trusted and needs_own_code(config):
        raise TasklawsError(
            f"config.json of {place} names code of the model's own, which can do anything: if you trust it, say "
            "`trust_remote_code: true` in its source"
        )
    with opening(f"config.json of {place}", _OTHER_MODEL):
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=trusted)
        return _of_config(config, trusted)


def _of_config(config: Any, trusted: bool) -> Sizes:
    from tasklaws.ladder.heldout import count_config

    text = config.get_text_config()
    layers, width, heads = (
        getattr(text, name, None) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    return Sizes(layers, width, heads, *count_config(config, trusted))


def other_than_stated(source: CopiedSource, read: Sizes) -> str:
    """What of the stated sizes is otherwise in a model's configuration, in words; empty where nothing is."""
    stated = {name: getattr(source, name) for name in Sizes._fields}
    pairs = [(name, getattr(read, name), value) for name, value in stated.items() if value is not None]
    return "; ".join(f"{name} {there}, not {value}" for name, there, value in pairs if there != value)


def refuse_endless(config: Any, place: str) -> None:
    """Raise TasklawsError where a model of this configuration would have more layers than any has."""
    pending = [config]
    while pending:
        inner = pending.pop()
        for name, value in inner.items() if isinstance(inner, dict) else ():
            pending += [value] if isinstance(value, dict) else []
            if isinstance(value, int) and value > MOST_IN_CONFIG and _COUNTED.search(name):
                raise TasklawsError(
                    f"config.json of {place} says {name} {value}, more than {MOST_IN_CONFIG}: {_OTHER_MODEL}"
                )
