"""Documents are packed whole, each once an epoch, and see only themselves."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.packing import IGNORED, Encoded, PackedBatch, batches, read_encoded, write_encoded

LENGTH = 16
ROWS = 2


def collection(sizes: list[tuple[int, int]]) -> list[Encoded]:
    """Documents of the given sizes (all tokens, given ones), each with tokens that no other has."""
    count = itertools.count(1)
    return [Encoded(tuple(next(count) for _ in range(size)), min(given_, size - 1)) for size, given_ in sizes]


# Enough documents to fill several steps.
corpora = st.lists(st.tuples(st.integers(2, LENGTH), st.integers(0, LENGTH)), min_size=12, max_size=40).map(collection)


def pieces(batch: PackedBatch) -> list[tuple[int, ...]]:
    """The documents of a batch, told apart where positions begin again; filling is left out."""
    found = []
    for ids, positions in zip(batch.input_ids.tolist(), batch.position_ids.tolist(), strict=True):
        starts = [at for at, position in enumerate(positions) if position == 0 and ids[at]]
        end = sum(1 for token in ids if token)
        found += [tuple(ids[a:b]) for a, b in itertools.pairwise([*starts, end])]
    return found


def epoch(documents: list[Encoded], seed: int) -> list[PackedBatch]:
    """The batches of one row each of the first epoch: all its documents, as no row is left over."""
    stream = batches(documents, 1, LENGTH, seed, 0, 10**9)
    seen: Counter[tuple[int, ...]] = Counter()
    found = []
    for batch in stream:
        seen.update(pieces(batch))
        found.append(batch)
        if sum(seen.values()) >= len(documents):
            return found
    raise AssertionError


@given(corpora, st.integers(0, 5))
def test_every_document_comes_whole_and_once_an_epoch(documents, seed):
    found = [piece for batch in epoch(documents, seed) for piece in pieces(batch)]
    assert sorted(found) == sorted(document.ids for document in documents)


@given(corpora, st.integers(0, 5))
def test_a_step_leaves_at_most_its_rows_of_an_epoch_unseen(documents, seed):
    n_rows = len(epoch(documents, seed))
    n_steps = n_rows // ROWS
    if not n_steps:
        with pytest.raises(TasklawsError, match="enlarge"):
            list(batches(documents, ROWS, LENGTH, seed, 0, 1))
        return
    found = [piece for batch in batches(documents, ROWS, LENGTH, seed, 0, n_steps) for piece in pieces(batch)]
    assert len(set(found)) == len(found)
    dropped = {document.ids for document in documents} - set(found)
    rest = epoch(documents, seed)[n_steps * ROWS :]
    assert dropped == {piece for batch in rest for piece in pieces(batch)}


@given(corpora)
def test_the_mask_lets_a_token_see_its_own_document_up_to_itself(documents):
    owner = {token: index for index, document in enumerate(documents) for token in document.ids}
    for batch in epoch(documents, 0):
        assert batch.mask.shape == (1, 1, LENGTH, LENGTH)
        ids = batch.input_ids[0].tolist()
        for at, seen in itertools.product(range(LENGTH), repeat=2):
            if ids[at] == 0:  # filling may see filling: nothing is learned from it
                assert batch.labels[0, at] == IGNORED
                assert not (ids[seen] and batch.mask[0, 0, at, seen])
            else:
                ours = ids[seen] != 0 and owner[ids[seen]] == owner[ids[at]]
                assert bool(batch.mask[0, 0, at, seen]) == (ours and seen <= at)
        assert batch.mask.any(-1).all(), "a row that sees nothing makes NaN"


@given(corpora)
def test_positions_restart_and_labels_stand_on_targets_only(documents):
    place = {token: (index, at) for index, document in enumerate(documents) for at, token in enumerate(document.ids)}
    for batch in epoch(documents, 0):
        for token, position, label in zip(
            batch.input_ids[0].tolist(), batch.position_ids[0].tolist(), batch.labels[0].tolist(), strict=True
        ):
            if token:
                index, at = place[token]
                assert position == at
                assert label == (token if at >= documents[index].n_prompt else IGNORED)
            else:
                assert label == IGNORED


@given(corpora, st.integers(0, 12), st.integers(0, 3))
def test_a_resumed_stream_is_the_same(documents, start, seed):
    """Across epochs: twelve steps are more than one of them."""
    whole = list(batches(documents, 1, LENGTH, seed, 0, 12))
    resumed = list(batches(documents, 1, LENGTH, seed, start, 12))
    assert len(whole) == 12
    assert len(resumed) == 12 - start
    for one, other in zip(whole[start:], resumed, strict=True):
        for name in ("input_ids", "position_ids", "labels", "mask"):
            assert torch.equal(getattr(one, name), getattr(other, name))


def test_epochs_and_seeds_differ():
    documents = collection([(5, 2)] * 60)
    steps = [tuple(pieces(batch)) for batch in batches(documents, 1, LENGTH, 0, 0, 40)]
    assert steps[:20] != steps[20:]
    assert sorted(itertools.chain(*steps[:20])) == sorted(itertools.chain(*steps[20:]))
    other = [tuple(pieces(batch)) for batch in batches(documents, 1, LENGTH, 1, 0, 20)]
    assert other != steps[:20]


@pytest.mark.parametrize("documents", [[], collection([(LENGTH + 1, 2)])])
def test_what_does_not_fit_a_row_is_refused(documents):
    with pytest.raises(TasklawsError, match="does not fit a row of 16"):
        next(batches(documents, 1, LENGTH, 0, 0, 1))


def test_a_corpus_too_small_for_a_step_is_refused():
    with pytest.raises(TasklawsError, match="fills 1 rows of 16, a step needs 4"):
        next(batches(collection([(5, 2)] * 3), 4, LENGTH, 0, 0, 1))


def test_documents_come_back_as_they_were_written(tmp_path):
    documents = [Encoded((5, 6, 7), 2), Encoded((1,), 0), Encoded(tuple(range(300)), 10)]
    write_encoded(tmp_path / "train.npy", documents)
    assert read_encoded(tmp_path / "train.npy") == documents
    first = (tmp_path / "train.npy").read_bytes()
    write_encoded(tmp_path / "train.npy", documents)
    assert (tmp_path / "train.npy").read_bytes() == first


@pytest.mark.parametrize("content", [None, b"", b"no array", b"\x93NUMPY"])
def test_damaged_documents_are_named(tmp_path, content):
    if content is not None:
        (tmp_path / "train.npy").write_bytes(content)
    with pytest.raises(TasklawsError, match=r"train\.npy cannot be read.*dvc repro --force corpus"):
        read_encoded(tmp_path / "train.npy")


@pytest.mark.parametrize("flat", [[-2, 0], [2, 2, 5, 6], [3, 1, 5, 6], [2, 1, 5, -6], [0, 0]])
def test_numbers_that_are_no_documents_are_refused(tmp_path, flat):
    """A size of -2 would never end."""
    np.save(tmp_path / "train.npy", np.array(flat, dtype=np.int32))
    with pytest.raises(TasklawsError, match=r"train\.npy cannot be read.*no whole document"):
        read_encoded(tmp_path / "train.npy")
