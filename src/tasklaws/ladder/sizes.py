"""How large a ladder's rungs are, before any is made: by the configuration, or by what their config.json says."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening, read_json
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import CopiedSource, HubSource, LocalSource, Models, Source
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


def rung_budgets(models: Models) -> list[dict[str, object]]:
    """The size and budget of every rung (tables.LADDER); what is unknown is None."""
    rows: list[dict[str, object]] = []
    for name, rung in models.rungs.items():
        n_params, n_tokens = n_params_of(rung.source), rung.source.n_tokens
        sizes = {"n_params": n_params, "n_tokens": n_tokens, "train_flops": train_flops(n_params, n_tokens)}
        rows.append({"ladder": models.name, "rung": name, "role": rung.role, **sizes})
    return rows


def n_params_of(source: Source) -> int:
    """A rung's non-embedding parameters: as stated, or else as `sizes_of` reads them."""
    if source.n_params is not None:
        return source.n_params
    assert isinstance(source, HubSource | LocalSource)  # all others state it
    return sizes_of(source).n_params


def sizes_of(source: HubSource | LocalSource) -> Sizes:
    """What the config.json of a rung in a hub or on this machine, or the head of its GGUF file, says; no weights are
    read. The errors are those of fetching it."""
    if isinstance(source, HubSource):
        from tasklaws.ladder.hub import config_of

        return read_sizes(config_of(source), source.repo, source.trust_remote_code)
    from tasklaws.ladder.local import found

    path = found(source)
    if source.is_gguf:
        from tasklaws.ladder import gguf

        return Sizes(*gguf.sizes(path))
    return read_sizes(path, source.path, source.trust_remote_code)


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
