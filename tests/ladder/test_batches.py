"""A step takes whole documents, each once an epoch, which see only themselves."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.ladder.batches import WIDTH_STEP, Batch, Encoded, batches, make_batch, read_encoded, write_encoded

STEP = 50


def collection(sizes: list[tuple[int, int]]) -> list[Encoded]:
    """Documents of the given sizes (all tokens, given ones), each with tokens that no other has."""
    count = itertools.count(1)
    return [Encoded(tuple(next(count) for _ in range(size)), min(given_, size - 1)) for size, given_ in sizes]


# Some of every group, and enough documents to fill several steps.
corpora = st.lists(st.tuples(st.integers(5, STEP), st.integers(0, STEP)), min_size=12, max_size=40).map(collection)


def pieces(batch: Batch) -> list[tuple[int, ...]]:
    """The documents of a batch, told apart where positions begin again."""
    ids, positions = batch.input_ids.tolist(), batch.positions.tolist()
    starts = [at for at, position in enumerate(positions) if position == 0]
    return [tuple(ids[a:b]) for a, b in itertools.pairwise([*starts, len(ids)])]


def steps(documents: list[Encoded], seed: int, count: int) -> list[list[tuple[int, ...]]]:
    return [pieces(batch) for (batch,) in batches(documents, STEP, 1, seed, 0, count)]


@given(corpora, st.integers(0, 5))
def test_a_step_takes_whole_documents_each_once_an_epoch_until_the_next_does_not_fit(documents, seed):
    order = np.random.default_rng([seed, 0]).permutation(len(documents))
    wanted: list[list[tuple[int, ...]]] = [[]]
    for index in order:
        if sum(map(len, wanted[-1])) + len(documents[index].ids) > STEP:
            wanted.append([])
        wanted[-1].append(documents[index].ids)
    full = wanted[:-1]
    found = steps(documents, seed, len(full))
    assert [sorted(step) for step in found] == [sorted(step) for step in full]


@given(corpora)
def test_the_rows_of_a_group_hold_its_documents_and_its_tokens_find_their_places(documents):
    batch = make_batch(documents)
    at = 0
    found = []
    for group in batch.groups:
        own = batch.input_ids[at : at + len(group.places)]
        at += len(own)
        rows = own[group.rows].view(group.n_documents, group.width)
        assert group.width % WIDTH_STEP == 0
        assert torch.equal(rows.flatten()[group.places], own)
        ends = (group.places % group.width == 0).nonzero()[1:, 0].tolist()
        for row, ids in zip(rows.tolist(), own.tensor_split(ends), strict=True):
            assert row[: len(ids)] == ids.tolist()
            assert group.width - WIDTH_STEP < len(ids) <= group.width
            found.append(tuple(ids.tolist()))
    assert at == len(batch.input_ids)
    assert sorted(found) == sorted(document.ids for document in documents)


@given(corpora)
def test_positions_restart_and_what_is_learned_are_the_targets(documents):
    place = {token: (index, at) for index, document in enumerate(documents) for at, token in enumerate(document.ids)}
    batch = make_batch(documents)
    ids = batch.input_ids.tolist()
    assert [place[token][1] for token in ids] == batch.positions.tolist()
    learned = {token for document in documents for token in document.ids[max(document.n_prompt, 1) :]}
    assert sorted(batch.targets.tolist()) == sorted(learned)
    for predictor, target in zip(batch.predictors.tolist(), batch.targets.tolist(), strict=True):
        assert ids[predictor + 1] == target


@given(corpora, st.integers(1, 5))
def test_shards_share_out_the_documents_of_the_step(documents, n_shards):
    (whole,) = next(batches(documents, STEP, 1, 0, 0, 1))
    shards = next(batches(documents, STEP, n_shards, 0, 0, 1))
    assert len(shards) == min(n_shards, len(pieces(whole)))
    assert sorted(itertools.chain(*map(pieces, shards))) == sorted(pieces(whole))


@given(corpora, st.integers(0, 12), st.integers(0, 3))
def test_a_resumed_stream_is_the_same(documents, start, seed):
    """Across epochs: twelve steps may be more than one of them."""
    whole = steps(documents, seed, 12)
    resumed = [pieces(batch) for (batch,) in batches(documents, STEP, 1, seed, start, 12)]
    assert len(whole) == 12
    assert resumed == whole[start:]


def test_epochs_and_seeds_differ():
    documents = collection([(5, 2)] * 60)
    found = steps(documents, 0, 10)  # five steps of ten documents; the sixth is not known to be full
    assert found[:5] != found[5:]
    assert len(set(itertools.chain(*found[:5]))) == 50
    assert steps(documents, 1, 5) != found[:5]


@pytest.mark.parametrize("documents", [[], collection([(STEP + 1, 2)])])
def test_what_does_not_fit_a_step_is_refused(documents):
    with pytest.raises(TasklawsError, match="does not fit a step of 50"):
        next(batches(documents, STEP, 1, 0, 0, 1))


def test_a_corpus_too_small_for_a_step_is_refused():
    with pytest.raises(TasklawsError, match="smaller than one step of 50 tokens"):
        next(batches(collection([(5, 2)] * 3), STEP, 1, 0, 0, 1))


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
