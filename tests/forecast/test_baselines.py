"""The baselines, and bugs that were seen in published tools (../shared/ladders/README.md), each pinned."""

import numpy as np
import pytest
from made_up import panel
from scipy.special import expit

from tasklaws.forecast.baselines import BASELINES, Curve, TwoStep
from tasklaws.forecast.methods import METHODS, predictions
from tasklaws.forecast.naive import Chance, RepeatLast

PLACES = np.arange(8)


def says(forecaster, value, known=6, **options):
    ladder = panel(value, **options)
    models = np.arange(len(ladder.models))
    found = predictions([forecaster], ladder.select(models[:known]), ladder.select(models[known:]).without_results())
    return ladder.link.inverse(found[forecaster.name].mean) if found else None


def test_the_last_value_is_repeated_past_holes():
    value = [[0.1, 0.3, 0.2, 0.4, 0.5, np.nan, 0.9, 0.9], [0.2] * 8]
    assert says(RepeatLast(), value, n_items=10**9)[:, 0] == pytest.approx([0.5, 0.2], abs=1e-6)


def test_chance_is_what_a_guess_scores_and_nothing_where_unknown():
    assert says(Chance(), [[0.5] * 8], chance=0.25)[0] == pytest.approx([0.25, 0.25])
    assert says(Chance(), [[0.5] * 8]) is None


@pytest.mark.parametrize("forecaster", [Curve("logistic"), TwoStep()], ids=lambda one: one.name)
@pytest.mark.parametrize("middle", [1.0, 3.0, 5.0])
def test_a_sigmoid_does_not_collapse_to_a_flat_line(forecaster, middle):
    """ARC-Easy at 84.6 was forecast as 57.3 by a fit from one start."""
    value = 0.25 + 0.7 * expit(0.9 * (PLACES - middle))
    found = says(forecaster, [value], chance=0.25)
    assert found[0, 0] > value[:6].mean() + 0.1
    assert found[0] == pytest.approx(value[6:], abs=0.15)


@pytest.mark.parametrize("forecaster", [*BASELINES[2:], *METHODS], ids=lambda one: one.name)
def test_four_tasks_are_not_told_one_number(forecaster):
    middles = np.array([[1.0], [3.0], [5.0], [7.0]])
    found = says(forecaster, expit(0.6 * (PLACES - middles)))
    if forecaster.name.startswith("task_loss"):
        assert found is None  # the table has none
    else:
        assert np.ptp(found[:, 0]) > 0.3
        assert len(np.unique(found[:, 0].round(4))) == 4


@pytest.mark.parametrize("forecaster", [*BASELINES[2:], *METHODS[:6]], ids=lambda one: one.name)
def test_a_task_that_was_not_asked_changes_nothing(forecaster):
    value = expit(0.6 * (PLACES - np.array([[1.0], [3.0], [5.0]])))
    more = np.vstack([value, np.where(PLACES < 6, np.nan, 0.9)])
    found = says(forecaster, more)
    assert np.isnan(found[3]).all()
    assert np.array_equal(found[:3], says(forecaster, value))


def test_few_points_have_no_curve():
    assert says(Curve("logistic"), [[0.1, 0.2, 0.3]], known=2) is None
    assert says(TwoStep(), [[0.1, 0.2, 0.3]], known=2) is None
