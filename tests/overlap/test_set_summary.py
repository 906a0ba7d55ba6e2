"""Known truths come back: independent thresholds give the slope -1/2, and what is written is read."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json
from tasklaws.experiments.overlap_forecasts import forecast_sets, set_curves, set_points
from tasklaws.experiments.zipf import exponents, predicted_exponent
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.panel import build_panels
from tasklaws.overlap.set_summary import (
    Errors,
    Facts,
    Theory,
    bootstrap_limits,
    gain_crossing,
    slope,
    summary_table,
)
from tasklaws.tables import SET_CURVES, SET_SUMMARY, ZIPF_RUNS

N_EFF = np.array([50.0, 16.0, 5.0, 1.0])
MEAN = np.array([0.1, 0.25, 0.4, 0.55, 0.7, 0.85])  # of all sets at each rung


def threshold_curves(n_sets: int, n_effs: np.ndarray = N_EFF) -> pd.DataFrame:
    """Sets of n_eff independent thresholds each, which fall where the mean curve rises."""
    rng = np.random.default_rng(0)
    rows = []
    for place, n_eff in enumerate(n_effs):
        for number in range(n_sets):
            draws = rng.random(int(n_eff))
            for rung, share in enumerate(MEAN):
                size = 1000.0 * 2**rung
                row = [place / 10, number, f"r{rung}", size, 1e6, 6e6 * size, 50, 0, n_eff, (draws < share).mean()]
                rows.append([*row, 3 - 2 * share])
    return SET_CURVES.frame(rows)


def known_errors(found: pd.DataFrame, min_rungs: int) -> pd.DataFrame:
    """Forecasts of who knows the mean curve and each set's last value."""
    rows = []
    for (overlap, number), curve in found.groupby(["overlap", "set_seed"]):
        value = curve["value"].to_numpy()
        for n_fit in range(min_rungs, len(value)):
            last = value[n_fit - 1]
            rise = (MEAN[n_fit] - MEAN[n_fit - 1]) / (1 - MEAN[n_fit - 1])
            row = [overlap, number, n_fit, curve["n_eff"].iloc[0], last + (1 - last) * rise, value[n_fit], last]
            rows.append(row)
    names = ["overlap", "set_seed", "n_fit", "n_eff", "predicted", "observed", "repeat_last"]
    return pd.DataFrame(rows, columns=names)


def test_independent_thresholds_give_the_theory_and_its_slope():
    found = threshold_curves(400)
    errors = Errors.of(known_errors(found, 2))
    theory = Theory.of(found, 2)
    measures = errors.measures()
    assert measures["rmse"] == pytest.approx(theory.error(N_EFF), rel=0.1)
    assert measures["rmse_repeat_last"] == pytest.approx(theory.naive(N_EFF), rel=0.1)
    assert slope(errors.n_eff, measures["spread"]) == pytest.approx(-0.5, abs=0.05)
    low, high = bootstrap_limits(slope(errors.n_eff, errors.redrawn(0).measures()["rmse"]))
    assert low < -0.5 < high


def test_slope_of_a_power_is_its_exponent():
    assert slope(N_EFF, 0.3 * N_EFF**-0.37) == pytest.approx(-0.37)


def crossing(gains: list[float]) -> dict[str, float]:
    forecast = np.full((4, 6, 2), 0.1)
    naive = forecast + np.array(gains)[:, None, None]
    return gain_crossing(Errors(np.array([0, 0.1, 0.3, 1.0]), N_EFF, forecast, naive), 0)


def test_the_gain_crosses_0_where_it_first_does():
    assert crossing([0.05, 0.04, 0.03, 0.02]) == {"share_never": 1.0}
    assert crossing([0.0, -0.01, 0.0, -0.02])["n_eff"] == 50
    found = crossing([0.05, 0.03, -0.03, -0.05])
    assert [found[name] for name in ("n_eff", "low", "high")] == pytest.approx([np.sqrt(16 * 5)] * 3)


def test_intervals_widen_as_the_engine_does_where_items_share_skills_and_not_where_all_are_tasks():
    forecasts = forecast_sets(threshold_curves(4, np.array([50.0, 4.0])), 4, 1)
    wider = (forecasts["wide_upper"] - forecasts["wide_lower"]) - (forecasts["upper"] - forecasts["lower"])
    assert wider[forecasts["n_eff"] == 50].to_numpy() == pytest.approx(0)
    assert wider[forecasts["n_eff"] == 4].mean() > 0.02


def test_every_set_is_forecast_and_summarised(tmp_path):
    found = threshold_curves(2, np.array([20.0, 2.0]))
    forecasts = forecast_sets(found, 5, 1)
    assert len(forecasts) == 2 * 2
    seen = pd.Series(5.0, index=found.groupby(["overlap", "set_seed"]).size().index)
    summary = summary_table(found, forecasts, seen, Theory.of(found, 5), 0)
    assert list(summary.columns) == SET_SUMMARY.columns
    assert (summary["theory"].diff().dropna() > 0).all()
    sets = pd.DataFrame({"item": ["a", "b", "b"], "is_learned": [False, True, True]})
    facts = Facts.of(sets, forecasts, Theory.of(found, 5), 0)
    assert (facts.n_questions, facts.n_questions_left_out) == (1, 1)
    assert set(facts.slopes) == {"mae", "rmse", "spread"}
    write_json(tmp_path / "summary.json", asdict(facts))
    assert Facts.read(tmp_path / "summary.json") == facts


def test_a_curve_needs_every_score():
    sets = pd.DataFrame({"overlap": 0.0, "set_seed": 0, "item": ["a", "b"], "skill": ["x", "y"], "is_learned": False})
    scores = pd.DataFrame({"rung": "r", "item": ["a"], "exact_match": 1.0, "target_bits_per_byte": 0.1})
    sizes = pd.DataFrame({"rung": ["r"], "n_params": 1, "n_tokens": 1, "train_flops": 6.0})
    with pytest.raises(TasklawsError, match=r"item.* of set 0 of overlap 0.* no score: .*overlap_score@r"):
        set_curves(sets, scores, sizes)


def test_a_known_exponent_comes_back_and_is_set_beside_the_prediction():
    tokens = np.repeat([2.0**17, 2.0**18, 2.0**19, 2.0**20, 2.0**21], 2)
    rows = []
    for zipf in (1.5, 2.0):
        loss = 0.1 + 100 * tokens ** -predicted_exponent(zipf)
        rows += [
            [zipf, int(n), index % 2, 100, value] for index, (n, value) in enumerate(zip(tokens, loss, strict=True))
        ]
    found = exponents(ZIPF_RUNS.frame(rows), 0)
    assert found["exponent"].to_numpy() == pytest.approx([1 / 3, 1 / 2], abs=0.02)


def test_what_single_methods_say_does_not_depend_on_how_many_tasks_the_items_are_worth():
    """So that `with_n_eff` may keep it: all is the same in a history that asks every method anew."""
    curve = threshold_curves(1, np.array([4.0]))
    kept = History(build_panels(set_points(curve), ["exact_match"])[0])
    combined_forecast(kept, 5, 5)
    anew = History(build_panels(set_points(curve).assign(n_eff=4.0), ["exact_match"])[0])
    for name, found in anew.by_method(5).items():
        assert found.mean == pytest.approx(kept.by_method(5)[name].mean, nan_ok=True)
        assert found.sd == pytest.approx(kept.by_method(5)[name].sd, nan_ok=True)
    wide = combined_forecast(kept.with_n_eff(4.0), 5, 5)
    assert wide.mean == pytest.approx(combined_forecast(anew, 5, 5).mean)
    assert wide.width == pytest.approx(combined_forecast(anew, 5, 5).width)
