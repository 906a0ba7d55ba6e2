"""The variance of a clustered mean, and signs turned round, against what they are by definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tasklaws.decisions.clusters import Clusters, exceeding, mcnemar, mid_p

clusterings = st.lists(st.integers(1, 6), min_size=2, max_size=7)


def data(sizes: list[int], seed: int) -> tuple[Clusters, np.ndarray]:
    of = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    return Clusters(of), rng.normal(size=len(of)) + rng.normal(size=len(sizes))[of]


def cr2(clusters: Clusters, differences: np.ndarray) -> tuple[float, float]:
    """CR2 of the mean and its degrees of freedom by matrices over items, as Bell and McCaffrey (2002) define them."""
    total = len(differences)
    maker = np.eye(total) - 1 / total
    rows = []
    for label in range(len(clusters.sizes)):
        own = clusters.of == label
        hat = np.full((own.sum(), own.sum()), 1 / total)
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - hat)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        rows.append(root.sum(axis=0) @ maker[own] / total)
    form = np.array(rows).T @ np.array(rows)
    return float(differences @ form @ differences), float(np.trace(form) ** 2 / (form * form).sum())


@given(sizes=clusterings, seed=st.integers(0, 99))
def test_degrees_of_freedom_are_those_of_bell_and_mccaffrey(sizes: list[int], seed: int) -> None:
    clusters, differences = data(sizes, seed)
    assert clusters.variance(differences)[1] == pytest.approx(cr2(clusters, differences)[1])


@given(sizes=clusterings, seed=st.integers(0, 99))
def test_the_variance_is_no_less_than_cr2_and_a_further_item(sizes: list[int], seed: int) -> None:
    clusters, differences = data(sizes, seed)
    further = (differences**2).mean() / len(differences) ** 2
    assert clusters.variance(differences)[0] >= (cr2(clusters, differences)[0] + further) * (1 - 1e-9)


@given(count=st.integers(2, 8), size=st.integers(1, 5), seed=st.integers(0, 99))
def test_of_equal_clusters_it_is_the_variance_of_their_means(count: int, size: int, seed: int) -> None:
    clusters, differences = data([size] * count, seed)
    means = differences.reshape(count, size).mean(axis=1)
    further = (differences**2).mean() / len(differences) ** 2
    variance, degrees = clusters.variance(differences)
    assert variance == pytest.approx(means.var(ddof=1) / count + further)
    assert degrees == pytest.approx(count - 1)


def test_items_that_never_differ_leave_the_variance_of_one_that_might() -> None:
    variance, degrees = Clusters(np.arange(20)).variance(np.zeros(20))
    assert variance == pytest.approx(1 / 20**2)
    assert degrees == pytest.approx(19)


def t_squared(clusters: Clusters, differences: np.ndarray) -> float:
    variance, _ = cr2(clusters, differences)
    mean = differences.mean()
    return float(mean**2 / variance) if variance > 1e-12 else np.inf if abs(mean) > 1e-12 else 0.0


@given(sizes=clusterings, seed=st.integers(0, 99))
def test_signs_are_turned_round_in_all_ways(sizes: list[int], seed: int) -> None:
    clusters, differences = data(sizes, seed)
    patterns = itertools.product((1.0, -1.0), repeat=len(sizes))
    wanted = sorted(t_squared(clusters, differences * np.array(signs)[clusters.of]) for signs in patterns)
    seen, drawn = clusters.flipped(np.column_stack([clusters.sums(differences), np.zeros(len(sizes))]))
    assert seen[0] == pytest.approx(t_squared(clusters, differences))
    assert np.repeat(np.sort(drawn), 2) == pytest.approx(np.array(wanted), rel=1e-6)


def test_of_many_clusters_signs_are_drawn_the_data_among_them() -> None:
    clusters = Clusters(np.arange(40))
    sums = np.column_stack([np.ones(40), np.zeros(40)])
    seen, drawn = clusters.flipped(sums)
    assert len(drawn) == 10_000
    assert seen[0] == drawn[0] == np.inf
    assert exceeding(seen, drawn)[0] == mid_p(np.inf, drawn) == 1 / 10_000


@pytest.mark.parametrize(
    ("seen", "drawn", "p_value"),
    [
        (4.0, [4, 1, 1, 0], 1 / 4),  # beyond every other draw
        (1.0, [1, 4, 1, 0], 1 / 4 + (2 / 4 + 1 / 4) / 2),  # one beyond, the data itself, half of one tie
        (0.0, [0, 0, 0, 0], 1.0),
    ],
)
def test_mid_p_by_hand(seen: float, drawn: list[int], p_value: float) -> None:
    assert mid_p(seen, np.array(drawn, dtype=float)) == pytest.approx(p_value)


@given(first=st.integers(0, 60), second=st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_those_that_differ(first: int, second: int) -> None:
    wanted = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(wanted)
