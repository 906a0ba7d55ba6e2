"""Documents as token ids, and the steps of training: whole documents, each of which sees only itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing

if TYPE_CHECKING:  # seconds, of which the corpus, that writes documents alone, has no use
    import torch

# Attention over a multiple of the processor's vectors: softmax over 31 tokens takes longer than over 32.
WIDTH_STEP = 16


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
class Group:
    """Documents of like length: where their tokens stand in rows of one `width`, a document a row.

    `rows` (n_documents x width) holds for each place the number of its token within the group, 0 where the row is
    filled up; `places` (n_tokens) holds for each token its place in the rows.
    """

    n_documents: int
    width: int
    rows: torch.Tensor
    places: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """Whole documents, their tokens one after the other, without padding: the shortest group first.

    `input_ids` and `positions` (n_tokens) say which token stands where in its document; `targets` (n_learned) are the
    tokens to learn, each to be predicted at the token number `predictors` (n_learned).
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    groups: tuple[Group, ...]
    predictors: torch.Tensor
    targets: torch.Tensor


def batches(
    documents: list[Encoded], step_tokens: int, n_shards: int, seed: int, start: int, stop: int
) -> Iterator[list[Batch]]:
    """Steps `start`..`stop` of an endless stream: each epoch is a new shuffle, cut into steps of whole documents.

    A step takes documents as they come while they fit into `step_tokens` (some 1% stays empty), and deals them out to
    `n_shards` workers. The stream depends on the seed alone, so a resumed run sees what it would have seen. A document
    longer than a step, and a corpus of fewer documents than one step takes, raise TasklawsError.
    """
    longest = max((len(document.ids) for document in documents), default=0)
    if not 0 < longest <= step_tokens:
        raise TasklawsError(f"a document of {longest} tokens does not fit a step of {step_tokens}: raise step_tokens")
    done = 0
    for epoch in range(2**31):
        steps = _steps(documents, np.random.default_rng([seed, epoch]).permutation(len(documents)), step_tokens)
        if not steps:
            raise TasklawsError(f"the corpus is smaller than one step of {step_tokens} tokens: enlarge it")
        for step in steps:
            if done == stop:
                return
            if done >= start:
                yield [make_batch(shard) for worker in range(n_shards) if (shard := step[worker::n_shards])]
            done += 1


def _steps(documents: list[Encoded], order: np.ndarray, step_tokens: int) -> list[list[Encoded]]:
    """All full steps of an epoch; what is left at its end is dropped."""
    steps: list[list[Encoded]] = [[]]
    room = step_tokens
    for index in order.tolist():
        document = documents[index]
        if len(document.ids) > room:
            steps.append([])
            room = step_tokens
        steps[-1].append(document)
        room -= len(document.ids)
    return steps[:-1]


def make_batch(documents: Sequence[Encoded]) -> Batch:
    """The documents as tensors, grouped by their length rounded up to a multiple of `WIDTH_STEP`."""
    import torch

    widths = [-(-len(document.ids) // WIDTH_STEP) * WIDTH_STEP for document in documents]
    ordered = [documents[at] for at in sorted(range(len(documents)), key=widths.__getitem__)]
    sizes = np.array([len(document.ids) for document in ordered])
    n_prompts = np.array([document.n_prompt for document in ordered])
    ids = np.fromiter((token for document in ordered for token in document.ids), np.int64, sizes.sum())
    owners = np.repeat(np.arange(len(sizes)), sizes)
    positions = np.arange(len(ids)) - (np.cumsum(sizes) - sizes)[owners]
    groups = []
    for width in sorted(set(widths)):
        members = np.flatnonzero((sizes > width - WIDTH_STEP) & (sizes <= width))
        inside = (owners >= members[0]) & (owners <= members[-1])
        places = (owners[inside] - members[0]) * width + positions[inside]
        rows = np.zeros(len(members) * width, dtype=np.int64)
        rows[places] = np.arange(len(places))
        groups.append(Group(len(members), width, torch.from_numpy(rows), torch.from_numpy(places)))
    learned = np.flatnonzero((positions >= n_prompts[owners]) & (positions > 0))
    return Batch(
        input_ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        groups=tuple(groups),
        predictors=torch.from_numpy(learned - 1),
        targets=torch.from_numpy(ids[learned]),
    )
