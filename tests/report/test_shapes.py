"""tasklaws.report.shapes: shapes whose truth is known."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasklaws.report.shapes import levels, measure_rise, rise_of


def ladder(values: list[float], decades: float = 0.5, stderr: float = 0.001) -> pd.DataFrame:
    sizes = pd.Series([10 ** (3 + decades * index) for index in range(len(values))])
    found = pd.DataFrame({"rung": [f"r{index}" for index in range(len(values))], "n_params": sizes, "value": values})
    return found.assign(train_flops=6e6 * sizes, stderr=stderr, n_items=1000.0, fit=True)


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([0, 0, 0, 1, 1, 1], "jump"),
        ([0, 0, 0.5, 0.5, 0.5, 0.92, 1], "pieces"),
        ([0.5, 0.5, 0.5, 0.9, 0.9, 0.9], "jump"),
        ([0.9, 0.9, 0.9, 0.5, 0.5, 0.5], "jump"),
        ([0, 0.02, 0.12, 0.5, 0.88, 0.98, 1], "smooth"),
        ([0, 0.2, 0.4, 0.41, 0.42, 0.7, 1], "pieces"),
        ([0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9], "smooth"),
        ([0, 0.3, 0.6, 0.3, 0.6, 0.9, 1], "uneven"),
        ([0.3, 0.31, 0.29, 0.3], "no rise"),
        ([0.985, 0.99, 0.99, 0.995], "no rise"),
        ([0.98, 1, 1, 1], "jump"),
        ([0, 1, 1], "too few rungs"),
    ],
)
def test_shapes(values: list[float], shape: str) -> None:
    assert measure_rise(ladder(values), "exact_match").shape == shape


def test_width_of_a_logistic_is_its_own() -> None:
    slope = 3.0  # per decade; from 10% to 90% takes 2 ln 9 / slope
    values = [1 / (1 + math.exp(-slope * (0.05 * index - 3))) for index in range(121)]
    rise = measure_rise(ladder(values, decades=0.05), "exact_match")
    assert rise.width == pytest.approx(2 * math.log(9) / slope, rel=0.01)
    assert not rise.width_is_bound


def test_a_rise_that_began_before_the_ladder_is_a_bound() -> None:
    rise = measure_rise(ladder([0.4, 0.6, 0.8, 1.0]), "exact_match")
    assert rise.width_is_bound
    assert rise.width == pytest.approx(1.0 * 0.5 * 2.5)


def test_the_floor_is_chance() -> None:
    rise = measure_rise(ladder([0.25, 0.25, 0.625, 1.0]), "exact_match", chance=0.25)
    assert rise.gain == pytest.approx(0.75)
    assert rise.jump == pytest.approx(0.5)
    assert (rise.before, rise.after) == ("r1", "r2")


def test_a_loss_is_turned_over() -> None:
    rise = measure_rise(ladder([4.0, 3.9, 1.0, 0.9]), "target_bits_per_byte")
    assert rise.shape == "jump"
    assert rise.gain == pytest.approx(3.1)


def test_noise_makes_no_rise_and_no_plateau() -> None:
    assert measure_rise(ladder([0.0, 0.05, 0.1, 0.12], stderr=0.1), "exact_match").shape == "no rise"
    noisy = [0, 0.2, 0.4, 0.41, 0.6, 0.8, 1]
    assert measure_rise(ladder(noisy, stderr=0.001), "exact_match").shape == "pieces"
    assert measure_rise(ladder(noisy, stderr=0.08), "exact_match").shape == "smooth"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_any_scores_can_be_described(values: list[float]) -> None:
    rise = measure_rise(ladder(values), "exact_match")
    assert rise.gain == pytest.approx(max(values))
    assert rise.width is None or 0 <= rise.width <= 0.5 * (len(values) - 1) + 1e-9
    assert rise.drop >= 0


def test_levels_are_means_over_seeds_with_the_larger_of_both_errors() -> None:
    rows = [("a", "fit", 10.0, 0.2, 0.1), ("a", "fit", 10.0, 0.4, 0.1), ("b", "holdout", 20.0, 0.5, float("nan"))]
    table = pd.DataFrame(rows, columns=["rung", "role", "n_params", "value", "stderr"])
    table = table.assign(chance=0.25, train_flops=1e9, n_items=100.0)
    small, large = levels(table, "exact_match").itertuples()
    assert (small.rung, small.fit, large.rung, large.fit) == ("a", True, "b", False)
    assert (small.value, small.stderr) == pytest.approx((0.3, 0.1))  # seeds differ by more than sampling
    assert (large.value, large.stderr) == (0.5, 0.0)
    rise = rise_of(table, "exact_match")
    assert rise is not None
    assert rise.gain == pytest.approx(0.25)
    assert rise_of(table[:0], "exact_match") is None
