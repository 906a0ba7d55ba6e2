"""Widths of forecasts: by task, by ladder, by other ladders; and what first forecasts of a small table are worth."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import draw, panel, rises, table
from scipy.stats import betabinom, norm

from tasklaws.forecast import priors
from tasklaws.forecast.backtest import backtest, rolling_backtest
from tasklaws.forecast.calibration import Test as EarlierTest
from tasklaws.forecast.calibration import drift, features, ladder_scale, least_width, predictive, task_scale
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.stats.gaussian_process import KERNELS, pool
from tasklaws.stats.links import ARCSINE, LOG, LOGIT

SIZES = np.geomspace(1e7, 3e9, 6)


@pytest.fixture
def known():
    rng = np.random.default_rng(0)
    return panel(draw(rng, rises(rng, 4, SIZES), 500), SIZES)


def test_a_forecast_has_the_interval_of_a_normal_and_heavier_tails():
    said = predictive(ARCSINE, np.array([1.5]), np.array([0.1]))
    lower, middle, upper = (ARCSINE.of(value, np.inf)[0] for value in said.interval)
    assert middle == pytest.approx(1.5, abs=1e-4)
    assert upper - lower == pytest.approx(2 * norm.isf(0.05) * 0.1, rel=2e-3)
    assert said.exceeds(ARCSINE.inverse(np.array([1.8])))[0] > 5 * norm.sf(3)


def earlier(residual, weight=1.0, width=0.1):
    residual = np.asarray(residual, dtype=float)
    return EarlierTest(weight, residual, np.full_like(residual, width))


def test_drift_is_what_most_tasks_were_off_by_and_is_0_without_tests():
    assert drift([]) == 0
    off = earlier([0.03] * 20 + [0.5, np.nan])
    assert 0 < drift([off]) < drift([off] * 100) < 0.03
    assert drift([off] * 10_000) == pytest.approx(0.03, rel=0.01)
    assert drift([earlier([0.03])]) < drift([off]) / 10  # one task's own error is no drift
    assert drift([earlier([np.nan])]) == 0


def test_intervals_are_scaled_by_what_would_have_held_90_percent():
    draws = np.random.default_rng(0).normal(0, 0.2, (200, 10))
    assert ladder_scale([]) == 1
    assert ladder_scale([earlier(row) for row in draws]) == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("n_items", [6, 50, 1000])
@pytest.mark.parametrize("n_models", [1, 3, 6])
def test_where_all_items_were_solved_the_next_model_may_miss_as_many_as_their_number_allows(n_items, n_models):
    """The 5th percentile of the beta-binomial lies in the interval."""
    known = panel([np.ones(n_models)], np.geomspace(1e7, 3e9, n_models), n_items=n_items)
    missed = betabinom(n_items, 0.5, n_models * n_items + 0.5).ppf(0.95)
    width = least_width(known)[0]
    lower = predictive(ARCSINE, np.array([np.pi]), np.array([width])).interval[0][0]
    if missed:
        assert 1 - (missed + 1.6) / n_items < lower <= 1 - missed / n_items
    else:
        assert width <= 2 * np.arcsin(np.sqrt(1.6 / n_items)) / norm.isf(0.05)


def test_no_width_is_asked_of_tasks_that_are_not_at_the_ceiling():
    known = panel([[0.9, 0.95, 1.0], [1.0, 1.0, 0.99], [0.0, 0.0, 0.0], [np.nan, np.nan, np.nan]], SIZES[:3])
    assert (least_width(known) > 0).tolist() == [True, False, False, False]
    assert (least_width(replace(known, loss=True)) == 0).all()


@pytest.mark.parametrize("n_models", [2, 5])
def test_the_forecast_of_a_task_that_all_solved_has_that_width(n_models):
    known = panel(np.ones((1, n_models + 1)), SIZES[: n_models + 1], n_items=6)
    found = combined_forecast(History(known), n_models, n_models)
    least = least_width(known.select(np.arange(n_models)))[0]
    assert found.width[0] > 0.999 * least > 0


def test_a_task_that_was_far_off_before_is_forecast_wider(known):
    sd, noise = np.full(4, 0.05), np.full(4, 0.03)
    off = [earlier([0.3, 0.05, 0.05, np.nan], width=0.06)] * 5
    told = features(known, sd, noise, 1.0, off)
    assert told[0, 3] > told[1, 3]
    assert told[3, 3] == 0
    scale = task_scale(known, sd, noise, 1.0, off)
    assert scale[0] / task_scale(known, sd, noise, 1.0, [])[0] > scale[1] / task_scale(known, sd, noise, 1.0, [])[1]
    assert (task_scale(known, sd, noise, 8.0, off) > scale).all()


def test_constants_are_there_for_all_and_without_each_source():
    for link in (LOGIT, ARCSINE):
        shares = priors.kernel_shares(link)
        assert shares.shape == (len(KERNELS),)
        assert shares.sum() == pytest.approx(1)
        assert shares.min() > 0
    assert priors.kernel_shares(LOG) is None
    whole = priors.width_coefficients()
    with priors.leaving_out("gadre"):
        assert not np.allclose(priors.width_coefficients(), whole)
    assert (priors.width_coefficients() == whole).all()
    with pytest.raises(KeyError), priors.leaving_out("nowhere"):
        pass


def test_kernels_of_other_ladders_count_where_tasks_say_little():
    usual = np.zeros(len(KERNELS))
    usual[7] = 1.0
    weight, _ = pool(np.zeros((2, len(KERNELS))), usual)
    assert weight[0, 7] == pytest.approx(1)
    sure = np.where(np.arange(len(KERNELS)) == 3, 0.0, -50.0)
    weight, _ = pool(np.tile(sure, (2, 1)), 0.9 * usual + 0.1 / len(KERNELS))
    assert weight[0, 3] == pytest.approx(1, abs=1e-6)


def test_losses_are_scaled_by_their_own_ladder_alone():
    points = table([[4.0, 3.5, 3.1, 2.8, 2.6, 2.5]], SIZES, metric="bpb", losses=False)
    found, _ = rolling_backtest(points, ["bpb"], 1, 4)
    with priors.leaving_out("gadre"):
        other, _ = rolling_backtest(points, ["bpb"], 1, 4)
    assert found.equals(other)


def test_a_summary_says_what_intervals_rest_on():
    rng = np.random.default_rng(0)
    points = table(draw(rng, rises(rng, 3, SIZES), 500), SIZES)
    found = backtest(points, rolling=1, min_rungs=3)
    assert found.forecasts.groupby("n_fit")["n_tests"].first().to_dict() == {3: 0, 4: 1, 5: 3}
    assert "3 rest on other ladders alone" in found.summary()


def test_a_known_value_that_is_perturbed_later_changes_no_width(known):
    other = panel(np.hstack([known.value[:, :5], 1 - known.value[:, 5:]]), SIZES)
    here, there = (combined_forecast(History(one), 5, 5) for one in (known, other))
    assert (here.width == there.width).all()
    assert (here.mean == there.mean).all()


@pytest.mark.heavy
def test_first_forecasts_of_a_small_smooth_table_are_honest():
    """Six models, twelve smooth tasks: the forecasts from three, four and five models."""
    inside: dict[int, list[float]] = {3: [], 4: [], 5: []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = table(draw(rng, rises(rng, 12, SIZES, noise=0.02), 300), SIZES, n_items=300, losses=False)
        found, _ = rolling_backtest(points, ["acc"], 1, 3)
        for known, rows in found.groupby("n_fit"):
            inside[int(known)] += list(rows["observed"].between(rows["lower"] - 1e-9, rows["upper"] + 1e-9))
    for known, held in inside.items():
        assert 0.82 <= np.mean(held) <= 0.98, known
