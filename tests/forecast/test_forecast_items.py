"""Item forecasts, and what is made of them once the holdout is scored."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_forecast_engine import answers, fitted, line

from tasklaws.errors import TasklawsError
from tasklaws.forecast.check import compare, item_summary, judge_items, log_loss
from tasklaws.forecast.items import difficulties, forecast_items, solve_ability
from tasklaws.forecast.surprises import surprises


def known_difficulty(chance, seed=0):
    rng = np.random.default_rng(seed)
    truth = 1.5 * rng.standard_normal(80)
    logits = np.linspace(-2, 2, 12)[None] - truth[:, None]
    probability = chance + (1 - chance) / (1 + np.exp(-logits))
    return truth, (rng.random(probability.shape) < probability).astype(float)


@pytest.mark.parametrize("chance", [0.0, 0.25])
def test_difficulties_are_recovered_and_shrunk(chance):
    truth, scores = known_difficulty(chance)
    found = difficulties(scores, chance)
    assert np.corrcoef(found, truth)[0, 1] > 0.85 - 0.4 * chance
    assert found.std() < 1.1 * truth.std()
    assert found.mean() == pytest.approx(0, abs=1e-9)


def test_items_alike_come_out_alike():
    scores = (np.random.default_rng(0).random((100, 10)) < 0.5).astype(float)
    assert difficulties(scores, 0.0).std() < 0.3


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_items_all_solved_or_all_failed_have_no_difficulty(value):
    assert difficulties(np.full((20, 6), value), 0.0) == pytest.approx(np.zeros(20), abs=1e-6)


def test_an_unseen_answer_says_nothing():
    _, scores = known_difficulty(0.0)
    more = np.column_stack([scores, np.full(len(scores), np.nan)])
    assert difficulties(more, 0.0) == pytest.approx(difficulties(scores, 0.0), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(target=st.floats(0.01, 0.99), chance=st.sampled_from([0.0, 0.25]))
def test_abilities_hit_their_mean(target, chance):
    difficulty = np.linspace(-3, 3, 50)
    mean = max(target, chance + 0.01)
    ability = solve_ability(difficulty, chance, np.array([mean]))
    probability = chance + (1 - chance) / (1 + np.exp(difficulty - ability))
    assert probability.mean() == pytest.approx(mean, abs=1e-9)


def test_item_forecasts_beat_the_family_mean_and_agree_with_it():
    ours, constant = [], []
    for seed in range(8):
        rng = np.random.default_rng([seed, 3])
        x, items = answers(line(1.2, 9.5), rng, spread=1.5)
        known = x < x.max()
        found = fitted(x[known], items[:, known], seed=seed)
        family = float(found.used.predict(x.max())[0])
        difficulty = np.array(list(found.difficulty.values()))
        probability = forecast_items(difficulty, 0.0, found.used, x.max(), 1, rng)
        assert probability.mean() == pytest.approx(family, abs=0.006)
        seen = items[:, -1]
        ours.append(log_loss(probability, seen).mean())
        constant.append(log_loss(np.full(len(seen), family), seen).mean())
    assert np.mean(ours) < 0.95 * np.mean(constant)


KEYS = {"rung": "big", "family": "f", "elicitation": "direct"}


def tables():
    forecasts = pd.DataFrame([{**KEYS, "metric": "exact_match", "predicted": 0.5}])
    items = pd.DataFrame([{**KEYS, "item": name, "probability": p} for name, p in (("a", 0.9), ("b", 0.2), ("c", 0.6))])
    scores = pd.DataFrame(
        [{**KEYS, "item": name, "seed": 0, "exact_match": s} for name, s in zip("abc", (0, 1, 1), strict=True)]
    )
    return items, forecasts, scores


def test_surprises_rank_what_was_less_likely_than_not():
    judged = judge_items(*tables())
    found = surprises(judged, {("f", "a"): "carry borrow"})
    assert found["item"].tolist() == ["a", "b"]
    assert found["surprise"].tolist() == ["failed against expectation", "solved against expectation"]
    assert found["evidence_bits"].tolist() == pytest.approx([np.log2(10), np.log2(5)])
    assert found["skills"].tolist() == ["carry borrow", ""]


def test_item_summary_compares_with_the_family():
    found = item_summary(judge_items(*tables()))
    assert found["n"] == 3
    assert found["log_loss_family_mean"] == pytest.approx(1)
    assert found["brier_family_mean"] == pytest.approx(0.25)
    assert found["brier_forecast"] == pytest.approx((0.81 + 0.64 + 0.16) / 3, abs=1e-6)


def test_an_item_that_was_never_forecast_is_named():
    items, forecasts, scores = tables()
    with pytest.raises(
        TasklawsError, match="f direct c was scored at big but never forecast: run `dvc repro forecast`"
    ):
        judge_items(items[items["item"] != "c"], forecasts, scores)


def test_compare_averages_seeds_and_leaves_unknown_intervals_empty():
    baselines = {"repeat_last": 0.4, "chance": 0.25, "linear": 0.6}
    row = {"ladder": "l", **KEYS, "n_params": 1, "n_tokens": 1, "train_flops": 6, "law": "power", "predicted": 0.5}
    row |= {"fit_status": "converged", "verdict": "lawful", "evidence": "", **baselines}
    bounds = [{"metric": "exact_match", "lower": 0.3, "upper": 0.7}, {"metric": "partial_credit"}]
    seen = [{**KEYS, "metric": bound["metric"], "value": v} for bound in bounds for v in (0.7, 0.9)]
    found = compare(pd.DataFrame([{**row, **bound} for bound in bounds]), pd.DataFrame(seen))
    assert found["observed"].tolist() == pytest.approx([0.8, 0.8])
    assert found["n_seeds"].tolist() == [2, 2]
    assert found["inside"].tolist() == [False, None]
    assert found["abs_error"].tolist() == pytest.approx([0.3, 0.3])
    assert found["abs_error_linear"].tolist() == pytest.approx([0.2, 0.2])
