"""What is known of items, as numbers; solve rates of few people."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from tasklaws.items.covariates import COVARIATES, GROUPINGS, SOLVE_RATE, TIME, explain
from tasklaws.stats.proportions import pooled_means


def test_minutes_are_logged_and_standardised() -> None:
    items = pd.DataFrame({"human_minutes": [1.0, 10.0, 100.0]})
    assert explain(items, (TIME,)).covariates[:, 0] == pytest.approx(np.array([-1, 0, 1]) * np.sqrt(1.5))


def test_what_is_missing_counts_as_the_mean_and_is_marked() -> None:
    items = pd.DataFrame({"human_minutes": [1.0, np.nan, 100.0, np.nan]})
    covariates = explain(items, (TIME,)).covariates
    assert covariates[:, 0].tolist() == pytest.approx([-1, 0, 1, 0])
    assert covariates[:, 1].tolist() == pytest.approx([0.5, -0.5, 0.5, -0.5])


def test_absent_or_constant_columns_explain_nothing() -> None:
    assert explain(pd.DataFrame({"human_minutes": [5.0, 5.0]}), COVARIATES, GROUPINGS).covariates.shape == (2, 0)
    assert explain(pd.DataFrame(index=[0, 1]), COVARIATES, GROUPINGS).groups == {}


def test_an_item_belongs_to_its_family_and_to_each_of_its_skills() -> None:
    items = pd.DataFrame({"family": ["a", "b", None], "skills": ["loop;hash", "hash", None]})
    groups = explain(items, (), GROUPINGS).groups
    assert groups["family"].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert groups["skills"].tolist() == [[1, 1], [1, 0], [0, 0]]


def test_steps_may_be_none_but_minutes_are_not() -> None:
    items = pd.DataFrame({"steps_required": [0.0, 1.0, 3.0]})
    first, second, third = explain(items, COVARIATES).covariates[:, 0]
    assert second - first == pytest.approx(third - second)


def test_solve_rates_of_few_people_are_drawn_to_the_usual_one_and_of_many_are_not() -> None:
    solved, attempts = np.array([0.0, 3.0, 2.0, 2.0, 0.0, 900.0]), np.array([3.0, 3.0, 3.0, 4.0, 1.0, 1000.0])
    rates = pooled_means(solved, attempts)
    assert 0 < rates[0] < rates[4] < 0.5 < rates[1] < 1
    assert rates[5] == pytest.approx(0.9, abs=0.01)


def test_a_beta_binomial_population_is_recovered() -> None:
    rng = np.random.default_rng(0)
    truth = rng.beta(3, 1.5, 2000)
    attempts = rng.integers(1, 6, 2000).astype(float)
    solved = rng.binomial(attempts.astype(int), truth).astype(float)
    rates = pooled_means(solved, attempts)
    exact = (solved + 3) / (attempts + 4.5)
    assert np.abs(rates - exact).max() < 0.05


def test_solve_rates_enter_as_log_odds() -> None:
    items = pd.DataFrame({"human_solved": [0.0, 1.0, 3.0], "human_attempts": [3.0, 3.0, 3.0]})
    column = explain(items, (SOLVE_RATE,)).covariates[:, 0]
    rates = logit(pooled_means(np.array([0.0, 1.0, 3.0]), np.full(3, 3.0)))
    assert column == pytest.approx((rates - rates.mean()) / rates.std())
