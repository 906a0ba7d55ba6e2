"""What a table does not say, or says twice: items, chance, direction, sizes. Ignorance is wide, never narrow."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import SIZES, draw, panel, rises, table
from scipy.special import expit

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.backtest import backtest, rolling_backtest, split_backtest
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.verdict import BACKWARD, BELOW_CHANCE, UNKNOWN_ITEMS, UNKNOWN_STDERR, Width, panel_verdicts
from tasklaws.report.shapes import rise_of

SURE = Width(half=0.01, sd=0.012, sampling=0.006, gap=1.1)  # a forecast that never stands in the way of `lawful`
TWO_TASKS = [[0.1, 0.2, 0.31, 0.4, 0.5, 0.6], [0.3, 0.35, 0.42, 0.48, 0.53, 0.61]]


def judge(values, **options):
    values = np.atleast_2d(np.asarray(values, dtype=float))
    return panel_verdicts(panel(values, losses=False, **options), [SURE] * len(values))


# Items


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 5))
def test_no_step_or_turn_is_called_of_unknown_items(values, decimals):
    found = judge(np.round(values, decimals), n_items=np.nan)[0]
    assert found.verdict not in ("discontinuous", "non-monotone")
    assert UNKNOWN_ITEMS in found.evidence


@pytest.mark.parametrize("n_items", [30, 300, 3000])
def test_steps_and_turns_drawn_of_unknown_items_are_never_called(n_items):
    step, turn = np.where(np.arange(10) < 5, 0.2, 0.7), 0.7 - 0.4 * np.abs(np.arange(10) - 4.5) / 4.5
    rng = np.random.default_rng(0)
    values = [draw(rng, share, n_items) for share in (step, turn) for _ in range(30)]
    known = [one.verdict for one in judge(values, n_items=n_items)]
    assert {"discontinuous", "non-monotone"} <= set(known)
    assert {one.verdict for one in judge(values, n_items=np.nan)} <= {"no signal", "not enough rungs", "too few items"}


def test_the_evidence_names_what_it_would_be_called():
    found = judge([0.1, 0.1, 0.11, 0.1, 0.7, 0.71, 0.7, 0.7], n_items=np.nan)[0]
    assert found.verdict == "too few items"
    assert found.evidence.startswith("discontinuous, unless it is noise: one step between sizes")
    assert judge([0.1, 0.1, 0.11, 0.1, 0.7, 0.71, 0.7, 0.7])[0].verdict == "discontinuous"


def test_a_smooth_rise_of_unknown_items_may_be_lawful():
    assert judge(expit(0.4 * np.arange(10) - 2), n_items=np.nan)[0].verdict == "lawful"


def test_the_bound_rests_on_known_models_alone():
    """A model that is wanted has no part in how many items the known ones are taken to have."""
    whole = panel([[0.1, 0.2, 0.3, 0.4, 0.5, 0.1]], n_items=np.nan)
    other = replace(whole, value=np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]))
    five = np.arange(5)
    assert (whole.select(five).items == other.select(five).items).all()
    assert whole.items[0, 0] < other.items[0, 0]


def test_rows_that_say_how_many_items_there_are_speak_for_the_task():
    points = table(TWO_TASKS, SIZES, n_items=250)
    points.loc[(points["model"] > "m02") & (points["task"] == "t00"), "n_items"] = np.nan
    first, second = build_panels(points, ["acc"])[0].items
    assert (first == 250).all()
    assert (second == 250).all()


def test_intervals_are_no_narrower_than_those_of_the_known_number():
    half = {}
    for stated in (60.0, np.nan):
        widths = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            points = table(draw(rng, rises(rng, 2, SIZES), 60), SIZES, n_items=stated, losses=False)
            found, _ = rolling_backtest(points, ["acc"], 1, 5)
            widths.append((found["upper"] - found["lower"]).mean())
        half[stated == stated] = np.mean(widths)
    assert half[False] > 0.9 * half[True]


@pytest.mark.heavy
@pytest.mark.parametrize("n_items", [50, 500])
def test_intervals_cover_what_they_say_though_items_are_unknown(n_items):
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        points = table(draw(rng, rises(rng, 2, SIZES), n_items), SIZES, n_items=np.nan, losses=False)
        found, _ = rolling_backtest(points, ["acc"], 1, 5)
        inside += found["observed"].between(found["lower"], found["upper"]).tolist()
    assert np.mean(inside) >= 0.87


def test_a_backtest_says_of_which_tasks_items_are_unknown():
    points = table(TWO_TASKS, SIZES, losses=False)
    points.loc[points["task"] == "t01", "n_items"] = np.nan
    found = backtest(points, rolling=1)
    told = found.forecasts.groupby("task")["evidence"].agg(lambda rows: rows.str.contains(UNKNOWN_ITEMS).all())
    assert told.to_dict() == {"t00": False, "t01": True}
    assert "n_items is unknown, so intervals are wider and no step or turn is called (1 task: t01)" in found.summary()


def test_a_loss_without_a_standard_error_makes_no_step():
    points = table([[4.0, 4.01, 3.99, 1.0, 1.01, 1.0]], SIZES, metric="bpb", losses=False)
    for stderr, verdict in ((0.02, "discontinuous"), (np.nan, "too few items")):
        known = build_panels(points.assign(stderr=stderr), ["bpb"])[0]
        found = panel_verdicts(known, [SURE])[0]
        assert found.verdict == verdict
        assert (UNKNOWN_STDERR in found.evidence) == np.isnan(stderr)


# Chance

TEN_CHOICES = [0.105, 0.12, 0.138, 0.16, 0.19, 0.23]


@pytest.mark.parametrize("chance", [0.1, np.nan])
def test_a_rise_from_a_chance_that_is_right_or_unknown_is_lawful(chance):
    points = table([TEN_CHOICES], SIZES, n_items=12032, chance=chance, losses=False)
    assert rolling_backtest(points, ["acc"], 1, 5)[0]["verdict"].tolist() == ["lawful"]


@given(st.floats(0.3, 0.9), st.lists(st.floats(0, 0.2), min_size=4, max_size=9, unique=True))
def test_a_curve_far_below_its_stated_chance_is_told(chance, values):
    for found in judge(np.sort(values), chance=chance, n_items=5000):
        assert BELOW_CHANCE in found.evidence or "every rung" in found.evidence or "sampling" in found.evidence
        assert "above" not in found.evidence


def test_a_backtest_asks_whether_a_chance_is_right():
    found = backtest(table([TEN_CHOICES], SIZES, n_items=12032, chance=0.25, losses=False), rolling=1, min_rungs=5)
    evidence = found.forecasts["evidence"][0]
    assert (
        evidence == "far below its stated chance 0.25: the best rung has 0.19, 15.2 sigma below: is the chance right?"
    )
    assert "scores are far below the chance stated for them: is it right? (1 task: t00)" in found.summary()


def test_a_report_measures_a_rise_of_unknown_chance_from_its_smallest_rung():
    rows = {"rung": list("abcd"), "role": "fit", "n_params": SIZES[:4], "train_flops": SIZES[:4] ** 2}
    seen = pd.DataFrame({**rows, "value": [0.3, 0.4, 0.5, 0.6], "stderr": 0.01, "n_items": 500.0})
    gains = {chance: rise_of(seen.assign(chance=chance), "exact_match").gain for chance in (0.25, 0.0)}
    assert gains == pytest.approx({0.25: 0.35, 0.0: 0.6})
    assert rise_of(seen.assign(chance=np.nan), "exact_match").gain == pytest.approx(0.3)


# Direction


def test_the_column_higher_is_better_outweighs_a_metric_s_name():
    falling = table(3 - np.array(TWO_TASKS), SIZES, metric="bpb", losses=False)
    named = rolling_backtest(falling, ["bpb"], 1, 4)
    stated = rolling_backtest(falling.assign(metric="acc", higher_is_better=False), ["acc"], 1, 4)
    for one, other in zip(named, stated, strict=True):
        pd.testing.assert_frame_equal(one, other.assign(metric="bpb"))
    rising = table(TWO_TASKS, SIZES, metric="loss", losses=False)
    kinds = [one.loss for one in build_panels(rising.assign(higher_is_better=True), ["loss"])]
    assert kinds == [False]


def test_scores_are_chosen_by_the_stated_direction():
    points = table(TWO_TASKS, SIZES, losses=False)
    surprise = table(3 - np.array(TWO_TASKS), SIZES, metric="surprise", losses=False)
    both = pd.concat([points.assign(higher_is_better=True), surprise.assign(higher_is_better=False)])
    assert set(backtest(both, rolling=1, min_rungs=5).forecasts["metric"]) == {"acc"}


def test_two_directions_of_one_task_are_refused():
    points = table(TWO_TASKS, SIZES, losses=False)
    with pytest.raises(TasklawsError, match="higher_is_better of t00 acc is true in some rows of ladder made_up"):
        backtest(points.assign(higher_is_better=points["model"] > "m02"), rolling=1)


# Sizes and dates


@pytest.mark.parametrize("size", ["n_params", "n_tokens", "train_flops"])
def test_a_model_of_two_sizes_is_refused(size):
    points = table(TWO_TASKS, SIZES)
    points.loc[(points["model"] == "m03") & (points["task"] == "t01"), size] *= 1.2
    with pytest.raises(TasklawsError, match=f"model m03 has {size} .* in some rows and .* in others"):
        backtest(points, rolling=1)


def dated(days, values=TWO_TASKS):
    """Models known by their dates alone."""
    points = table(values, SIZES, losses=False)
    dates = np.datetime64("2020-01-01") + np.array(days)
    number = points["model"].str[1:].astype(int)
    sizes = dict.fromkeys(["n_params", "n_tokens", "train_flops"], np.nan)
    return points.assign(date=dates.astype(str)[number], **sizes)


def test_dates_order_models_of_unknown_size_as_compute_that_grows_with_them():
    days = np.array([0, 200, 500, 700, 1100, 1500])
    by_date = rolling_backtest(dated(days), ["acc"], 1, 4)
    grown = dated(days).assign(train_flops=1e20 * 4.4816890703 ** (np.repeat(days, 2) / 365.25))  # exp(1.5)
    by_compute = rolling_backtest(grown, ["acc"], 1, 4)
    for one, other in zip(by_date, by_compute, strict=True):
        numbers = [name for name in one.select_dtypes("number") if name != "train_flops"]
        assert one[["model", *numbers]].equals(one[["model", *numbers]])
        pd.testing.assert_frame_equal(one[numbers], other[numbers], rtol=1e-4)
    assert by_date[0]["train_flops"].isna().all()
    assert by_date[0]["evidence"].str.contains("tau with date").all()
    assert {"repeat_last", "logistic", "compute_logit"} <= set(by_date[1]["method"])


def test_a_size_outweighs_a_date():
    points = table(TWO_TASKS, SIZES, losses=False)
    with_dates = points.assign(date="2024-05-01")
    for one, other in zip(*(rolling_backtest(each, ["acc"], 1, 4) for each in (points, with_dates)), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_no_model_of_the_same_day_counts_as_earlier():
    found, _ = rolling_backtest(dated([0, 100, 200, 300, 300, 300]), ["acc"], 1, 3)
    assert found.groupby("model")["n_fit"].unique().map(list).to_dict() == {"m03": [3], "m04": [3], "m05": [3]}
    changed = dated([0, 100, 200, 300, 300, 300])
    changed.loc[changed["model"] == "m03", "value"] = 0.9
    other, _ = rolling_backtest(changed, ["acc"], 1, 3)
    later = found["model"] > "m03"
    pd.testing.assert_frame_equal(other[later], found[later])


def test_a_held_out_model_of_a_known_day_is_flagged():
    points = dated([0, 100, 200, 300, 400, 400])
    found, _ = split_backtest(points, ["acc"], "model < 'm05'", "model == 'm05'")
    assert found["evidence"].str.endswith(f"no later than the latest known model: {BACKWARD}").all()


def test_a_step_between_dates_is_named_by_them():
    values = [[0.1, 0.1, 0.1, 0.1, 0.7, 0.7]]
    known = build_panels(dated([0, 31, 60, 91, 121, 152], values), ["acc"])[0]
    found = panel_verdicts(known, [SURE])[0]
    assert found.verdict == "discontinuous"
    assert "between dates 2020-04-01 and 2020-05-01" in found.evidence


REFUSED = {
    "neither": (lambda points: points.assign(date=None), "has neither size nor date"),
    "one without": (lambda points: points.assign(date=points["date"].where(points["model"] != "m02")), "model m02 has"),
    "a size of some": (
        lambda points: points.assign(n_params=np.where(points["model"] == "m02", 1e8, np.nan)),
        "has no size, others have one",
    ),
    "no date": (lambda points: points.assign(date="soon"), "date 'soon': give YYYY-MM-DD"),
    "one day": (lambda points: points.assign(date="2024"), "nothing to forecast"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_models_that_nothing_orders_are_refused(case):
    change, reason = REFUSED[case]
    with pytest.raises(TasklawsError, match=reason):
        backtest(change(dated([0, 100, 200, 300, 400, 500])), rolling=1)
