"""Some scores revealed: against brute force, and what may influence what."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from test_skills import family_table

from tasklaws.forecast.combine import History, combined_forecast, joint_forecast
from tasklaws.forecast.engine import forecast_tables
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.revealed import Joint, draw_given


@pytest.fixture
def joint():
    rng = np.random.default_rng(0)
    return Joint(rng.normal(size=6), rng.uniform(0.2, 1, 6), rng.normal(size=(6, 2)))


@pytest.fixture(scope="module")
def crowd():
    (one,) = build_panels(family_table(0, n_tasks=8, missing=0.1), ["acc"])
    return one


def conditional(joint, seen, z):
    """Mean and covariance of all tasks given some, from the whole covariance."""
    full = joint.shared @ joint.shared.T + np.diag(joint.own**2)
    gain = full[:, seen] @ np.linalg.inv(full[np.ix_(seen, seen)])
    return joint.mean + gain @ (z - joint.mean[seen]), full - gain @ full[seen]


def test_given_is_the_conditional_normal(joint):
    seen, z = [1, 4], np.array([0.3, -2.0])
    known = np.full(6, np.nan)
    known[seen] = z
    found = joint.given(known)
    mean, covariance = conditional(joint, seen, z)
    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.sd == pytest.approx(np.sqrt(np.maximum(np.diag(covariance), 0)), abs=1e-6)


def test_given_one_after_the_other_is_given_together(joint):
    first, both = np.full((2, 6), np.nan)
    first[2], both[2], both[3] = 1.0, 1.0, 0.5
    second = np.where(np.isfinite(first), np.nan, both)
    step = joint.given(first).given(second)
    assert step.mean[[0, 1, 4, 5]] == pytest.approx(joint.given(both).mean[[0, 1, 4, 5]])


def test_nothing_given_changes_nothing(joint):
    assert joint.given(np.full(6, np.nan)) is joint


def test_the_first_to_ask_narrows_the_rest_most(joint):
    def left(asked):
        _, covariance = conditional(joint, list(asked), np.zeros(len(asked)))
        return np.sqrt(np.maximum(np.diag(covariance), 0)).sum()

    first, second = joint.ask_first(2)
    assert left([first]) == pytest.approx(min(left([one]) for one in range(6)))
    assert left([first, second]) == pytest.approx(min(left([first, one]) for one in range(6) if one != first))
    assert left([first, second]) <= 1.2 * min(left(pair) for pair in permutations(range(6), 2))
    assert joint.ask_first(3, np.arange(6) >= 4) in ([4, 5], [5, 4])


def test_draws_depend_on_name_and_seed_alone(crowd):
    given, kept = draw_given(crowd, [27, 28], 3, 0)
    alone, _ = draw_given(crowd, [28], 3, 0)
    assert kept == [27, 28]
    assert np.array_equal(given[:, 28], alone[:, 28], equal_nan=True)
    assert np.isfinite(given).sum(axis=0)[[26, 27, 28]].tolist() == [0, 3, 3]
    assert not np.array_equal(given, draw_given(crowd, [27, 28], 3, 1)[0], equal_nan=True)
    asked = int(np.isfinite(crowd.value[:, 28]).sum())
    assert draw_given(crowd, [28], asked, 0)[1] == []


def test_revealed_scores_are_not_forecast_and_make_others_better(crowd):
    targets = range(26, 30)
    given, kept = draw_given(crowd, targets, 3, 0)
    blind, _ = forecast_tables(History(crowd), 26, kept)
    found, _ = forecast_tables(History(crowd, given=given), 26, kept)
    both = found.merge(blind, on=["task", "model"], suffixes=("", "_blind")).dropna(subset="observed")
    assert len(found) == len(blind) - 3 * len(kept)
    error, before = (np.abs(both[name] - both["observed"]).mean() for name in ("predicted", "predicted_blind"))
    assert error < before
    assert (both["upper"] - both["lower"]).mean() < (both["upper_blind"] - both["lower_blind"]).mean()


def test_scores_that_are_not_revealed_change_nothing(crowd):
    given, _ = draw_given(crowd, [26], 2, 0)
    hidden = ~np.isfinite(given[:, 26])
    value = crowd.value.copy()
    value[hidden, 26] = 1 - value[hidden, 26]
    value[:, 27:] = 0.5
    found, other = (
        combined_forecast(History(one, given=given), 26, 26) for one in (crowd, replace(crowd, value=value))
    )
    assert np.array_equal(found.mean, other.mean, equal_nan=True)
    assert np.array_equal(found.width, other.width, equal_nan=True)


def test_a_joint_forecast_has_the_width_of_the_forecast(crowd):
    found, joint = combined_forecast(History(crowd), 26, 28), joint_forecast(History(crowd), 26, 28)
    assert joint.sd == pytest.approx(found.width, rel=1e-6)
    assert (joint.shared != 0).any()
