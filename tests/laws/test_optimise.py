"""The objectives and the searches beneath every fit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import SIZES, accuracies, losses

from tasklaws.laws.batch import Batch, Problem, deviance, huber_log
from tasklaws.laws.data import kind_and_better, points_to_fit
from tasklaws.laws.forms import LAWS
from tasklaws.laws.optimise import minimise, solve_linear, starts

ONES = np.ones((1, 9))


def box(low: list[float], high: list[float], count: int) -> np.ndarray:
    return np.tile(np.array([low, high]), (count, 1, 1))


@pytest.mark.parametrize("newton", [False, True])
def test_searches_stay_in_their_box_and_find_its_corner(newton: bool) -> None:
    def bowl(theta, rows, curved=True):
        away = theta - np.array([3.0, -2.0])
        return (away**2).sum(axis=1) / 2, away, np.tile(np.eye(2), (len(theta), 1, 1))

    found, objective, rested = minimise(bowl, np.zeros((4, 2)), box([-1, -1], [1, 1], 4), newton=newton)
    assert found == pytest.approx(np.tile([1.0, -1.0], (4, 1)))
    assert objective == pytest.approx(np.full(4, 2.5))
    assert rested.all()


def test_newton_goes_down_a_curved_valley_and_away_from_a_saddle() -> None:
    def rosenbrock(theta, rows, curved=True):
        x, y = theta.T
        gradient = np.stack([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=1)
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2, gradient, np.tile(np.eye(2), (len(theta), 1, 1))

    found, _, rested = minimise(rosenbrock, np.array([[-1.2, 1.0]]), box([-5, -5], [5, 5], 1), 200, 1e-15, newton=True)
    assert found == pytest.approx(np.ones((1, 2)), abs=1e-6)
    assert rested.all()

    def saddle(theta, rows, curved=True):
        x, y = theta.T
        return x**2 - y**2, np.stack([2 * x, -2 * y], axis=1), np.tile(np.eye(2), (len(theta), 1, 1))

    found, _, _ = minimise(saddle, np.array([[0.5, 0.01]]), box([-1, -1], [1, 1], 1), newton=True)
    assert found == pytest.approx(np.array([[0.0, 1.0]]), abs=1e-6)


@given(st.floats(0.5, 2), st.floats(0.02, 0.98))
@settings(max_examples=25)
def test_objectives_are_0_at_their_target_and_have_the_right_slope(factor: float, p: float) -> None:
    target = np.linspace(0.2, 0.8, 9)[None]
    for objective in (
        lambda value, goal: huber_log(value, ONES[..., None], goal, ONES, 1e-3),
        lambda value, goal: deviance(value, ONES[..., None], goal, ONES, 500 * ONES),
    ):
        value = np.clip(target * factor, 0.01, 0.99) * 0.99 + 0.01 * p
        up, down = (objective(value + sign * 1e-7, target)[0] for sign in (1, -1))
        assert (up - down) / 2e-7 == pytest.approx(objective(value, target)[1][:, 0], rel=1e-3, abs=1e-4)
        assert objective(target, target)[0] == pytest.approx(0, abs=1e-12)


def test_huber_is_symmetric_in_logs() -> None:
    target = np.full((1, 9), 2.0)
    over, under = (huber_log(target * factor, ONES[..., None], target, ONES, 1e-3)[0] for factor in (1.1, 1 / 1.1))
    assert over == pytest.approx(under)


def test_fractional_successes_are_weighted_ones() -> None:
    """The deviance of a mean of fractional scores has its minimum at that mean."""
    goal = 0.377 * ONES
    slope = deviance(goal, ONES[..., None], goal, ONES, 10 * ONES)[1]
    assert slope == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("law", ["power", "chinchilla", "logistic", "error_from_loss", "broken_power"])
def test_linear_parameters_are_solved_to_the_least_squares(law: str) -> None:
    """No small move of one inside its bounds makes the squares smaller."""
    rng = np.random.default_rng(0)
    table = losses((2 + 60 * SIZES**-0.25) * np.exp(0.02 * rng.standard_normal(9)))
    if law in ("logistic", "error_from_loss"):
        table = accuracies(np.linspace(0.3, 0.8, 9) + 0.02 * rng.standard_normal(9), chance=None)
    table = table.assign(n_tokens=10 ** rng.uniform(9, 11, 9), loss=np.linspace(3, 2, 9))
    form = LAWS[law].on("n_params") if LAWS[law].one_axis else LAWS[law]
    batch = Batch.of(form, [points_to_fit(table, form)])
    weight = np.ones((1, 9))
    grid = starts(batch)[0]
    tables = np.zeros(len(grid), dtype=np.intp)
    solved = solve_linear(batch, grid, tables, weight)
    goal = batch.law_target
    scale = 1 / goal**2 if batch.kind == "loss" else batch.n_items / (batch.target * (1 - batch.target))

    def squares(theta: np.ndarray) -> np.ndarray:
        return (scale * (batch.law_value(theta, tables)[0] - goal) ** 2).sum(axis=1)

    here = squares(solved)
    inside = ((solved > batch.bounds[0, 0] + 1e-3) & (solved < batch.bounds[0, 1] - 1e-3))[:, batch.linear].all(axis=1)
    assert inside.any()
    for index in np.flatnonzero(batch.linear):
        for move in (1e-3, -1e-3):
            moved = solved.copy()
            moved[:, index] += move
            assert (squares(moved)[inside] >= here[inside] * (1 - 5e-3)).all()


def test_rows_of_a_problem_do_not_touch_each_other() -> None:
    table = losses(1.5 + 60 * SIZES**-0.25)
    form = LAWS["power"].on("n_params")
    batch = Batch.of(form, [points_to_fit(table, form)] * 2)
    problem = Problem(batch, np.array([0, 1]), batch.target, np.ones((2, 9)))
    theta = starts(batch)[:, 5]
    both = problem(theta, np.array([0, 1]))
    alone = problem(theta[1:], np.array([1]))
    for a, b in zip(both, alone, strict=True):
        assert a[1:] == pytest.approx(b)


@pytest.mark.parametrize(
    ("metric", "values", "kind"),
    [
        ("acc", [0.1, 0.9], "accuracy"),
        ("brier", [0.1, 0.9], "loss"),
        ("ce", [0.5, 0.9], "loss"),
        ("pass_at_1", [0.0, 1.0], "accuracy"),
        ("elo", [900.0, 1200.0], "loss"),
        (None, [0.3], "accuracy"),
    ],
)
def test_what_a_metric_is_taken_for(metric: str | None, values: list[float], kind: str) -> None:
    table = pd.DataFrame({"value": values})
    table = table if metric is None else table.assign(metric=metric)
    assert kind_and_better(table, metric, np.array(values))[0] == kind


def test_unknown_numbers_of_items_are_worked_out_from_the_stderr() -> None:
    value = np.array([0.3, 0.5])
    table = pd.DataFrame({"n_params": [1e6, 1e7], "value": value, "metric": "acc"})
    known = table.assign(stderr=np.sqrt(value * (1 - value) / 400))
    form = LAWS["power"].on("n_params")
    assert points_to_fit(known, form).n_items == pytest.approx([400, 400])
    assert points_to_fit(table, form).n_items == pytest.approx([100, 100])
    assert points_to_fit(table.assign(n_items=[50, np.nan]), form).n_items == pytest.approx([50, 50])
    assert points_to_fit(table.assign(stderr=[0.9, 0.0]), form).n_items == pytest.approx([1, 1])
