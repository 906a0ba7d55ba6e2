"""Verdicts, intervals and baselines on curves whose truth is known."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.errors import TasklawsError
from tasklaws.forecast.backtest import backtest, weigh
from tasklaws.forecast.baselines import baselines
from tasklaws.forecast.engine import CurveFit, fit_curve, load_fits, save_fits, stream
from tasklaws.forecast.tables import Key, LadderCurve
from tasklaws.forecast.verdict import order_test
from tasklaws.laws import LAWS, Curve, LawSettings, fit

SETTINGS = LawSettings(replicates=60)
SIZES = np.array([1e3, 1.7e3, 3e3, 5.4e3, 1e4, 1.9e4, 3.7e4, 8e4])
SOLVED = Key("made", "direct", "exact_match")
LOSS = Key("made", "direct", "target_bits_per_byte")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def answers(ability, rng, chance=0.0, n_items=100, seed_sd=0.15, spread=1.0, sizes=SIZES):
    """x and items' scores (item by point) of Rasch items; two seeds but for the last three sizes."""
    x = np.concatenate([[size] * (2 if index < len(sizes) - 3 else 1) for index, size in enumerate(sizes)])
    logits = ability(np.log(x)) + seed_sd * rng.standard_normal(len(x))
    difficulty = spread * rng.standard_normal(n_items)[:, None]
    probability = chance + (1 - chance) * sigmoid(logits - difficulty)
    return x, (rng.random(probability.shape) < probability).astype(float)


def bits(mean, rng, n_items=100, sizes=SIZES):
    x = np.concatenate([[size] * (2 if index < len(sizes) - 3 else 1) for index, size in enumerate(sizes)])
    rows = 0.5 * rng.standard_normal(n_items)[:, None]
    noise = 0.03 * rng.standard_normal(len(x)) + 0.1 * rng.standard_normal((n_items, len(x)))
    return x, np.exp(np.log(mean(np.log(x))) + rows + noise)


def curve_of(x, items, chance=0.0, key=SOLVED):
    kind = "accuracy" if key.metric == "exact_match" else "loss"
    known = {"n_items": np.full(len(x), float(len(items))), "stderr": np.full(len(x), np.nan)}
    return Curve(kind, x, items.mean(axis=0), chance=chance if kind == "accuracy" else None, items=items, **known)


def fitted(x, items, chance=0.0, key=SOLVED, seed=0, settings=SETTINGS):
    names = [f"{index:03}" for index in range(len(items))]
    found = LadderCurve(key, pd.DataFrame(), curve_of(x, items, chance, key), names)
    return fit_curve(found, settings, seed)


LADDERS = {
    "logistic": lambda g: (*answers(line(g.uniform(0.6, 1.5), g.uniform(8, 10.5)), g), 0.0, SOLVED),
    "over chance": lambda g: (*answers(line(g.uniform(0.6, 1.5), g.uniform(8, 10.5)), g, chance=0.25), 0.25, SOLVED),
    "late": lambda g: (*answers(line(g.uniform(0.8, 1.5), g.uniform(10, 12)), g), 0.0, SOLVED),
    "power of the error": lambda g: (*answers(power(g.uniform(0.15, 0.5)), g, spread=0.3), 0.0, SOLVED),
    "flat": lambda g: (*answers(lambda u: 0 * u, g), 0.0, SOLVED),
    "loss": lambda g: (*bits(decay(g.uniform(0.1, 0.5)), g), None, LOSS),
    "S-shaped loss": lambda g: (*bits(fall(g.uniform(8, 10.5)), g), None, LOSS),
}


def decay(exponent):
    return lambda u: 0.2 + np.exp(-exponent * (u - 7))


def fall(middle):
    return lambda u: 0.1 + 0.65 * sigmoid(-1.5 * (u - middle))


def line(slope, middle):
    return lambda u: slope * (u - middle)


def power(exponent):
    """Ability at which the error of an item of difficulty 0 is (x / 900)^-exponent."""
    return lambda u: -np.log(1 / np.expm1(exponent * (u - 6.8)))


def test_intervals_cover_what_they_say():
    """90% intervals of the next rung over seven kinds of truth: 80-97% on the pool, better than the last rung."""
    inside, errors, repeated = [], [], []
    for make in LADDERS.values():
        for seed in range(8):
            x, items, chance, key = make(np.random.default_rng([seed, 1]))
            known = x < SIZES[-1]
            found = fitted(x[known], items[:, known], chance, key, seed)
            observed = items[:, ~known].mean()
            low, high = found.used.predict_interval(SIZES[-1], 1, stream(seed, "forecast", key))
            inside.append(low - 1e-9 <= observed <= high + 1e-9)
            errors.append(abs(found.used.predict(SIZES[-1])[0] - observed))
            repeated.append(abs(items[:, x == SIZES[-2]].mean() - observed))
    assert 0.8 <= np.mean(inside) <= 0.97
    assert np.mean(errors) < 0.7 * np.mean(repeated)


def verdicts(make, n=12, **options):
    found = Counter()
    for seed in range(n):
        rng = np.random.default_rng([seed, 2])
        found[fitted(*make(rng), seed=seed, **options).verdict] += 1
    return found


def test_smooth_curves_are_lawful():
    assert verdicts(lambda g: answers(line(1.2, 9.0), g), 6)["lawful"] == 6
    assert verdicts(lambda g: bits(decay(0.3), g), 6, key=LOSS)["lawful"] == 6


@pytest.mark.parametrize("before", range(1, 7))
def test_steps_are_discontinuous_wherever_they_are(before):
    threshold = np.log(SIZES[before - 1 : before + 1]).mean()
    assert verdicts(lambda g: answers(line(60.0, threshold), g, spread=0.3), 4)["discontinuous"] == 4


def test_a_step_in_a_loss_is_discontinuous():
    assert verdicts(lambda g: bits(lambda u: np.where(u > 9, 0.3, 1.5), g), 4, key=LOSS)["discontinuous"] == 4


def test_a_step_at_the_last_fit_rung_leaves_the_forecast_wide_open():
    early = fitted(*answers(line(60.0, 8.3), np.random.default_rng(0), spread=0.3))
    late = fitted(*answers(line(60.0, 10.9), np.random.default_rng(0), spread=0.3))
    assert early.verdict == late.verdict == "discontinuous"
    widths = [np.ptp(found.used.predict_interval(2e5, 1, np.random.default_rng(0))) for found in (early, late)]
    assert widths[0] < 0.1 < 0.3 < widths[1]


def test_chance_level_is_no_signal():
    found = verdicts(lambda g: (*answers(lambda u: -50 + 0 * u, g, chance=0.25), 0.25), 16)
    assert found["no signal"] >= 15
    assert found["lawful"] == 0


def test_a_shuffled_axis_is_seldom_lawful():
    def shuffled(rng):
        x, items = answers(line(1.2, 9.0), rng)
        sizes = rng.permutation(SIZES)[np.searchsorted(SIZES, x)]
        order = np.argsort(sizes, kind="stable")
        return sizes[order], items[:, order]

    assert verdicts(shuffled, 20)["lawful"] <= 3


def test_a_curve_that_gets_worse_is_no_signal():
    found = fitted(*answers(line(-1.2, 9.0), np.random.default_rng(0)))
    assert found.verdict == "no signal"
    assert "no consistent gain with n_params" in found.evidence


def test_order_test_counts_orders():
    curve = curve_of(SIZES[:4], np.tile([0.1, 0.2, 0.3, 0.4], (10, 1)))
    assert order_test(curve) == pytest.approx(0.5 / 24)
    long = np.arange(1.0, 13.0)
    assert order_test(curve_of(1e3 * long, np.tile(long / 20, (10, 1)))) < 0.001


def test_backtest_prefers_the_law_that_made_the_data():
    u = np.log(SIZES)
    for law, value in (
        ("logistic_full", sigmoid(1.2 * (u - 9))),
        ("step", np.where(SIZES > 2e3, 0.9, 0.1)),
        ("power", 1 - 20 * SIZES**-0.45),
    ):
        curve = curve_of(SIZES, np.tile(value, (100, 1)))
        tested = backtest(curve, {name: fit(curve, name, SETTINGS) for name in LAWS}, SETTINGS)
        assert tested.n_origins == 5
        assert tested.errors[law] == min(tested.errors.values()), law
        assert tested.chosen in (law, "logistic" if law != "power" else law)
        assert sum(weigh(curve, tested.errors).values()) == pytest.approx(1)


def test_the_forecast_does_not_depend_on_other_curves_or_their_order():
    x, items = answers(line(1.2, 9.0), np.random.default_rng(0))
    first = fitted(x, items).to_dict()
    fitted(x, items, key=Key("other", "direct", "exact_match"))
    assert fitted(x, items).to_dict() == first


@settings(max_examples=3, deadline=None)
@given(order=st.permutations(range(len(answers(line(1, 9), np.random.default_rng(0))[0]))))
def test_order_of_items_does_not_matter_for_the_prediction(order):
    x, items = answers(line(1.2, 9.0), np.random.default_rng(0), n_items=len(order))
    again = fitted(x, items[list(order)])
    assert again.used.params == pytest.approx(fitted(x, items).used.params)
    assert again.verdict == fitted(x, items).verdict


def test_fits_survive_their_file(tmp_path):
    x, items = answers(line(1.2, 9.0), np.random.default_rng(0))
    found = fitted(x, items)
    save_fits(tmp_path / "fits.json", "made_up", [found])
    (again,) = load_fits(tmp_path / "fits.json", "made_up")
    for one, other in ((again, found), (again.used, found.used)):
        kept = {"verdict", "evidence", "laws", "backtest", "difficulty", "theta", "rivals", "noise", "inflation"}
        assert all(getattr(one, name) == getattr(other, name) for name in kept if hasattr(other, name))
    assert again.key == SOLVED
    with pytest.raises(TasklawsError, match="run `dvc repro fit`"):
        CurveFit.from_dict({})


def observed(value, flops, chance=0.25, metric="exact_match"):
    rows = {"rung": [f"r{i}" for i in range(len(value))], "metric": metric, "value": value, "chance": chance}
    return pd.DataFrame({**rows, "n_params": flops, "train_flops": flops})


def test_baselines_are_what_they_are_called():
    found = baselines(observed([0.3, 0.4, 0.5], [1e9, 1e10, 1e11]), "n_params", 1e12)
    assert found == pytest.approx({"repeat_last": 0.5, "chance": 0.25, "linear": 0.6})


def test_linear_baseline_stays_in_range_and_one_rung_has_no_slope():
    assert baselines(observed([0.1, 0.9], [1e9, 1e10]), "n_params", 1e13)["linear"] == 1.0
    assert baselines(observed([0.4], [1e9]), "n_params", 1e12)["linear"] == 0.4
    falling = observed([2.0, 0.5], [1e9, 1e10], chance=np.nan, metric="loss_nats")
    assert baselines(falling, "n_params", 1e13) == {"repeat_last": 0.5, "chance": None, "linear": 0.0}


def test_repeat_last_takes_the_largest_rung_whatever_the_order_and_the_mean_of_its_seeds():
    table = pd.concat([observed([0.9, 0.1], [1e11, 1e9]), observed([0.7], [1e11])])
    assert baselines(table, "n_params", 1e12)["repeat_last"] == pytest.approx(0.8)
