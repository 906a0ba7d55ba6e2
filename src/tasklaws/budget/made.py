"""What of a rung is there already: made by the pipeline, or in the hub's cache."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import HubSource
from tasklaws.ladder.model_files import WEIGHTS_FIRST
from tasklaws.provenance.chain import Chain, Entry, read_chain
from tasklaws.provenance.dotted import value_at

_CACHE = Path(".dvc/cache/files/md5")


def chain() -> Chain:
    """What dvc.lock says was made; nothing where there is none."""
    try:
        return read_chain()
    except TasklawsError:
        return Chain({})


def is_made(stage: str, known: Chain, params: Mapping[str, Any]) -> bool:
    """Whether a stage has run with these parameters and its outputs are here or in DVC's cache.

    Its inputs and code are not compared: `dvc status` says whether they changed.
    """
    if (found := known.stages.get(stage)) is None:
        return False
    same = all(value_at(params, key) == value for key, value in found.params.items())
    return same and all(_is_here(entry) for entry in found.outputs)


def is_cached(source: HubSource, revision: str) -> bool:
    """Whether the hub's cache holds a revision's weights, or at least the list of their parts."""
    return any(isinstance(try_to_load_from_cache(source.repo, name, revision=revision), str) for name in WEIGHTS_FIRST)


def _is_here(entry: Entry) -> bool:
    return Path(entry.path).exists() or (_CACHE / entry.md5[:2] / entry.md5[2:]).exists()
