"""Intervals that widen where items are worth fewer tasks than they are."""

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, panel, rises, table

from tasklaws.forecast.backtest import rolling_backtest
from tasklaws.forecast.combine import History, combined_forecast, overlap_sd, panel_design_effect
from tasklaws.forecast.engine import forecast_tables

LONG = np.geomspace(1e7, 3e9, 8)
RISE = np.linspace(0.2, 0.8, 6)


def steps(rng, n_tasks, sizes, n_eff):
    """Scores of sets of `n_eff` thresholds each, which lie anywhere along ln size, and some beyond."""
    x = np.log(sizes / sizes[0])
    return (x > rng.uniform(-0.2 * x[-1], 1.3 * x[-1], (n_tasks, n_eff, 1))).mean(axis=1)


def test_the_sd_is_that_of_independent_thresholds() -> None:
    """40 tasks of 10 items went from .5 to about .75: what is beyond 400 independent items, on the arcsine scale."""
    rng = np.random.default_rng(0)
    after = 0.5 + rng.binomial(20, 0.5, 100_000) / 40
    independent = 0.5 + rng.binomial(200, 0.5, 100_000) / 400
    spread = [(2 * np.arcsin(np.sqrt(value))).var() for value in (after, independent)]
    known = panel([[0.2, 0.4, 0.5]], n_items=400, n_eff=40)
    found = overlap_sd(known, known.link.of(np.array([0.75]), np.inf), np.zeros(1))
    assert found[0] == pytest.approx(np.sqrt(spread[0] - spread[1]), rel=0.1)


@pytest.mark.parametrize(("last", "after"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
def test_a_certain_forecast_at_an_end_or_of_no_change_adds_nothing(last: float, after: float) -> None:
    known = panel([[last, last, last]], n_eff=1)
    mean = known.link.of(np.array([after]), np.inf)
    assert overlap_sd(known, mean, np.zeros(1)) == pytest.approx(0, abs=1e-6)
    # But one that is not certain holds changes possible, and those are the more uncertain.
    uncertain = overlap_sd(known, mean, np.full(1, 0.4))[0]
    assert 0 < uncertain < np.pi / 2


def test_the_largest_known_model_that_says_one_has_the_effective_number() -> None:
    known = panel([RISE, RISE], n_items=100)
    known.n_eff[0, :3] = [10, 20, 50]
    assert panel_design_effect(known).tolist() == [2, 1]


def test_nothing_changes_without_or_between_known_models() -> None:
    plain = History(panel([RISE, RISE**2]))
    overlapping = History(panel([RISE, RISE**2], n_eff=2))
    independent = History(panel([RISE, RISE**2], n_eff=500))
    before, after, same = (combined_forecast(history, 5, 5) for history in (plain, overlapping, independent))
    assert np.array_equal(before.width, same.width)
    assert np.array_equal(before.mean, after.mean)
    assert (after.widening > 1).all()
    order = np.array([0, 1, 2, 4, 5, 3])  # forecast a model among the known ones
    inside = combined_forecast(History(panel([RISE, RISE**2], n_eff=2).select(order)), 5, 5)
    assert (inside.widening == 1).all()
    found, _ = forecast_tables(overlapping, 5, [5])
    assert found["design_effect"].tolist() == [250, 250]
    np.testing.assert_allclose(found["link_sd"], after.predictive(overlapping.panel.link).moments[1])


@pytest.mark.heavy
def test_intervals_of_few_tasks_hold_more_often_and_those_of_many_as_often_as_they_say() -> None:
    """Half of the sets hang on three thresholds, the others rise smoothly. Calibration is common to both: without
    effective numbers the one kind pays for the other."""
    found = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        value = np.concatenate([steps(rng, 12, LONG, 3), draw(rng, rises(rng, 12, LONG), 500)])
        points = table(value, LONG)
        few = points["task"].isin([f"t{place:02}" for place in range(12)])
        for name, one in (("plain", points), ("widened", points.assign(n_eff=np.where(few, 3.0, 500.0)))):
            rows, _ = rolling_backtest(one, ["acc"], 1, 5)
            found.append(rows.assign(name=name, few=rows["task"] < "t12"))
    rows = pd.concat(found)
    rows["inside"] = rows["observed"].between(rows["lower"] - 1e-9, rows["upper"] + 1e-9)
    held, score = (rows.groupby(["few", "name"])[column].mean() for column in ("inside", "log_score"))
    assert held[True, "widened"] > held[True, "plain"]
    assert score[True, "widened"] > score[True, "plain"]
    assert held[False, "widened"] >= 0.85
    assert score[False, "widened"] >= score[False, "plain"]


def test_losses_are_as_they_were() -> None:
    rng = np.random.default_rng(1)
    bits = table(-np.log2(rises(rng, 2, SIZES)), SIZES, metric="rc_bpb")
    before, after = (rolling_backtest(one, ["rc_bpb"], 1, 4)[0] for one in (bits, bits.assign(n_eff=1.0)))
    pd.testing.assert_frame_equal(before, after)
