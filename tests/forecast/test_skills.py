"""Many families of models: made-up ones with known skills, what names say, and when a table is a crowd."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up import panel
from scipy.special import expit

from tasklaws.forecast.backtest import rolling_backtest, split_backtest
from tasklaws.forecast.combine import History, combined_forecast, histories
from tasklaws.forecast.crowd import is_crowd
from tasklaws.forecast.methods import predictions
from tasklaws.forecast.naive import BestSoFar, MedianOfLastFive
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.skills import Skills, makers, named_size, words

MAKERS = ("ape", "bee", "cat", "dog", "eel", "fox")


def family_table(seed, n_tasks=6, missing=0.2, dated=False, one_ladder=True):
    """Six families of five models: skill 0.5 for an e-fold of parameters, and the family's own, behind all tasks."""
    rng = np.random.default_rng(seed)
    slope, level = rng.uniform(0.6, 1.4, n_tasks), rng.normal(-1, 1, n_tasks)
    rows = []
    for maker, own in zip(MAKERS, rng.normal(0, 1, len(MAKERS)), strict=True):
        for size in range(5):
            params = 1e8 * 3.0 ** (size + rng.uniform(0, 0.5))
            skill = own + 0.5 * np.log(params / 1e9) + 0.15 * rng.standard_normal()
            share = expit(level + slope * skill + 0.1 * rng.standard_normal(n_tasks))
            sizes = {"n_params": params, "n_tokens": 2e11, "train_flops": 1.2e12 * params}
            name = f"{maker}-{size}"
            for task in np.flatnonzero(rng.random(n_tasks) > missing):
                rows.append(
                    {"model": name, "task": f"t{task:02}", "value": rng.binomial(400, share[task]) / 400, **sizes}
                )
                rows[-1] |= {
                    "ladder": "all" if one_ladder else maker,
                    "date": f"20{20 + size}-0{1 + MAKERS.index(maker)}-15",
                }
    table = pd.DataFrame(rows).assign(
        metric="acc", step=np.nan, is_final=True, stderr=np.nan, n_items=400.0, chance=np.nan
    )
    return table.assign(n_params=np.nan, n_tokens=np.nan, train_flops=np.nan) if dated else table


def errors(forecaster, table, known=20):
    (one,) = build_panels(table, ["acc"])
    models = np.arange(len(one.models))
    later = one.select(models[known:])
    found = predictions([forecaster], one.select(models[:known]), later.without_results())[forecaster.name]
    off = one.link.of(later.value, np.inf) - found.mean
    there = np.isfinite(off)
    return np.abs(off[there]), (np.abs(off) / found.sd)[there]


def test_skills_of_known_families_are_recovered():
    off = [errors(Skills(), family_table(seed)) for seed in range(2)]
    rival = [errors(BestSoFar(), family_table(seed))[0].mean() for seed in range(2)]
    assert np.mean([own.mean() for own, _ in off]) < 0.6 * np.mean(rival)
    assert np.mean(np.concatenate([size for _, size in off]) < 1.645) > 0.8


def test_dates_order_models_without_a_size():
    off, _ = errors(Skills(), family_table(0, dated=True))
    assert off.mean() < errors(MedianOfLastFive(), family_table(0, dated=True))[0].mean()


def test_a_lone_model_of_a_family_is_forecast_in_company():
    table = family_table(0, one_ladder=False, n_tasks=6)
    table["held"] = (table["ladder"] == "cat") & (table["model"] > "cat-0")
    forecasts, methods = split_backtest(table, ["acc"], "held == False", "held == True")
    assert set(forecasts["method"]) == {"combination"}
    assert set(forecasts["n_fit"]) == {1}
    told = methods.merge(forecasts[["task", "model", "observed"]])
    error = (told["predicted"] - told["observed"]).abs().groupby(told["method"]).mean()
    assert error["skills"] < 0.7 * error["repeat_last"]


def test_losses_have_skills_too():
    table = family_table(2).assign(metric="loss")
    table["value"] = -np.log(np.clip(table["value"], 0.01, 0.99))
    (one,) = build_panels(table, ["loss"])
    found = Skills()(one.select(np.arange(20)), one.select(np.arange(20, 30)).without_results())
    assert np.isfinite(found.mean).all()
    assert (found.sd > 0).all()


@pytest.mark.parametrize(("name", "size"), [("qwen2-72b", 72e9), ("Mixtral-8x7B-v0.1", 56e9), ("m-1.5B-it", 1.5e9)])
def test_a_name_says_a_size(name, size):
    assert named_size(name) == pytest.approx(size)


@pytest.mark.parametrize("name", ["gpt-4", "claude-2.0b1", "bert", "v3beta"])
def test_a_name_says_no_size(name):
    assert np.isnan(named_size(name))


def test_words_and_makers_of_names():
    assert words("Qwen2-72B-Instruct") == {"qwen", "qwen2", "instruct"}
    one = replace(panel(np.full((1, 3), 0.5)), models=("gpt-4", "open_llama_7b", "72b"))
    assert makers(one) == ["gpt", "open", ""]
    assert makers(replace(one, makers=("x", "", "y"))) == ["x", "open", "y"]


def test_what_is_a_crowd():
    (one,) = build_panels(family_table(0), ["acc"])
    assert is_crowd(one)
    assert not is_crowd(one.select(np.arange(6)))
    size = np.arange(24)
    smooth = panel(expit(0.2 * (size - np.array([[6.0], [10.0], [14.0]]))))
    assert not is_crowd(smooth)
    shuffled = smooth.value[:, np.random.default_rng(0).permutation(24)]
    assert is_crowd(replace(smooth, value=shuffled))


def test_ladders_of_many_sizes_or_without_common_tasks_stay_alone():
    table = family_table(0, one_ladder=False)
    apart = table.assign(task=table["ladder"] + table["task"])
    for given, company in ((table, True), (apart, False)):
        panels = [(one, 4) for one in build_panels(given, ["acc"])]
        assert all((one.panel.company is not None) == company for one in histories(panels))
    long = [(panel(np.full((2, 9), 0.5)), 9), (replace(panel(np.full((2, 3), 0.5)), ladder="short"), 2)]
    assert [one.panel.company is not None for one in histories(long)] == [False, True]


def test_a_maker_column_is_read():
    table = family_table(0).assign(maker=lambda rows: rows["model"].str[:2])
    (one,) = build_panels(table, ["acc"])
    assert one.makers == tuple(name[:2] for name in one.models)
    assert one.select(np.array([3, 1])).makers == (one.makers[3], one.makers[1])


@pytest.mark.parametrize("dated", [False, True])
def test_nothing_later_changes_a_byte(dated):
    table = family_table(3, dated=dated)
    (one,) = build_panels(table, ["acc"])
    held = table["model"].isin(one.models[26:])
    other = table.assign(value=table["value"].where(~held, 1 - table["value"]))
    wanted = one.models[26]
    real, changed = (rolling_backtest(given, ["acc"], 1, 26)[0] for given in (table, other))
    real, changed = (
        part[part["model"] == wanted].drop(columns=["observed", "log_score", "crps"]) for part in (real, changed)
    )
    assert len(real)
    assert real.to_csv() == changed.to_csv()


def test_by_date_the_best_and_the_last_five():
    value = np.array([[0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, np.nan]])
    one = panel(value, n_items=10**9)
    known, later = one.select(np.arange(7)), one.select(np.arange(7, 8))
    for forecaster, expected in ((BestSoFar(), 0.9), (MedianOfLastFive(), 0.4)):
        found = forecaster(known, later)
        assert one.link.inverse(found.mean)[0, 0] == pytest.approx(expected, abs=1e-6)
        assert found.sd[0, 0] > 0


def test_intervals_rest_on_earlier_tests():
    (one,) = build_panels(family_table(0), ["acc"])
    found = combined_forecast(History(one), 25, 27)
    assert set(found.methods) == {"skills", "best_so_far"}
    assert found.weights.sum(axis=0) == pytest.approx(np.ones(len(one.tasks)))
    assert np.isfinite(found.width).all()


@pytest.mark.parametrize("dated", [False, True])
def test_the_spread_of_families_is_no_turn(dated):
    forecasts, _ = rolling_backtest(family_table(3, dated=dated), ["acc"], 1, 24)
    assert "non-monotone" not in set(forecasts["verdict"])
