"""Leaving the floor: what is at it, how likely and how far a task leaves it, and a step that was seen once."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import draw, panel
from scipy.stats import norm

from tasklaws.forecast import priors
from tasklaws.forecast.floor import (
    LEAVES,
    after_jump,
    decades,
    floors,
    from_floor,
    in_words,
    jumped,
    standing,
)
from tasklaws.forecast.verdict import Width, panel_verdicts
from tasklaws.stats.links import ARCSINE
from tasklaws.stats.predictive import Predictive

GUESSED = np.array([0.25, 0.26, 0.24, 0.25, 0.27, 0.25])
FLOOR = np.array([0.25])


def said(score=0.25, sd=0.04, rows=1):
    return Predictive.normal(ARCSINE, np.full(rows, ARCSINE.of(np.array(score), np.inf)), np.full(rows, sd))


def leaves(gap, values=GUESSED, n_items=500, **options):
    known = panel([values], n_items=n_items, chance=0.25)
    return float(from_floor(known, floors(known), gap, said(**options)).exceeds(FLOOR + LEAVES)[0])


@pytest.mark.parametrize("n_items", [20, 200, 5000])
@pytest.mark.parametrize("chance", [0.0, 0.1, 0.25, 0.5])
def test_guessing_is_at_the_floor_and_knowing_is_not(chance, n_items):
    rng = np.random.default_rng(0)
    guessed, known = (draw(rng, np.full((200, 6), chance + more), n_items) for more in (0.0, 0.4))
    assert standing(guessed.max(axis=1), guessed.mean(axis=1), 6, n_items, chance).at.mean() >= 0.94
    assert standing(known.max(axis=1), known.mean(axis=1), 6, n_items, chance).at.mean() <= 0.05


def test_of_one_item_all_rungs_together_say_whether_it_is_at_the_floor():
    assert standing(0.0, 0.0, 9, 1, np.nan).at
    assert not standing(1.0, 6 / 9, 9, 1, np.nan).at


def test_a_floor_of_nothing_allows_one_item_in_a_hundred():
    assert standing(0.01, 0.01, 6, 1000, 0.0).at
    assert standing(0.01, 0.01, 6, 1000, np.nan).at  # nothing is known of chance
    assert not standing(0.03, 0.03, 6, 1000, 0.0).at
    assert not standing(0.0, 0.0, 6, 1000, 0.0).far_below


def test_far_below_its_chance_the_floor_is_in_doubt():
    known = panel([GUESSED, GUESSED, GUESSED - 0.2], chance=0.25)
    assert floors(known).tolist()[:2] == [0.25, 0.25]
    assert np.isnan(floors(known)[2])
    assert np.isnan(floors(panel([GUESSED + 0.2], chance=0.25)))
    assert np.isnan(floors(replace(panel([GUESSED], chance=0.25), loss=True)))


def test_the_verdict_and_the_forecast_go_by_one_rule():
    values = np.array([np.full(6, level) for level in np.linspace(0.2, 0.4, 21)]) + 0.002 * np.arange(6)
    known = panel(values, n_items=300, chance=0.25)
    verdicts = panel_verdicts(known, [Width(0.05, 0.05, 0.03, 1.0)] * len(values))
    assert [one.verdict == "at the floor" for one in verdicts] == np.isfinite(floors(known)).tolist()


def test_leaving_grows_with_the_gap_and_with_a_trend():
    by_gap = [leaves(gap) for gap in (0.1, 0.5, 1.0, 2.0, 3.0)]
    assert by_gap == sorted(by_gap)
    assert by_gap[0] < 0.03
    assert 0.1 < by_gap[3] < 0.35
    rising = np.array([0.22, 0.23, 0.24, 0.25, 0.26, 0.27])
    assert leaves(1.0, rising) > leaves(1.0) > leaves(1.0, rising[::-1]) - 0.02


def test_the_interval_is_one_sided_and_the_median_stays():
    known = panel([GUESSED], n_items=500, chance=0.25)
    lower, median, upper = from_floor(known, floors(known), 2.0, said()).interval
    assert upper - median > 3 * (median - lower)
    assert abs(float(median[0]) - 0.25) < 0.03


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.5])
def test_who_leaves_rises_by_a_share_of_the_room_with_a_long_tail(chance):
    known = panel([np.full(6, chance)], n_items=5000, chance=chance)
    left = from_floor(known, np.array([chance]), 1.0, said(chance, 0.001), np.array([50.0, 0.0, 0.0]))
    for spreads in (-1.0, 0.0, 1.0, 2.0, 2.5):
        rise = 0.19 * np.exp(0.64 * spreads)  # of the room
        above = left.exceeds(np.array([1 - (1 - chance) * np.exp(-rise)]))[0]
        assert above == pytest.approx(norm.sf(spreads), rel=0.35, abs=0.06), spreads
        assert above > norm.sf(spreads) / 3


def test_a_gap_of_nothing_changes_little():
    known = panel([GUESSED], n_items=500, chance=0.25)
    moved = np.array(from_floor(known, floors(known), 0.0, said()).interval) - np.array(said().interval)
    assert np.abs(moved).max() < 0.005


def test_other_tasks_are_as_they_were():
    known = panel([GUESSED, GUESSED + 0.3], n_items=500, chance=0.25)
    forecasts = said(0.6, rows=2)
    found = from_floor(known, floors(known), 2.0, forecasts)
    np.testing.assert_allclose(np.array(found.interval)[:, 1], np.array(forecasts.interval)[:, 1], atol=1e-9)
    np.testing.assert_allclose(found.weight.sum(axis=1), 1)
    assert from_floor(known, np.full(2, np.nan), 2.0, forecasts) is forecasts


def test_scores_stay_below_one():
    known = panel([np.full(6, 0.5)], n_items=40, chance=0.5)
    found = from_floor(known, floors(known), 4.5, said(0.5))
    assert np.isfinite(found.mean).all()
    assert ARCSINE.inverse(found.mean).max() < 1


def test_coefficients_leave_the_judged_source_out():
    own = priors.floor_coefficients()
    with priors.leaving_out("bigg"):
        assert (priors.floor_coefficients() != own).any()
    with priors.leaving_out("olmo_ladder"):  # has no task at the floor
        assert (priors.floor_coefficients() == own).all()


def test_a_decade_of_size_is_two_of_compute():
    by_compute = panel([GUESSED])
    by_size = replace(by_compute, train_flops=np.full(6, np.nan))
    assert decades(by_size, np.log(100)) == pytest.approx(2)
    assert decades(by_compute, np.log(100)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.001, "fewer than one in fifty"), (0.2, "about one in five"), (0.5, "about 5 in ten"), (0.99, "about 9 in ten")],
)
def test_words(probability, words):
    known = panel([GUESSED])
    expected = f"{words} tasks like this one are 10 points above it at 100 times the compute"
    assert in_words(probability, known, np.log(100)) == expected


def test_a_step_seen_once_may_be_all_there_is():
    known = panel([[0.2, 0.21, 0.2, 0.5], [0.2, 0.3, 0.4, 0.5], [0.2, 0.5, 0.5, 0.5]], n_items=500, chance=0.0)
    assert jumped(known).tolist() == [True, False, False]
    found = after_jump(known, 2.0, said(0.8, 0.1, rows=3))
    assert 0.5 < found.exceeds(np.full(3, 0.65))[0] < 0.7
    assert found.exceeds(np.full(3, 0.65))[1] > 0.99
    assert not jumped(panel([[0.2, 0.5, 0.8]])).any()  # too few before it
