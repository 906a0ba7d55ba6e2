import json

import numpy as np
import pandas as pd
import pytest
from curves import SIZES, accuracy, loss, noisy, solved
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.errors import TasklawsError
from tasklaws.laws import LAWS, Fit, LawSettings, fit
from tasklaws.laws.bootstrap import resample
from tasklaws.laws.curve import curve_from_table

SETTINGS = LawSettings(replicates=100)
MIDDLE = float(np.log(8e3))
KAPLAN_SIZES = np.array([1e5, 1e6, 1e7, 1e8, 1e9, 1.5e9])


def rng():
    return np.random.default_rng(0)


def logistic(x, start=0.0, end=1.0, k=1.2, m=MIDDLE):
    return start + (end - start) / (1 + np.exp(-k * (np.log(x) - m)))


def test_kaplan_exponent_and_scale_are_recovered_exactly():
    """L(N) = (8.8e13 / N)^0.076: Kaplan et al. 2020, equation 1.1."""
    found = fit(loss(KAPLAN_SIZES, (8.8e13 / KAPLAN_SIZES) ** 0.076), "power", SETTINGS)
    assert found.params["a"] == pytest.approx(0.076, rel=1e-6)
    assert found.params["A"] ** (1 / 0.076) == pytest.approx(8.8e13, rel=1e-4)
    assert found.params["E"] == pytest.approx(0, abs=1e-9)
    assert found.predict(1e11)[0] == pytest.approx((8.8e13 / 1e11) ** 0.076, rel=1e-6)


@pytest.mark.parametrize(("floor", "scale", "exponent"), [(0.1, 12.0, 0.33), (1.7, 400.0, 0.34), (0.0, 3.0, 0.8)])
def test_power_law_without_noise_is_recovered_to_1e6(floor, scale, exponent):
    found = fit(loss(SIZES, floor + scale * SIZES**-exponent), "power", SETTINGS)
    assert found.status == "converged"
    assert found.params == pytest.approx({"E": floor, "A": scale, "a": exponent}, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("kind", ["accuracy", "loss"])
def test_logistic_without_noise_is_recovered(kind):
    if kind == "accuracy":
        truth = {"start": 0.25, "end": 0.8, "k": 1.2, "m": 9.0}
        curve = accuracy(SIZES, logistic(SIZES, **truth), chance=0.25)
    else:
        truth = {"start": 0.75, "end": 0.11, "k": 1.5, "m": 9.0}
        curve = loss(SIZES, logistic(SIZES, **truth))
    found = fit(curve, "logistic", SETTINGS)
    assert found.status == "converged"
    assert found.params == pytest.approx(truth, rel=1e-4)


TRUTHS = {
    "power of a loss": ("power", {"E": 0.1, "A": 12.0, "a": 0.33}, lambda g: noisy(lambda x: 0.1 + 12 * x**-0.33, g)),
    "power of an error": (
        "power",
        {"E": 0.05, "A": 15.0, "a": 0.4},
        lambda g: solved(lambda x: 1 - (0.05 + 15 * x**-0.4), g),
    ),
    "logistic": (
        "logistic",
        {"end": 0.9, "k": 1.2, "m": MIDDLE},
        lambda g: solved(lambda x: logistic(x, 0, 0.9), g),
    ),
    "logistic over chance": (
        "logistic",
        {"start": 0.25, "end": 0.9, "k": 1.2, "m": MIDDLE},
        lambda g: solved(lambda x: logistic(x, 0.25, 0.9), g, chance=0.25),
    ),
    "full logistic": ("logistic_full", {"k": 1.2, "m": MIDDLE}, lambda g: solved(logistic, g)),
    "step": (
        "step",
        {"low": 0.1, "high": 0.9, "threshold": 1e4},
        lambda g: solved(lambda x: np.where(x > 1e4, 0.9, 0.1), g),
    ),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_intervals_hold_the_true_parameters_under_noise(name):
    """90% intervals; of 30 ladders, 24 or more must hold each parameter (99% of the time, were coverage exact)."""
    law, truth, make = TRUTHS[name]
    held = dict.fromkeys(truth, 0)
    for seed in range(30):
        found = fit(make(np.random.default_rng(seed)), law, SETTINGS, np.random.default_rng(seed))
        assert found.status == ("unidentified" if law == "step" else "converged")
        for parameter, value in truth.items():
            low, high = found.interval[parameter]
            held[parameter] += low <= value <= high
    assert min(held.values()) >= 24, held


def test_parameters_carry_their_units():
    found = fit(accuracy(SIZES, np.linspace(0, 1, 7)), "power", SETTINGS)
    assert found.units == {"E": "error", "A": "error at n_params = 1", "a": "1"}


def test_power_law_never_falls_below_chance():
    curve = accuracy(SIZES, np.maximum(0.25, 1 - 100 * SIZES**-0.55), chance=0.25)
    found = fit(curve, "power", SETTINGS)
    assert found.predict(1.0)[0] == pytest.approx(0.25)
    assert found.predict(SIZES) == pytest.approx(curve.value, abs=1e-3)


def test_step_says_that_its_threshold_is_unidentified():
    found = fit(solved(lambda x: np.where(x > 1e4, 0.9, 0.1), rng()), "step", SETTINGS, rng())
    assert found.status == "unidentified"
    assert "between n_params 8e+03 and 1.6e+04" in found.reason
    low, high = found.interval["threshold"]
    assert low == pytest.approx(8e3, rel=0.2)
    assert high == pytest.approx(1.6e4, rel=0.2)


def test_fractional_successes_count_as_weighted_ones():
    x = np.repeat(SIZES, 2)
    whole = fit(accuracy(x, np.tile([0.5, 0.6], 7)), "constant", SETTINGS)
    fractional = fit(accuracy(SIZES, np.full(7, 0.55)), "constant", SETTINGS)
    assert whole.params["level"] == pytest.approx(fractional.params["level"])


def test_huber_shrugs_off_an_outlier():
    value = 0.1 + 12 * SIZES**-0.33
    value[3] *= 3
    assert fit(loss(SIZES, value), "power", SETTINGS).params["a"] == pytest.approx(0.33, abs=0.02)


@pytest.mark.parametrize("law", ["power", "logistic", "step", "constant", "repeat_last"])
@pytest.mark.parametrize("value", [0.0, 1.0, 0.4])
@pytest.mark.parametrize("kind", ["accuracy", "loss"])
def test_constant_values_never_give_nan(law, value, kind):
    curve = accuracy(SIZES, np.full(7, value)) if kind == "accuracy" else loss(SIZES, np.full(7, value))
    found = fit(curve, law, SETTINGS, rng())
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.predict(1e5)[0] == pytest.approx(value, abs=0.01)
    low, high = found.predict_interval(1e5, 1, rng())
    assert low <= found.predict(1e5)[0] <= high
    if law not in ("constant", "power"):
        assert found.status in ("unidentified", "bound_hit")


@pytest.mark.parametrize("law", ["power", "logistic", "step"])
@pytest.mark.parametrize("n_rungs", [1, 2])
def test_too_few_rungs_are_unidentified(law, n_rungs):
    found = fit(accuracy(SIZES[:n_rungs], [0.2, 0.5][:n_rungs]), law, SETTINGS, rng())
    assert found.status == "unidentified"
    assert np.isfinite(found.predict(1e6)).all()


def test_repeat_last_widens_by_how_far_rungs_moved_and_knows_nothing_of_one():
    steady = fit(loss(SIZES[:3], [1.0, 0.99, 1.0]), "repeat_last", SETTINGS, rng())
    moving = fit(loss(SIZES[:3], [3.0, 2.0, 1.0]), "repeat_last", SETTINGS, rng())
    widths = [np.ptp(found.predict_interval(1e5, 1, rng())) for found in (steady, moving)]
    assert steady.params == moving.params == {"level": 1.0}
    assert widths[1] > 5 * widths[0]
    assert fit(loss(SIZES[:1], [1.0]), "repeat_last", SETTINGS, rng()).predict_interval(1e5, 1, rng()) is None


def test_a_zero_that_was_seen_is_not_certain():
    found = fit(accuracy(SIZES, np.zeros(7)), "constant", SETTINGS, rng())
    assert 0 < found.predict_interval(1e5, 1, rng())[1] <= 0.03


def test_more_seeds_narrow_the_interval():
    found = fit(noisy(lambda x: 0.1 + 12 * x**-0.33, rng(), spread=0.2), "constant", SETTINGS, rng())
    assert found.spread(1e5, 4) < found.spread(1e5, 1)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-3, 1e3), stretch=st.floats(1e-2, 1e6))
def test_units_of_loss_and_of_size_do_not_matter(scale, stretch):
    value = (0.1 + 12 * SIZES**-0.33) * np.exp(0.01 * rng().standard_normal(7))
    plain = fit(loss(SIZES, value), "power", SETTINGS)
    other = fit(loss(SIZES * stretch, value * scale), "power", SETTINGS)
    assert other.params["a"] == pytest.approx(plain.params["a"], rel=1e-3)
    assert other.predict(1e5 * stretch) == pytest.approx(plain.predict(1e5) * scale, rel=1e-4)


@pytest.mark.parametrize("law", [*LAWS, "constant", "repeat_last"])
def test_a_fit_survives_json(law):
    found = fit(solved(lambda x: logistic(x), rng()), law, SETTINGS, rng())
    text = json.dumps(found.to_dict(), sort_keys=True, allow_nan=False)
    again = Fit.from_dict(json.loads(text))
    assert again.summary() == found.summary() or again.params == found.params
    assert again.draws == pytest.approx(found.draws, rel=1e-5)
    assert again.predict_interval(1e5, 2, rng()) == pytest.approx(found.predict_interval(1e5, 2, rng()), abs=0.01)


def test_a_malformed_fit_is_refused():
    with pytest.raises(TasklawsError, match="run `dvc repro fit`"):
        Fit.from_dict({"law": "power"})


def test_a_fit_cannot_be_changed():
    found = fit(accuracy(SIZES, np.linspace(0, 1, 7)), "logistic", SETTINGS, rng())
    with pytest.raises(AttributeError):
        found.status = "converged"
    with pytest.raises(ValueError, match="read-only"):
        found.draws[0] = 0


def test_summary_tells_the_edges_and_plot_draws():
    import matplotlib

    matplotlib.use("Agg")
    found = fit(accuracy(SIZES, np.ones(7)), "logistic", SETTINGS, rng())
    assert found.status in found.summary()
    assert "on an edge" in found.summary()
    axes = found.plot()
    assert axes.get_xscale() == "log"
    assert found.plot(axes) is axes
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("x", [0.0, -1.0, np.nan, np.inf])
def test_predicting_at_no_size_is_refused(x):
    with pytest.raises(TasklawsError, match="give positive sizes"):
        fit(accuracy(SIZES, np.ones(7)), "constant", SETTINGS).predict(x)


def test_unknown_law_is_refused():
    with pytest.raises(TasklawsError, match=r"unknown law 'cubic': choose one of power"):
        fit(accuracy(SIZES, np.ones(7)), "cubic", SETTINGS)


def test_bootstrap_keeps_items_together_and_weights_at_one_on_average():
    items = np.tile(np.arange(50)[:, None] / 49.0, (1, 14))
    curve = accuracy(np.repeat(SIZES, 2), items.mean(axis=0), 50, items=items)
    values, weights = resample(curve, 4000, rng())
    assert values.std(axis=0) == pytest.approx(np.full(14, items[:, 0].std() / np.sqrt(50)), rel=0.05)
    assert (np.ptp(values, axis=1) < 1e-12).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(14), abs=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": "n_layers"}, "laws.x is 'n_layers': choose one of n_params, train_flops"),
        ({"min_rungs": 2}, "laws.min_rungs is 2: give a whole number of 4 or more"),
        ({"replicates": 0}, "laws.replicates is 0"),
        ({"interval": 90.0}, "laws.interval is 90.0: give a number between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(TasklawsError, match=message):
        LawSettings(**changes)


def test_settings_need_every_key_and_no_other():
    with pytest.raises(TasklawsError, match="laws holds \\['x'\\], but needs"):
        LawSettings.from_params({"laws": {"x": "n_params"}})


def table(**changes):
    row = {"rung": "a", "seed": 0, "n_params": 1e3, "family": "f", "elicitation": "direct"}
    row |= {"metric": "exact_match", "value": 0.5, "n_items": 100, "chance": 0.0, "stderr": 0.05}
    return pd.DataFrame([row, {**row, "rung": "b", "n_params": 2e3, **changes}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": 1.2}, "f direct exact_match, rung b: value is 1.2: give one in \\[0, 1\\]"),
        ({"value": np.nan}, "rung b: value is nan"),
        ({"n_params": 0.0}, "rung b: n_params is 0.0: give a positive size"),
        ({"n_items": np.nan}, "rung b: n_items is nan: give the number of items"),
        ({"chance": np.nan}, "rung b: chance is nan: give one in \\[0, 1\\)"),
    ],
)
def test_malformed_observations_are_refused(changes, message):
    with pytest.raises(TasklawsError, match=message):
        curve_from_table(table(**changes), "n_params")


def test_unknown_metric_and_negative_loss_are_refused():
    with pytest.raises(TasklawsError, match="f direct elo: unknown metric: the laws know exact_match"):
        curve_from_table(table().assign(metric="elo"), "n_params")
    with pytest.raises(TasklawsError, match=r"value is -1.0: give one in \[0, inf\]"):
        curve_from_table(table(value=-1.0).assign(metric="loss_nats"), "n_params")
