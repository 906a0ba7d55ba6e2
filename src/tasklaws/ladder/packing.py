"""Documents packed whole into rows; a document sees only itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing

IGNORED = -100


@dataclass(frozen=True)
class Encoded:
    """A document as token ids; the first `n_prompt` of them are read, not learned."""

    ids: tuple[int, ...]
    n_prompt: int


def write_encoded(path: Path, documents: list[Encoded]) -> None:
    """Write documents as one row of int32: for each its number of tokens, how many are the prompt's, the tokens."""
    flat = [number for document in documents for number in (len(document.ids), document.n_prompt, *document.ids)]
    with replacing(path) as file:
        np.save(file, np.array(flat, dtype=np.int32))


def read_encoded(path: Path) -> list[Encoded]:
    """Read what `write_encoded` wrote; a missing or damaged file raises TasklawsError."""
    try:
        flat = np.load(path).tolist()
        documents, at = [], 0
        while at < len(flat):
            size, n_prompt = flat[at : at + 2]
            ids = tuple(flat[at + 2 : at + 2 + size])
            if not 0 <= n_prompt < size == len(ids) or min(ids) < 0:
                raise ValueError(f"no whole document at {at}")
            documents.append(Encoded(ids, n_prompt))
            at += 2 + size
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise TasklawsError(f"{path} cannot be read ({error}): run `dvc repro --force corpus`") from error
    return documents


@dataclass(frozen=True)
class PackedBatch:
    """Rows of packed documents, each tensor (rows, length); `mask` is (rows, 1, length, length), True where seen."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    mask: torch.Tensor


def batches(
    documents: list[Encoded], rows: int, length: int, seed: int, start: int, stop: int
) -> Iterator[PackedBatch]:
    """Batches `start`..`stop` of an endless stream: each epoch is a new shuffle, packed first-come into rows.

    Packing whole documents with a block-diagonal mask is what makes tiny models learn at all (docs/log.md). The stream
    depends on the seed alone, so a resumed run sees what it would have seen. A document longer than a row raises.
    """
    longest = max((len(document.ids) for document in documents), default=0)
    if not 0 < longest <= length:
        raise TasklawsError(f"a document of {longest} tokens does not fit a row of {length}: raise the row length")
    done = 0
    for epoch in range(2**31):
        order = np.random.default_rng([seed, epoch]).permutation(len(documents))
        packed = _pack(documents, order, length)
        for first in range(0, len(packed) - rows + 1, rows):
            if done == stop:
                return
            if done >= start:
                yield _batch([[documents[index] for index in row] for row in packed[first : first + rows]], length)
            done += 1
        if len(packed) < rows:
            raise TasklawsError(f"the corpus fills {len(packed)} rows of {length}, a step needs {rows}: enlarge it")


def _pack(documents: list[Encoded], order: np.ndarray, length: int) -> list[list[int]]:
    packed: list[list[int]] = [[]]
    room = length
    for index in order.tolist():
        size = len(documents[index].ids)
        if size > room:
            packed.append([])
            room = length
        packed[-1].append(index)
        room -= size
    return packed


def _batch(rows: list[list[Encoded]], length: int) -> PackedBatch:
    ids = np.zeros((len(rows), length), dtype=np.int64)
    positions = np.zeros_like(ids)
    labels = np.full_like(ids, IGNORED)
    segments = np.full_like(ids, -1)
    for row, documents in enumerate(rows):
        at = 0
        for number, document in enumerate(documents):
            end = at + len(document.ids)
            ids[row, at:end] = document.ids
            positions[row, at:end] = np.arange(len(document.ids))
            labels[row, at + document.n_prompt : end] = document.ids[document.n_prompt :]
            segments[row, at:end] = number
            at = end
    same = segments[:, :, None] == segments[:, None, :]
    mask = (same & np.tri(length, dtype=bool))[:, None]
    return PackedBatch(*(torch.from_numpy(array) for array in (ids, positions, labels, mask)))
