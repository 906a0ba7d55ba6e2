"""Verdicts on curves of known shape, on shuffled axes, and on the negative controls of real ladders."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from made_up import draw, panel, rises
from scipy.special import expit
from scipy.stats import kendalltau

from shared_data import shared
from tasklaws.forecast.backtest import rolling_backtest
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.panel import build_panels
from tasklaws.forecast.verdict import Width, panel_verdicts
from tasklaws.tables import SIZES
from tasklaws.tabular.points import read_points

CONTROLS = ("logiqa", "logi_qa", "wsc")
NARROW = Width(half=0.01, sd=0.012, sampling=0.006, gap=1.1)  # so sure that it never stands in the way of `lawful`


def verdicts(make, count=30, n_items=500, **options):
    """What is said of curves drawn from `make`, each a ladder of its own."""
    found = Counter()
    for seed in range(count):
        rng = np.random.default_rng(seed)
        known = panel([draw(rng, make(rng), n_items)], n_items=n_items, losses=False, **options)
        found[panel_verdicts(known, [NARROW])[0].verdict] += 1
    return found


@pytest.mark.parametrize("n_rungs", [4, 5, 6, 8, 12, 20])
@pytest.mark.parametrize("height", [0.3, 0.5, 0.9])
def test_steps_are_discontinuous_wherever_they_are(n_rungs, height):
    def step(rng):
        low = rng.uniform(0, 1 - height)
        return np.where(np.arange(n_rungs) < rng.integers(1, n_rungs), low, low + height) + rng.normal(0, 0.01, n_rungs)

    assert verdicts(step)["discontinuous"] >= 29


@pytest.mark.parametrize("n_rungs", [5, 6, 8, 12, 20])
def test_smooth_rises_are_lawful_and_not_steps(n_rungs):
    def rise(rng):
        return expit(rng.uniform(0.3, 0.8) * (np.arange(n_rungs) - rng.uniform(0, n_rungs)))

    found = verdicts(rise, n_items=1000)
    assert found["lawful"] >= 27
    assert found["discontinuous"] <= 1


def test_flat_and_guessed_curves_have_no_signal():
    assert verdicts(lambda rng: np.full(8, rng.uniform(0.1, 0.9)), 60)["no signal"] >= 56
    assert verdicts(lambda rng: np.full(8, 0.25), 60, chance=0.25)["at the floor"] >= 58
    assert verdicts(lambda rng: np.full(8, 0.4), 5, n_items=10**9)["no signal"] == 5


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n_rungs", [6, 8, 12, 20])
def test_curves_that_turn_are_non_monotone(n_rungs, sign):
    place = np.linspace(-1, 1, n_rungs)
    assert verdicts(lambda rng: 0.5 + sign * 0.3 * (place - rng.uniform(-0.1, 0.1)) ** 2)["non-monotone"] >= 28


@pytest.mark.parametrize("n_rungs", [6, 8, 12, 20])
def test_inverse_then_rising_is_non_monotone_however_far_it_rises(n_rungs):
    turn = n_rungs // 3
    place = np.arange(n_rungs)
    down, up = np.minimum(place, turn) / turn, np.maximum(place - turn, 0) / (n_rungs - 1 - turn)
    assert verdicts(lambda rng: 0.4 - 0.2 * down + 0.6 * up, n_items=1000)["non-monotone"] >= 28


def test_models_of_one_size_that_differ_make_no_turn():
    """Four recipes at each of five sizes: their spread is noise."""
    sizes = np.repeat(np.geomspace(1e7, 1e9, 5), 4)
    calm = np.repeat([0.3, 0.36, 0.42, 0.46, 0.5], 4)
    recipes = calm + np.tile([-0.12, -0.04, 0.04, 0.12], 5)
    turning = np.repeat([0.3, 0.5, 0.7, 0.5, 0.3], 4)
    known = panel([recipes, turning], sizes, n_items=5000, losses=False)
    first, second = panel_verdicts(known, [NARROW] * 2)
    assert first.verdict != "non-monotone"
    assert second.verdict == "non-monotone"


@pytest.mark.parametrize("n_rungs", [10, 30])
def test_scatter_of_models_about_a_rise_is_no_turn(n_rungs):
    def noisy(rng):
        return 0.3 + 0.3 * np.linspace(0, 1, n_rungs) + rng.normal(0, 0.06, n_rungs)

    assert verdicts(noisy, n_items=20_000)["non-monotone"] <= 5


def test_a_steady_fall_may_be_lawful_and_says_so():
    known = panel([expit(1.5 - 0.4 * np.arange(8))], n_items=2000, losses=False)
    found = panel_verdicts(known, [NARROW])[0]
    assert found.verdict == "lawful"
    assert "tau with size -1.00" in found.evidence


def test_four_rungs_in_order_may_be_luck():
    found = panel_verdicts(panel([[0.1, 0.3, 0.5, 0.7]], n_items=2000, losses=False), [NARROW])[0]
    assert found.verdict == "not enough rungs"


def test_a_forecast_that_is_too_wide_is_not_lawful():
    known = panel([expit(0.4 * np.arange(8) - 1.5)], n_items=2000, losses=False)
    wide = replace(NARROW, half=0.1, sd=0.12, sampling=0.01)
    assert panel_verdicts(known, [wide])[0].verdict == "noisy"
    assert panel_verdicts(known, [replace(wide, gap=4.0)])[0].verdict == "too far"
    assert panel_verdicts(known, [replace(wide, sampling=0.1)])[0].verdict == "too few items"


def shuffles(ladder, rng, count):
    """The ladder with its models' sizes in random orders that are not nearly the true one."""
    n_models = len(ladder.models)
    while count:
        order = rng.permutation(n_models)
        if abs(kendalltau(np.arange(n_models), order).statistic) < 0.6:
            yield replace(ladder.select(order), **{name: getattr(ladder, name) for name in SIZES})
            count -= 1


def lawful(known):
    return sum(one.verdict == "lawful" for one in panel_verdicts(known, [NARROW] * len(known.tasks)))


@pytest.mark.parametrize("n_rungs", [5, 6, 8, 12])
@pytest.mark.parametrize("n_tasks", [1, 5])
def test_a_shuffled_axis_is_never_lawful(n_rungs, n_tasks):
    """Even for forecasts that are sure of themselves."""
    sizes = np.geomspace(1e7, 1e10, n_rungs)
    found = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        known = panel(draw(rng, rises(rng, n_tasks, sizes, 0.1), 500), sizes, losses=False)
        found += sum(map(lawful, shuffles(known, rng, 8)))
    assert found == 0


@pytest.mark.heavy
def test_a_shuffled_axis_is_never_lawful_with_the_forecasts_made_on_it():
    found = count = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        sizes = np.geomspace(1e7, 1e10, 7)
        ladder = panel(draw(rng, rises(rng, 2, sizes, 0.1), 1000), sizes, losses=False)
        for known in shuffles(ladder.select(np.arange(6)), rng, 8):
            mixed = panel(np.hstack([known.value, ladder.value[:, 6:]]), sizes, losses=False)
            told = combined_forecast(History(mixed), 6, 6)
            lower, _, upper = told.predictive(mixed.link).interval
            rows = zip((upper - lower) / 2, told.width, told.sampling, strict=True)
            found += sum(one.verdict == "lawful" for one in panel_verdicts(known, [Width(*row, 1.15) for row in rows]))
            count += 1
    assert count == 200
    assert found == 0


def test_a_made_up_axis_such_as_the_number_of_gpus_is_no_law():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e7, 1e10, 10)
    found = 0
    for _ in range(50):
        gpus = rng.choice([1, 8, 16, 64, 256, 512], 10).astype(float)
        if abs(kendalltau(gpus, sizes).statistic) < 0.5:
            found += lawful(panel(draw(rng, rises(rng, 5, sizes), 1000), gpus, losses=False))
    assert found == 0


def table(name):
    return read_points(shared(f"ladders/{name}.csv.gz"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pythia", "gadre"])
def test_shuffled_real_ladders_are_never_lawful(name):
    rng = np.random.default_rng(0)
    panels = build_panels(table(name), ["acc"])
    assert sum(lawful(one) for each in panels for one in shuffles(each, rng, 60 // len(panels))) == 0
    assert sum(map(lawful, panels)) > 0


@pytest.mark.slow
def test_negative_controls_are_never_lawful():
    found = []
    for name in ("pythia", "gadre"):
        points = table(name)
        points = points[points["task"].isin([*CONTROLS, "piqa", "sciq", "hellaswag_zeroshot"])]
        sizes = points.groupby("ladder")["train_flops"].rank(method="dense")
        found.append(
            rolling_backtest(points[points["is_final"] & (sizes % 3 == 0) | (name == "pythia")], ["acc"], 1, 4)[0]
        )
    for forecasts in found:
        control = forecasts["task"].isin(CONTROLS)
        assert control.any()
        assert not (forecasts.loc[control, "verdict"] == "lawful").any()
