"""The mirage check on responses simulated from a probability per token whose rise is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.mirage import independent_trials, mirage_table
from tasklaws.stats.jumps import excess_share, sharpest_jump, smooth_rise
from tasklaws.tables import MIRAGE, SCORES

SEED_SD = 0.15  # logits by which seeds differ
ITEM_SD = 0.5


def simulate(p, length, rng, items=100, seeds=2):
    """Share of tokens right, and the probability of a token: (rungs, seeds, items)."""
    ability = np.log(p / (1 - p))[:, None] + SEED_SD * rng.standard_normal((len(p), seeds))
    token = 1 / (1 + np.exp(-ability[:, :, None] + ITEM_SD * rng.standard_normal(items)))
    return rng.binomial(length, token) / length, token


def scores_of(p, length, rng, family="f", **shape):
    share, token = simulate(p, length, rng, **shape)
    rung, seed, item = np.indices(share.shape).reshape(3, -1)
    columns = {
        "rung": np.char.mod("r%02d", rung),
        "seed": seed,
        "step": 1000,
        "family": family,
        "elicitation": "direct",
        "item": np.char.mod("i%03d", item),
        "chance": 0.0,
        "exact_match": (share == 1).ravel().astype(float),
        "partial_credit": share.ravel(),
        "target_bits_per_byte": -np.log2(token).ravel(),
    }
    return pd.DataFrame(columns).reindex(columns=SCORES.columns)


def sizes(count):
    return pd.DataFrame({"rung": [f"r{i:02}" for i in range(count)], "n_params": 1000 * 2.0 ** np.arange(count)})


def smooth(count):
    return np.linspace(0.4, 0.98, count)


def stepped(count):
    return np.where(np.arange(count) < count // 2, np.linspace(0.3, 0.36, count), np.linspace(0.93, 0.97, count))


@given(
    arrays(float, 6, elements=st.floats(0, 1, width=32)),
    st.floats(0.1, 10),
    st.floats(-5, 5),
)
def test_the_excess_share_has_no_units(y, scale, shift):
    x = np.array([0.0, 0.7, 1.9, 2.5, 4.0, 4.6])
    y = np.round(y, 3)
    np.testing.assert_allclose(excess_share(3 * x + 1, scale * y + shift), excess_share(x, y), atol=1e-9)


def test_a_straight_rise_has_no_excess_and_a_step_all():
    x = np.array([0.0, 0.7, 1.9, 2.5, 4.0])
    np.testing.assert_allclose(excess_share(x, 0.1 + 0.2 * x), 0, atol=1e-12)
    assert excess_share(x, np.array([0.1, 0.1, 0.8, 0.8, 0.8]))[1] == pytest.approx(1)


def test_the_smooth_rise_is_steepest_in_its_gap():
    x = np.arange(7.0)
    for place in range(6):
        y = smooth_rise(x, np.linspace(0.1, 0.9, 7), place)
        assert int(np.argmax(np.diff(y))) == place


def test_smooth_progress_and_a_long_answer_make_a_mirage():
    table = mirage_table(scores_of(smooth(7), 20, np.random.default_rng(1)), sizes(7), 0)
    assert list(table.columns) == MIRAGE.columns
    assert list(table["metric"]) == ["partial_credit", "target_bits_per_byte"]
    assert list(table["survives"]) == [False, False]
    assert (table["jump_exact"] > 0.6).all()
    assert (table["jump_continuous"].abs() < 0.2).all()
    assert "a mirage: exact_match makes" in table["evidence"].iloc[0]


def test_a_true_step_survives():
    table = mirage_table(scores_of(stepped(7), 8, np.random.default_rng(1)), sizes(7), 0)
    assert list(table["survives"]) == [True, True]
    assert (table["statistic"] > 0.8).all()


@pytest.mark.parametrize("p", [np.full(7, 0.25), np.linspace(0.1, 0.9, 7)], ids=["flat", "straight"])
def test_without_a_jump_nothing_is_decided(p):
    table = mirage_table(scores_of(p, 1, np.random.default_rng(2)), sizes(7), 0)
    assert table[["survives", "statistic", "p_value"]].isna().all(axis=None)
    assert table["evidence"].str.startswith("no jump").all()


def test_a_task_that_no_rung_solves_has_no_jump():
    scores = scores_of(smooth(5), 3, np.random.default_rng(0)).assign(exact_match=0.0)
    assert mirage_table(scores, sizes(5), 0)["survives"].isna().all()


def test_three_rungs_are_too_few():
    table = mirage_table(scores_of(smooth(3), 20, np.random.default_rng(1)), sizes(3), 0)
    assert table["survives"].isna().all()
    assert "3 rungs of different size, 4 are needed" in table["evidence"].iloc[0]


def test_the_order_of_rows_does_not_matter():
    scores = pd.concat([scores_of(smooth(4), 20, np.random.default_rng(1), family=family) for family in ("f", "g")])
    table = mirage_table(scores, sizes(4), 3)
    pd.testing.assert_frame_equal(table, mirage_table(scores.sample(frac=1, random_state=0), sizes(4)[::-1], 3))
    assert len(table) == 4


def test_one_seed_is_enough():
    table = mirage_table(scores_of(smooth(5), 20, np.random.default_rng(1), seeds=1), sizes(5), 0)
    assert list(table["survives"]) == [False, False]


def test_a_rung_without_a_size_is_named():
    with pytest.raises(TasklawsError, match="rung r03 has no n_params: give"):
        mirage_table(scores_of(smooth(4), 20, np.random.default_rng(1)), sizes(3), 0)


def test_rungs_without_common_items_are_refused():
    scores = scores_of(smooth(4), 20, np.random.default_rng(1))
    scores.loc[scores["rung"] == "r00", "item"] += "x"
    with pytest.raises(TasklawsError, match="f direct has 0 items that every rung answered"):
        mirage_table(scores, sizes(4), 0)


REPEATS = 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "n_ladders"), [(7, 15), *(pytest.param(count, 40, marks=pytest.mark.heavy) for count in (4, 7))]
)
def test_mirages_and_steps_are_found_at_the_stated_rates(count, n_ladders):
    mirages = [
        mirage_table(scores_of(smooth(count), 20, np.random.default_rng(i)), sizes(count), i) for i in range(n_ladders)
    ]
    assert (pd.concat(mirages)["survives"] == False).mean() >= 0.9  # noqa: E712
    steps = [
        mirage_table(scores_of(stepped(count), 8, np.random.default_rng(i)), sizes(count), i) for i in range(n_ladders)
    ]
    found = pd.concat(steps)["survives"]
    assert not (found == False).any()  # noqa: E712
    assert (found == True).mean() >= (0.9 if count == 7 else 0.1)  # noqa: E712


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 7, 12])
@pytest.mark.parametrize("curve", ["flat", "logistic", "weak"])
def test_smooth_rises_are_seldom_called_jumps(count, curve):
    x = np.arange(float(count))
    p = {
        "flat": np.full(count, 0.25),
        "logistic": 1 / (1 + np.exp(-np.linspace(-3.9, 3.9, count))),
        "weak": np.linspace(0.2, 0.3, count),
    }[curve]
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(REPEATS):
        right = simulate(p, 1, rng)[0]  # (rungs, seeds, items)
        jump = sharpest_jump(x, right.mean(axis=(1, 2)), independent_trials(list(right[:, None])), rng)
        false += jump.p_value <= 0.05
    assert false <= 0.05 * REPEATS + 2 * np.sqrt(0.05 * 0.95 * REPEATS)
