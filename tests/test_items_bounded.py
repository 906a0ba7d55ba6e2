"""How many items a value of unknown number is worth: what is stated is kept, and a bound is wide, never narrow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.stats.proportions import fill_items, items_bounded, known_items

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def unknown(values):
    return np.full(len(values), np.nan)


@given(SHARES, st.integers(0, 4), st.booleans())
def test_any_scores_have_a_bound(values, decimals, ordered):
    value = np.round(values, decimals)
    size = np.arange(len(value), dtype=float) if ordered else None
    found = items_bounded(value, unknown(value), unknown(value), size)
    assert ((found >= 1) & (found <= 10_000)).all()
    assert np.ptp(found) == 0


@given(SHARES, st.randoms())
def test_the_order_of_rows_does_not_matter(values, random):
    value, size = np.array(values), np.arange(len(values), dtype=float)
    order = random.sample(range(len(values)), len(values))
    first = items_bounded(value, unknown(value), unknown(value), size)
    other = items_bounded(value[order], unknown(value), unknown(value), size[order])
    assert other == pytest.approx(first)


@given(SHARES, st.data())
def test_what_is_stated_is_kept_and_lent_to_the_task_s_other_rows(values, data):
    stated = data.draw(
        st.lists(st.one_of(st.none(), st.integers(1, 10**6)), min_size=len(values), max_size=len(values))
    )
    n_items = np.array([np.nan if one is None else one for one in stated], dtype=float)
    found = items_bounded(np.array(values), unknown(values), n_items, np.arange(len(values), dtype=float))
    there = np.isfinite(n_items)
    assert (found[there] == n_items[there]).all()
    if there.any():
        assert (found[~there] == np.median(n_items[there])).all()


def test_a_standard_error_says_how_many_items_there_are():
    value, stderr = np.array([0.2, 0.5]), np.array([0.02, 0.025])
    assert items_bounded(value, stderr, unknown(value)) == pytest.approx([400, 400])
    assert known_items(value, stderr, unknown(value), loss=True) == pytest.approx([100, 400])
    assert np.isnan(
        known_items(value, unknown(value), np.array([10.0, 20.0]), loss=True)
    ).all()  # losses have no p(1-p)


@pytest.mark.parametrize("n_items", [7, 29, 151, 1319, 9973])
@given(shares=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12))
def test_shares_in_full_precision_are_worth_no_more_than_their_items(n_items, shares):
    value = np.clip(np.round(np.array(shares) * n_items), 1, n_items - 1) / n_items
    assert items_bounded(value, unknown(value), unknown(value))[0] <= n_items


def test_rounded_shares_tell_of_few_items_but_not_by_luck():
    few = np.round(np.array([5, 7, 8, 10, 12]) / 15, 2)
    assert items_bounded(few, unknown(few), unknown(few), np.arange(5.0))[0] <= 15
    lucky = np.array([0.3, 0.5, 0.7])  # of 4 items, rounded; but almost any three such values would be
    assert items_bounded(lucky, unknown(lucky), unknown(lucky), np.arange(3.0))[0] == pytest.approx(200)


def test_a_single_value_or_an_unordered_curve_is_worth_a_small_test_set():
    value = np.array([0.4137])
    assert items_bounded(value, unknown(value), unknown(value), np.zeros(1)) == [100]
    rough = np.array([0.4137, 0.8211, 0.1093])
    assert (items_bounded(rough, unknown(rough), unknown(rough)) == 100).all()


@pytest.mark.parametrize("n_items", [30, 100, 300, 1000])
def test_scatter_bounds_the_items_of_noisy_curves(n_items):
    """Mostly no more than there are; in truth fewer, as models differ by more than the sampling of items."""
    rng = np.random.default_rng(0)
    size = np.arange(12.0)
    found = []
    for _ in range(200):
        value = np.round(rng.binomial(n_items, np.linspace(0.2, 0.7, 12)) / n_items + rng.uniform(-3e-3, 3e-3, 12), 4)
        found.append(items_bounded(np.clip(value, 0, 1), unknown(value), unknown(value), size)[0])
    assert np.median(found) <= 1.2 * n_items
    assert np.quantile(found, 0.95) <= 3.5 * n_items


def test_a_loss_without_a_standard_error_has_one_of_a_hundredth():
    value = np.array([3.0, 2.5, 2.0])
    assert (fill_items(value, unknown(value), np.arange(3.0), loss=True) == 10_000).all()
