"""What overlap does to an aggregate curve and to a forecast of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulated_ladder import Ladder, simulate_cells
from tasklaws.core.errors import TasklawsError
from tasklaws.overlap.discontinuity import expected_index, index, observed_index
from tasklaws.stats.proportions import next_rung_variance

SIZE = np.linspace(0, 7, 8)
SMOOTH = np.linspace(0, 1, 8)


def test_the_index_is_0_for_a_straight_rise_and_1_for_a_step() -> None:
    step = np.repeat([0.1, 0.9], 4)
    np.testing.assert_allclose(index(SIZE, np.stack([SMOOTH, step, np.full(8, 0.3)])), [0, 1, 0], atol=1e-12)


@given(st.floats(0.1, 100), st.floats(-50, 50), st.floats(0.05, 0.5))
def test_the_index_does_not_change_with_units(scale: float, shift: float, height: float) -> None:
    curve = np.array([0, 0.1, 0.2, 0.7, 0.8, 0.8, 0.9, 1.0])
    assert index(SIZE * scale + shift, curve * height) == pytest.approx(index(SIZE, curve))


def test_fewer_tasks_make_a_curve_more_of_a_step() -> None:
    """One threshold is a step, a hundred are nearly as smooth as the curve that they follow."""
    found = [expected_index(SIZE, SMOOTH, number, 0.9, 0) for number in (1, 3, 10, 100)]
    assert found[0].low == found[0].high == 1
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
    assert found[3].high < 0.5
    with pytest.raises(TasklawsError, match="does not rise"):
        expected_index(SIZE, np.zeros(8), 5, 0.9, 0)


def test_a_shared_skill_is_seen_as_a_step_and_its_interval_knows_the_group() -> None:
    ladder = Ladder(tuple(SIZE * 6 - 20), 2)  # rungs so far apart that both seeds learn the skill in one gap
    rng = np.random.default_rng(4)
    one, _ = simulate_cells(np.ones((30, 1)), np.ones(1), ladder, rng)
    found = observed_index(one, SIZE, ["a"] * 30, 0.9, 0)
    assert found.value == found.low == found.high == 1
    many, _ = simulate_cells(np.eye(30), np.exp(np.linspace(-18, 18, 30)), ladder, rng)
    spread = observed_index(many, SIZE, [str(number) for number in range(30)], 0.9, 0)
    assert spread.low <= spread.value <= spread.high < 0.5
    pairs = observed_index(many, SIZE, [str(number // 6) for number in range(30)], 0.9, 0)
    assert pairs.high > spread.high
    with pytest.raises(TasklawsError, match="2 rungs"):
        observed_index(one, SIZE[:2], ["a"] * 30, 0.9, 0)


def test_the_variance_is_that_of_independent_thresholds() -> None:
    """20 tasks of 5 items each: the score's variance, and that of the next score given the last."""
    rng = np.random.default_rng(6)
    tasks, each, last, after = 20, 5, 0.4, 0.7
    threshold = np.repeat(rng.random((50_000, tasks)), each, axis=1)
    at_last, at_next = (threshold < last).mean(axis=1), (threshold < after).mean(axis=1)
    assert at_last.var() == pytest.approx(last * (1 - last) / tasks, rel=0.05)
    known = np.isclose(at_last, last)
    assert at_next[known].var() == pytest.approx(next_rung_variance(last, after, tasks), rel=0.05)
    assert at_last[np.isclose(at_next, after)].var() == pytest.approx(next_rung_variance(after, last, tasks), rel=0.05)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 200))
def test_a_known_last_rung_never_widens(last: float, after: float, number: float) -> None:
    found = float(next_rung_variance(last, after, number))
    assert 0 <= found <= after * (1 - after) / number + 1e-12
