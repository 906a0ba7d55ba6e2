"""Rates, scores, medians, groups and reweighting against what is known of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Target
from tasklaws.humans.estimates import group_table, item_table, median_seconds, refuse_unknown
from tasklaws.stats.proportions import Mean, pooled_rates, shared_error
from tasklaws.tables import ATTEMPTS

scores = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def of(values):
    values = np.asarray(values, dtype=float)
    return Mean.of(len(values), values.sum(), (values**2).sum())


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.floats(0.5, 0.99))
def test_the_interval_of_counts_is_jeffreys(counts, level):
    n, k = counts
    low, high = Mean.of(n, k, k).interval(level)
    tail = (1 - level) / 2
    assert low == pytest.approx(beta.ppf(tail, k + 0.5, n - k + 0.5) if k else 0, abs=1e-9)
    assert high == pytest.approx(beta.isf(tail, k + 0.5, n - k + 0.5) if k < n else 1, abs=1e-9)


@given(scores)
def test_a_mean_score_lies_in_its_interval_and_the_interval_in_0_to_1(values):
    mean = of(values)
    low, high = mean.interval(0.9)
    assert 0 <= low <= mean.estimate <= high <= 1


@given(scores)
def test_partial_scores_are_never_less_certain_than_a_coin_of_the_same_mean(values):
    mean = of(values)
    coin = Mean.of(len(values), sum(values), sum(values))
    assert mean.centre == pytest.approx(coin.centre)
    assert mean.variance <= coin.variance + 1e-12


def test_a_score_of_17_hundredths_counts_as_17_hundredths_of_a_success():
    mean = of([0.17] * 50 + [1.0] * 25 + [0.0] * 25)
    assert mean.estimate == pytest.approx(0.335)
    low, high = mean.interval(0.9)
    # By hand: the deviation of the scores is .3948, so that of their mean .0395, and 1.645 of them .0649.
    assert high - low == pytest.approx(2 * 0.0649, rel=0.03)


def attempts(rows):
    table = pd.DataFrame(rows, columns=["seconds", "timeout", "solved"])
    return table.assign(score=table["solved"] * 1.0)


def test_without_censoring_the_median_is_the_samples():
    times = np.arange(1.0, 102.0)
    found = median_seconds(attempts([(time, 500, 1) for time in times]), 0.9)
    assert found.seconds == 51
    # Order statistics of a sample of 101 give 43 and 59 for at least 90%.
    assert found.low == pytest.approx(43, abs=1.5)
    assert found.high == pytest.approx(59, abs=1.5)


def test_kaplan_meier_of_a_worked_example():
    """Timeouts of 6 and 10 s by hand: S(2) = 5/6, S(4) = 4/6, S(7) = 4/6 (1 - 1/3) = 4/9, below one half at 7 s."""
    rows = [(2, 10, 1), (4, 6, 1), (6, 6, 0), (7, 10, 1), (9, 10, 1), (10, 10, 0)]
    assert median_seconds(attempts(rows), 0.9).seconds == 7


def test_who_gives_up_is_not_taken_for_one_who_would_go_on_like_the_others():
    rows = [(10.0 + k, 100, 1) for k in range(40)] + [(5.0, 100, 0)] * 60
    found = median_seconds(attempts(rows), 0.9)
    assert found.seconds is None, "fewer than half ever solve it; censored at 5 s, the median would be 29.5"
    assert found.low == 100 or found.low is None
    assert found.high is None


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(0, 1)), min_size=1, max_size=30))
def test_no_limit_of_time_is_a_limit_that_nobody_reached(times):
    """The curve is the same; the lower limit reaches only as far as people were in fact watched."""
    without = median_seconds(attempts([(seconds, np.inf, solved) for seconds, solved in times]), 0.9)
    far = median_seconds(attempts([(seconds, 1e9, solved) for seconds, solved in times]), 0.9)
    assert (without.seconds, without.high) == (far.seconds, far.high)
    assert (without.low is None) == (far.low is None)
    assert without.low is None or without.low <= far.low


@pytest.mark.parametrize("n", [1, 4])
def test_a_handful_of_people_bound_no_median_from_below(n):
    assert median_seconds(attempts([(10.0, 60, 1)] * n), 0.9).low is None
    assert median_seconds(attempts([(60.0, 60, 0)] * n), 0.9).low is None
    assert median_seconds(attempts([(60.0, 60, 0)] * 5), 0.9).low == 60


def test_one_long_timeout_does_not_bound_the_median_of_people_who_had_a_short_one():
    few_long = [(60.0, 60, 0)] * 20 + [(600.0, 600, 0)] * 4
    assert median_seconds(attempts(few_long), 0.9).low == 60
    assert median_seconds(attempts([*few_long, (600.0, 600, 0)]), 0.9).low == 600
    assert median_seconds(attempts([*few_long, (30.0, 60, 1)]), 0.9).low == 60
    assert median_seconds(attempts([*few_long, (90.0, 600, 1)]), 0.9).low == 90


def test_pooling_moves_few_successes_towards_the_other_items():
    """0 and 1 of 1,000 beside 98 items of about 3 of 1,000 lie nearer to 3 of 1,000 than alone, in their order."""
    k = np.array([0, 1] + [3] * 90 + [2, 4] * 4, dtype=float)
    centre, low, high = pooled_rates(k, np.full(len(k), 1000.0), 0.9)
    assert 0.0015 < centre[0] < centre[1] < centre[2] < 0.0035
    assert (high[0] - low[0]) < 0.0039 - 0.0002


def test_pooling_leaves_many_people_alone_and_does_not_mind_the_order():
    rng = np.random.default_rng(0)
    n = rng.integers(500, 2000, 40).astype(float)
    k = np.round(n * rng.uniform(0.05, 0.95, 40))
    centre, low, high = pooled_rates(k, n, 0.9)
    assert np.allclose(centre, k / n, atol=0.01)
    assert np.all((low < centre) & (centre < high))
    back = pooled_rates(k[::-1], n[::-1], 0.9)
    assert all(np.allclose(one, other[::-1], rtol=1e-12) for one, other in zip((centre, low, high), back, strict=True))


def test_pooled_rates_of_items_that_are_all_alike_are_their_common_rate():
    k = np.random.default_rng(0).binomial(300, 0.4936, 100).astype(float)
    centre, _, _ = pooled_rates(k, np.full(100, 300.0), 0.9)
    assert centre.mean() == pytest.approx(k.mean() / 300, abs=0.0003)
    assert centre.std() < 0.5 * (k / 300).std()


def test_the_error_of_two_items_is_shared_as_far_as_the_same_people_solve_both():
    rng = np.random.default_rng(0)
    people = np.arange(400)
    one = rng.random(400) < 0.5
    rows = [pd.DataFrame({"person": people, "item": item, "in_time": one}) for item in "abc"]
    assert shared_error(pd.concat(rows)) == pytest.approx(0.99)
    rows = [pd.DataFrame({"person": people, "item": item, "in_time": rng.random(400) < 0.5}) for item in "abc"]
    assert shared_error(pd.concat(rows)) < 0.06
    rows = [pd.DataFrame({"person": people + 400 * k, "item": k, "in_time": one}) for k in range(3)]
    assert shared_error(pd.concat(rows)) == 0, "other people at each item"
    assert shared_error(rows[0]) == 0
    assert shared_error(pd.concat(rows).assign(in_time=True)) == 0


def table(rows):
    columns = ["person", "item", "seconds", "timeout", "solved", "score", "group_python"]
    return pd.DataFrame(rows, columns=columns)


def test_each_item_gets_its_row():
    rows = [(f"p{k}", "x", 20.0 + k, 60.0, 1, 1.0, "yes") for k in range(6)]
    rows += [("q1", "x", 60.0, 60.0, 0, 0.5, "no"), ("q2", "x", 30.0, 60.0, 0, 0.0, "no")]
    rows += [("p1", "y", 50.0, 90.0, 1, 1.0, "yes"), ("q1", "y", 45.0, 45.0, 0, 0.17, "no")]
    found = item_table(table(rows), {"x": "one", "y": "two"}, 0.9, Target("python", {"yes": 0.25, "no": 0.75}))
    found = found.set_index("item")
    x, y = found.loc["x"], found.loc["y"]
    assert x[["family", "n_people", "n_solved", "n_stopped", "n_timed_out"]].tolist() == ["one", 8, 6, 1, 1]
    assert x["solve_rate"] == 0.75
    assert x["mean_score"] == pytest.approx(6.5 / 8)
    assert x["median_seconds"] == 23
    assert x["solver_seconds"] == pytest.approx(np.exp(np.mean(np.log(np.arange(20, 26)))))
    assert x["target_rate"] == pytest.approx(0.25)
    assert x["target_score"] == pytest.approx(0.25 + 0.75 * 0.25)
    assert y["timeout"] == 45, "the shortest timeout"
    assert y["n_solved"] == 0, "solved only after it"
    groups = group_table(table(rows), 0.9).set_index(["item", "group", "value"])
    assert groups.loc[("x", "python", "no"), "mean_score"] == 0.25
    assert groups["n_people"].sum() == len(rows)


def test_one_stratum_of_all_people_changes_nothing():
    rows = [(f"p{k}", "x", 20.0, 60.0, int(k < 13), float(k < 13), "yes") for k in range(30)]
    found = item_table(table(rows), {"x": "one"}, 0.9, Target("python", {"yes": 1.0}))
    for end in ("", "_low", "_high"):
        assert found[f"target_rate{end}"][0] == pytest.approx(found[f"solve_rate{end}"][0])


def test_a_stratum_without_attempts_at_an_item_leaves_its_estimate_empty():
    rows = [("p1", "x", 20.0, 60.0, 1, 1.0, "yes"), ("p1", "y", 20.0, 60.0, 1, 1.0, "yes")]
    rows += [("q1", "x", 20.0, 60.0, 1, 1.0, "no")]
    target = Target("python", {"yes": 0.5, "no": 0.5})
    found = item_table(table(rows), {"x": "one", "y": "one"}, 0.9, target).set_index("item")
    assert found["target_rate"].notna().tolist() == [True, False]
    assert found["target_rate_low"].notna().tolist() == [True, False]


@pytest.mark.parametrize("shares", [{}, {"yes": 0.5}, {"yes": 1.5, "no": -0.5}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(
        TasklawsError, match=r"shares of python are .*, which do not sum to 1|shares.no is -0.5, not 0 or more"
    ):
        read(Target, {"group": "python", "shares": shares}, "target", "correct it")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("french", {"yes": 1.0}), "no column group_french"),
        (Target("python", {"yes": 1.0}), "no share of python 'no'"),
        (Target("python", {"yes": 0.5, "no": 0.25, "some": 0.25}), "no attempt by anyone of python 'some'"),
    ],
)
def test_a_target_that_does_not_fit_the_people_is_refused(target, message):
    rows = [("p1", "x", 20.0, 60.0, 1, 1.0, "yes"), ("q1", "x", 20.0, 60.0, 1, 1.0, "no")]
    with pytest.raises(TasklawsError, match=message):
        refuse_unknown(target, table(rows))


def test_one_attempt_has_an_interval_like_any():
    attempts = pd.DataFrame([("ann", "x", 30.0, 60.0, 1, 1.0)], columns=ATTEMPTS.columns)
    row = item_table(attempts, {"x": "f"}, 0.9).iloc[0]
    assert (row["n_people"], row["n_solved"], row["median_seconds"]) == (1, 1, 30)
    assert 0 < row["solve_rate_low"] < row["solve_rate_high"] == 1
