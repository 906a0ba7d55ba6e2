"""Item forecasts, and what is made of them once the holdout is scored."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.validate import compare_forecasts, compare_items, item_figures, log_loss_bits, metrics
from tasklaws.stats.links import ARCSINE
from tasklaws.stats.rasch import ability_for_mean, fit_rasch, forecast_items
from tasklaws.tables import BASELINE_NAMES


def known_difficulty(chance, seed=0):
    rng = np.random.default_rng(seed)
    truth = 1.5 * rng.standard_normal(80)
    logits = np.linspace(-2, 2, 12)[None] - truth[:, None]
    probability = chance + (1 - chance) / (1 + np.exp(-logits))
    return truth, (rng.random(probability.shape) < probability).astype(float)


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_difficulties_are_recovered_and_shrunk(chance):
    truth, scores = known_difficulty(chance)
    found = fit_rasch(scores, chance).difficulty
    assert np.corrcoef(found, truth)[0, 1] > 0.85 - 0.4 * chance
    assert found.std() < 1.1 * truth.std()
    assert found.mean() == pytest.approx(0, abs=0.05)


def test_items_alike_come_out_alike():
    scores = (np.random.default_rng(0).random((100, 10)) < 0.5).astype(float)
    assert fit_rasch(scores).difficulty.std() < 0.3


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_items_all_solved_or_all_failed_have_no_difficulty(value):
    difficulty = fit_rasch(np.full((20, 6), value)).difficulty
    assert difficulty == pytest.approx(np.full(20, difficulty[0]), abs=1e-6)


def test_an_unseen_answer_says_nothing():
    _, scores = known_difficulty(0.0)
    more = np.column_stack([scores, np.full(len(scores), np.nan)])
    assert fit_rasch(more).difficulty == pytest.approx(fit_rasch(scores).difficulty, abs=1e-6)


@settings(max_examples=30)
@given(target=st.floats(0.01, 0.99), chance=st.sampled_from([0.0, 0.25]))
def test_abilities_hit_their_mean(target, chance):
    difficulty = np.linspace(-3, 3, 50)
    mean = max(target, chance + 0.01)
    ability = ability_for_mean(difficulty, chance, mean)
    probability = chance + (1 - chance) / (1 + np.exp(difficulty - ability))
    assert probability.mean() == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97])
def test_item_forecasts_agree_with_their_family(share):
    truth, _ = known_difficulty(0.0)
    probability = forecast_items(truth, 0.0, float(ARCSINE.of(np.array(share), 80)), 0.2)
    assert probability.mean() == pytest.approx((80 * share + 0.5) / 81, abs=1e-6)
    assert (np.diff(probability[np.argsort(truth)]) <= 1e-12).all()
    assert probability.min() > 0
    assert probability.max() < 1


def test_doubt_about_the_family_draws_items_together():
    truth, _ = known_difficulty(0.25)
    middle = float(ARCSINE.of(np.array(0.6), 80))
    sure, unsure = (forecast_items(truth, 0.25, middle, sd) for sd in (0.01, 0.8))
    assert unsure.std() < 0.9 * sure.std()
    assert min(sure.min(), unsure.min()) > 0.25


def test_item_forecasts_beat_the_family_mean():
    ours, constant = [], []
    for seed in range(8):
        truth, scores = known_difficulty(0.0, seed)
        probability = forecast_items(fit_rasch(scores).difficulty, 0.0, float(ARCSINE.of(np.array(0.85), 80)), 0.1)
        seen = (np.random.default_rng(seed).random(80) < 1 / (1 + np.exp(truth - 2.2))).astype(float)
        ours.append(log_loss_bits(probability, seen).mean())
        constant.append(log_loss_bits(np.full(80, 0.85), seen).mean())
    assert np.mean(ours) < 0.95 * np.mean(constant)


KEYS = {"rung": "big", "family": "f", "elicitation": "direct"}


def tables():
    forecasts = pd.DataFrame([{**KEYS, "metric": "exact_match", "predicted": 0.5}])
    items = pd.DataFrame([{**KEYS, "item": name, "probability": p} for name, p in (("a", 0.9), ("b", 0.2), ("c", 0.6))])
    scores = pd.DataFrame(
        [{**KEYS, "item": name, "seed": 0, "exact_match": s} for name, s in zip("abc", (0, 1, 1), strict=True)]
    )
    return items, forecasts, scores


def test_item_figures_compare_with_the_family():
    found = item_figures(compare_items(*tables()))
    assert found["n"] == 3
    assert found["log_loss_family_mean"] == pytest.approx(1)
    assert found["brier_family_mean"] == pytest.approx(0.25)
    assert found["brier_forecast"] == pytest.approx((0.81 + 0.64 + 0.16) / 3, abs=1e-6)


def test_an_item_that_was_never_forecast_is_named():
    items, forecasts, scores = tables()
    with pytest.raises(
        TasklawsError, match="f direct c was scored at big but never forecast: run `dvc repro forecast`"
    ):
        compare_items(items[items["item"] != "c"], forecasts, scores)


def row_of(metric, **values):
    row = {
        "ladder": "l",
        **KEYS,
        "n_params": 1,
        "n_tokens": 1,
        "train_flops": 6,
        "equivalent_items": 20.0,
    }
    row |= {"design_effect": 1.0, "widening": 1.0, "expected_error_points": 2.0, "headline": "within 5 points"}
    row |= {"leaves_floor": None}
    row |= {"method": "combination", "fit_status": "converged", "verdict": "lawful", "evidence": "e"}
    return {**row, "metric": metric, **dict.fromkeys(BASELINE_NAMES), **values}


def test_compare_averages_seeds_and_scores_on_the_link():
    told = {"predicted": 0.5, "lower": 0.3, "upper": 0.7, "link_mean": np.pi / 2, "link_sd": 0.25, "repeat_last": 0.4}
    loss = {"predicted": 2.0, "lower": 1.0, "upper": 4.0, "link_mean": np.log(2), "link_sd": 0.5, "repeat_last": 3.0}
    table = pd.DataFrame(
        [row_of("exact_match", **told, logistic=0.6), row_of("target_bits_per_byte", **loss, power=2.5)]
    )
    seen = [{**KEYS, "metric": "exact_match", "value": value} for value in (0.7, 0.9)]
    seen.append({**KEYS, "metric": "target_bits_per_byte", "value": 2.0})
    found = compare_forecasts(table, pd.DataFrame(seen)).set_index("metric")
    assert found["observed"].tolist() == pytest.approx([0.8, 2.0])
    assert found["n_seeds"].tolist() == [2, 1]
    assert found["inside"].tolist() == [False, True]
    assert found["abs_error"].tolist() == pytest.approx([0.3, 0.0])
    assert found.loc["exact_match", "abs_error_logistic"] == pytest.approx(0.2)
    assert np.isnan(found.loc["exact_match", "abs_error_power"])
    away = (2 * np.arcsin(np.sqrt(0.8)) - np.pi / 2) / 0.25
    assert found.loc["exact_match", "log_score"] == pytest.approx(-0.5 * away**2 - np.log(0.25 * np.sqrt(2 * np.pi)))
    assert found.loc["target_bits_per_byte", "log_score"] == pytest.approx(-np.log(0.5 * np.sqrt(2 * np.pi)))


def test_a_baseline_that_lacks_a_row_has_no_mean_error():
    told = {"predicted": 0.5, "lower": 0.3, "upper": 0.7, "link_mean": 1.5, "link_sd": 0.25, "repeat_last": 0.4}
    table = pd.DataFrame([row_of("exact_match", **told, logistic=0.6), row_of("exact_match", **told) | {"family": "g"}])
    seen = pd.DataFrame([{**KEYS, "family": family, "metric": "exact_match", "value": 0.5} for family in "fg"])
    methods = table.assign(weight=0.5)[[*KEYS, "metric", "method", "weight", "predicted"]]
    found = metrics(compare_forecasts(table, seen), methods.assign(method="compute"), pd.DataFrame())
    assert found["exact_match"]["mae_repeat_last"] == pytest.approx(0.1)
    assert "mae_logistic" not in found["exact_match"]
    assert found["methods"] == {"compute": {"mae": 0.0, "weight": 0.5}}
