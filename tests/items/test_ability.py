"""Ability over date or size: lines are continued, breaks are followed, the stated error is the error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from populations import draw

from tasklaws.items.ability import (
    DRIFT_SD,
    FACTOR,
    NOISE_SD,
    WALK_SD,
    Levels,
    forecast_level,
    forecast_next,
    record_setters,
)
from tasklaws.items.table import ItemTable
from tasklaws.stats.rasch import ability_for_mean, solve_probability


def test_a_line_is_continued_and_its_unit_does_not_matter() -> None:
    years = np.arange(12.0)
    ahead = forecast_level(years, 0.4 * years - 2, 13.0)
    assert ahead.mean == pytest.approx(0.4 * 13 - 2, abs=0.1)
    days = forecast_level(365 * years, 0.4 * years - 2, 365 * 13.0)
    assert (days.mean, days.stderr) == pytest.approx((ahead.mean, ahead.stderr), rel=1e-4)


def test_farther_ahead_is_less_certain() -> None:
    rng = np.random.default_rng(0)
    years, levels = np.arange(8.0), rng.normal(np.arange(8.0) / 4, 0.2)
    errors = [forecast_level(years, levels, at).stderr for at in (8.0, 10.0, 20.0)]
    assert errors == sorted(errors)
    assert errors[2] > 2 * errors[0]


def test_one_earlier_model_is_enough_for_a_forecast_with_a_wide_error() -> None:
    forecast = forecast_level(np.array([0.0]), np.array([0.5]), 1.0)
    assert forecast.mean == pytest.approx(0.5, abs=0.2)
    assert forecast.stderr > 2


@pytest.mark.slow
def test_90_percent_intervals_of_the_next_level_hold_on_400_ladders() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        position = np.append(np.linspace(0, 1, 10), 1.15)
        walk, noise = np.array([WALK_SD, NOISE_SD]) * FACTOR ** rng.normal(size=2)
        path = np.cumsum(rng.normal(0, walk * np.sqrt(np.diff(position, prepend=0.0))))
        levels = rng.normal(0, 2) + rng.normal(0, DRIFT_SD) * position + path + rng.normal(0, noise, 11)
        forecast = forecast_level(position[:-1], levels[:-1], 1.15)
        held.append(abs(levels[-1] - forecast.mean) < 1.6449 * forecast.stderr)
    assert 0.87 <= np.mean(held) <= 0.93


def test_record_setters_reach_the_best_before_them() -> None:
    means = np.array([0.2, 0.1, 0.2, 0.5, 0.4, 0.6])
    assert record_setters(np.arange(6.0), means).tolist() == [True, False, True, True, False, True]
    assert record_setters(np.arange(6.0)[::-1], means).tolist() == [False, False, False, False, False, True]


def test_the_next_record_is_forecast_from_records_and_weak_models_do_not_drag_it_down() -> None:
    position = np.arange(12.0) / 4
    levels = np.where(np.arange(12) % 2, position - 2.5, position)
    record = forecast_next(position, levels, 3.25, record=True)
    anything = forecast_next(position, levels, 3.25, record=False)
    assert record.mean == pytest.approx(3.25, abs=0.3)
    assert anything.stderr > record.stderr


def test_a_record_is_a_step_above_the_last_where_dates_tell_little() -> None:
    rng = np.random.default_rng(11)
    ahead = []
    for _ in range(100):
        steps = rng.exponential(0.2, 14)
        levels, positions = np.cumsum(steps), np.cumsum(rng.exponential(1, 14) ** 4 * 0.01)
        forecast = forecast_next(positions[:-1], levels[:-1], float(positions[-1]), record=True)
        ahead.append((forecast.mean - levels[-2], forecast.stderr))
    mean, stderr = np.mean(ahead, axis=0)
    assert mean == pytest.approx(0.2, abs=0.05)
    assert stderr == pytest.approx(0.2, abs=0.08)


def test_levels_do_not_depend_on_which_items_a_model_was_asked() -> None:
    people = draw(np.random.default_rng(2), 300, 12)
    easy = np.argsort(-people.offsets)[:150]
    scores = people.scores.copy()
    hidden = np.setdiff1d(np.arange(300), easy)
    scores[hidden, 3] = np.nan
    items = pd.DataFrame(index=[f"t{item}" for item in range(300)])
    names = tuple(f"m{model}" for model in range(12))
    whole, part = (Levels.of(ItemTable(each, items, names, np.arange(12.0))) for each in (people.scores, scores))
    assert part.earlier[3] == pytest.approx(whole.earlier[3], abs=0.4)
    assert np.nanmean(scores[:, 3]) > people.scores[:, 3].mean() + 0.1
    given_mean = part.given_mean(float(np.nanmean(scores[:, 3])), easy, np.zeros(300))
    assert given_mean == pytest.approx(part.earlier[3], abs=0.1)


@given(
    st.lists(st.floats(-20, 20), min_size=1, max_size=30),
    st.floats(0, 0.9),
    st.floats(0, 1),
)
def test_the_ability_found_has_the_mean_asked_for(offsets: list[float], chance: float, mean: float) -> None:
    x, c = np.array(offsets), np.full(len(offsets), chance)
    found = solve_probability(ability_for_mean(x, c, mean), x, c)
    assert found.mean() == pytest.approx(max(mean, chance), abs=1e-6)
