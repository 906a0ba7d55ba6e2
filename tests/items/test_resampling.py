"""Figures drawn by clusters: on the data they are the usual ones, and a draw is what the drawn items give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from tasklaws.stats.resampling import _REPLICATES, Draws, drawn_auc, drawn_log_loss, drawn_tau, interval
from tasklaws.stats.scores import concordance, log_loss

SIZES = st.integers(0, 2**16)


@given(SIZES)
def test_a_draw_is_the_figure_of_the_items_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 6, 25)
    scores, p = rng.integers(0, 2, 25).astype(float), rng.choice([0.1, 0.3, 0.6, 0.9], 25)
    weights = np.stack([np.ones(6), rng.multinomial(6, np.full(6, 1 / 6))])
    found = [drawn(scores, p, clusters, weights) for drawn in (drawn_log_loss, drawn_auc, drawn_tau)]
    for draw, weight in enumerate(weights):
        again = np.repeat(np.arange(25), weight[clusters].astype(int))
        if len(again) == 0:
            continue
        assert found[0][draw] == pytest.approx(log_loss(scores[again], p[again]))
        right, pairs = concordance(scores[again], p[again])
        assert found[1][draw] == pytest.approx(right / pairs if pairs else np.nan, nan_ok=True)
        expected = kendalltau(scores[again], p[again]).statistic if len(again) > 1 else np.nan
        assert found[2][draw] == pytest.approx(expected, nan_ok=True)


def test_items_that_an_order_lacks_have_no_pairs() -> None:
    left, right = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, 3.0, 0.0, 2.0])
    assert drawn_tau(left, right, np.arange(4), np.ones((1, 4)))[0] == pytest.approx(1 / 3)


def test_intervals_of_a_mean_cover_it_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(200):
        scores = (rng.random(60) < 0.3).astype(float)
        draws = Draws.of(60, 1, seed=int(rng.integers(2**31)))
        losses = drawn_log_loss(scores, np.full(60, 0.2), np.arange(60), draws.clusters)
        assert losses.shape == (_REPLICATES + 1,)
        _, low, high = interval(draws.mean(losses[:, None]))
        inside.append(low <= -(0.3 * np.log(0.2) + 0.7 * np.log(0.8)) <= high)
    assert 0.84 <= np.mean(inside) <= 0.95


def test_models_without_a_figure_leave_the_mean_to_the_others() -> None:
    draws = Draws(np.ones((2, 1)), np.array([[1.0, 1.0], [0.0, 2.0]]))
    means = draws.mean(np.array([[0.5, np.nan], [0.5, np.nan]]))
    assert means[0] == 0.5
    assert np.isnan(means[1])
    assert np.isnan(interval(np.array([np.nan, 1.0]))).all()
