"""What is known of a rung before it is made: sizes, shape, tokenizer, and how many bytes its weights have."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.settings import HubSource, LmEvalSource, LocalSource, Source, TrainSource
from tasklaws.ladder.memory import BYTES, Shape
from tasklaws.ladder.sizes import sizes_of

_UNKNOWN_BYTES = 4  # of a published parameter: no more
_CORPUS_TOKENIZER = Path("data/corpus/tokenizer/tokenizer.json")


@dataclass(frozen=True)
class RungFacts:
    """What is known of a rung, None being unknown; as fetched a parameter has `published` bytes."""

    n_params: int | None
    n_params_total: int | None
    shape: Shape | None
    published: int
    tokenizer: Path | None
    notes: tuple[str, ...]


def look(rung: str, source: Source, vocab_size: int) -> RungFacts:
    """What conf/, the files that are here and, of a size that neither has, the hub say of a rung."""
    if isinstance(source, TrainSource):
        own = source.n_params + 2 * vocab_size * source.width
        trained = Shape(own, 2 * source.layers * source.width, vocab_size)
        return RungFacts(
            source.n_params, own, trained, 4, _here(Path("models", rung, "tokenizer.json"), _CORPUS_TOKENIZER), ()
        )
    if isinstance(source, LmEvalSource):
        return RungFacts(source.n_params, source.n_params_total, None, 0, None, ("memory and speed are its server's",))
    n_params, total, notes = source.n_params, source.n_params_total, list[str]()
    if n_params is None or total is None:
        try:
            read = sizes_of(source)
        except TasklawsError as error:
            if isinstance(source, LocalSource) or isinstance(error.__cause__, HfHubHTTPError):
                raise  # there is no such model, or it may not be read
            notes.append("size unknown until it is fetched: the hub is out of reach, and its cache has no config.json")
        else:
            n_params, total = read.n_params, read.n_params_total
    config: Mapping[str, Any] = {}
    if (path := _file(rung, source, "config.json")) is not None:
        config = read_json(path)
    shape = _shape(source, config, n_params, total)
    name = config.get("dtype") or config.get("torch_dtype")
    if name not in BYTES and total is not None:
        notes.append(f"weights taken as {_UNKNOWN_BYTES} bytes a parameter, at most, as no config.json is here")
    published = next((size for dtype, size in BYTES.items() if dtype == name), _UNKNOWN_BYTES)
    return RungFacts(n_params, total, shape, published, _file(rung, source, "tokenizer.json"), tuple(notes))


def _shape(
    source: HubSource | LocalSource, config: Mapping[str, Any], n_params: int | None, total: int | None
) -> Shape | None:
    if total is None or n_params is None:
        return None
    if config:
        return Shape.of_config(config, total)
    if source.layers is None or source.width is None:
        return None
    # At most: each head has keys and values of its own, and the embeddings are one matrix.
    return Shape(total, 2 * source.layers * source.width, (total - n_params) // source.width)


def _file(rung: str, source: HubSource | LocalSource, name: str) -> Path | None:
    """A file of a rung: in models/, where it lies on this machine, or in the hub's cache."""
    places = [Path("models", rung, name)]
    if isinstance(source, LocalSource) and not source.is_gguf:
        places.append(Path(source.path, name))
    if isinstance(source, HubSource):
        cached = try_to_load_from_cache(source.repo, name, revision=source.revision)
        places += [Path(cached)] if isinstance(cached, str) else []
    return _here(*places)


def _here(*places: Path) -> Path | None:
    return next((path for path in places if path.is_file()), None)
