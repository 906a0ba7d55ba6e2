"""How many people: the counts are the fewest that do, and a test with so many wins as often as promised."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from tasklaws.core.errors import TasklawsError
from tasklaws.humans.sample_size import (
    RATES,
    WIDTHS,
    apart_figure,
    apart_table,
    easier_rate,
    people_for_width,
    people_to_tell_apart,
    width_figure,
    width_table,
)
from tasklaws.stats.proportions import Mean


def width(rate, n):
    low, high = Mean.of(n, n * rate, n * rate).interval(0.9)
    return high - low


@given(st.floats(0, 1), st.floats(0.02, 0.5))
def test_so_many_people_are_enough_and_one_fewer_is_not(rate, wanted):
    n = people_for_width(rate, wanted)
    assert width(rate, n) <= wanted
    assert n == 1 or width(rate, n - 1) > wanted


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_for_many_people_the_textbook_formula_holds(rate):
    z = norm.ppf(0.95)
    assert people_for_width(rate, 0.02) == pytest.approx(4 * z**2 * rate * (1 - rate) / 0.02**2, rel=0.01)


@pytest.mark.parametrize(("first", "second", "correlation"), [(0.5, 0.6, 0.0), (0.5, 0.6, 0.4), (0.02, 0.05, 0.1)])
def test_the_test_is_won_as_often_as_promised(first, second, correlation):
    n = people_to_tell_apart(first, second, 0.9, 0.8, correlation)
    both = first * second + correlation * math.sqrt(first * (1 - first) * second * (1 - second))
    cells = [both, first - both, second - both, 1 - first - second + both]
    _, one, other, _ = np.random.default_rng(0).multinomial(n, cells, 20_000).T
    won = abs(one - other) / np.sqrt(one + other) > norm.ppf(0.95)
    assert won.mean() == pytest.approx(0.8, abs=0.025)


@given(st.sampled_from(RATES), st.floats(1.1, 10))
def test_the_easier_item_has_the_odds_asked_for(rate, ratio):
    easier = easier_rate(rate, ratio)
    assert easier / (1 - easier) == pytest.approx(ratio * rate / (1 - rate))
    assert people_to_tell_apart(rate, easier) == people_to_tell_apart(easier, rate)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: people_for_width(1.2, 0.1), r"rate is 1\.2: give"),
        (lambda: people_for_width(0.5, 0), "width is 0: give"),
        (lambda: people_for_width(0.5, 0.1, level=1), "level is 1: give"),
        (lambda: people_for_width(0.5, 1e-9), "more than 1000000000 people: give a wider"),
        (lambda: people_to_tell_apart(0.3, 0.3), "are equal: no number of people"),
        (lambda: people_to_tell_apart(0, 0.3), "first is 0: give"),
        (lambda: people_to_tell_apart(0.01, 0.9, correlation=0.9), r"cannot correlate by 0\.9"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(TasklawsError, match=message):
        call()


def test_tables_hold_every_cell():
    widths, apart = width_table(), apart_table()
    assert len(widths) == len(RATES) * len(WIDTHS)
    assert widths.groupby("rate")["n_people"].apply(lambda n: n.is_monotonic_decreasing).all()
    assert apart.groupby("rate")["n_people"].apply(lambda n: n.is_monotonic_decreasing).all()


def test_pictures_draw_what_the_functions_say():
    for figure, people in (
        (width_figure(), lambda rate: people_for_width(rate, 0.02)),
        (apart_figure(), lambda rate: people_to_tell_apart(rate, easier_rate(rate, 1.25))),
    ):
        lines = figure.axes[0].get_lines()
        assert len(lines) == 4
        rates, needed = lines[0].get_data()
        assert list(needed[::13]) == [people(float(rate)) for rate in rates[::13]]
