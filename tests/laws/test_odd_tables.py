"""What fits, profiles and plans say of tables that are not as laws want them."""

import numpy as np
import pandas as pd
import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.backtest import backtest
from tasklaws.laws.fitting import fit
from tasklaws.laws.isoflop import isoflop
from tasklaws.laws.planning import Surface, plan
from tasklaws.tables import POINTS

SIZES = np.geomspace(1e6, 1e10, 9)


def curve(value, metric="loss", **more):
    return pd.DataFrame({"n_params": SIZES, "metric": metric, "value": value, **more})


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1.0, 1e300])
def test_a_quantity_of_any_size_has_its_exponent(size):
    found = fit(curve(size * SIZES**-0.1), "pure_power", replicates=20)
    assert found.status == "converged"
    assert found.params["a"] == pytest.approx(0.1, rel=1e-6)


def test_values_that_count_as_larger_ones_are_told():
    found = fit(curve(10.0 * SIZES**-2.0), "pure_power", replicates=5)
    assert any("count as that" in note for note in found.notes)


def test_more_items_than_any_test_has_are_as_good_as_exact():
    found = fit(curve(1 - SIZES**-0.1, "acc", n_items=1e30), "power", replicates=20)
    assert found.params["a"] == pytest.approx(0.1, rel=1e-3)


def test_accuracies_that_all_lie_below_chance_are_told():
    found = fit(curve(0.2 + 0.05 * np.arange(9), "acc", chance=0.9), "logistic", replicates=5)
    assert any("every value lies below the chance of 0.9" in note for note in found.notes)


def test_no_line_says_that_unknown_tokens_were_worked_out_of_nothing():
    table = pd.DataFrame([(n, 20 * n, 2 + 400 / n**0.34) for n in SIZES], columns=["n_params", "n_tokens", "loss"])
    table = table.rename(columns={"loss": "value"}).assign(metric="loss")
    table.loc[0, "n_tokens"] = np.nan
    assert not any("worked out" in note for note in fit(table, "chinchilla", replicates=5).notes)


def test_best_runs_at_the_end_of_their_sizes_are_no_envelope():
    rows = [(n, c, 1.5 + 400 / n**0.34) for c in (1e18, 1e19, 1e20) for n in np.geomspace(0.1, 10, 7) * c**0.5]
    table = pd.DataFrame(rows, columns=["n_params", "train_flops", "value"]).assign(metric="loss")
    with pytest.raises(TasklawsError, match="3 at the end of its sizes left out"):
        isoflop(table, replicates=20)


def test_a_plan_of_less_than_a_parameter_is_none():
    surface = Surface(E=1.82, A=482, B=2085, alpha=0.348, beta=0.366)
    for flops, served in ((1e-5, 0.0), (1e21, 1e30)):
        with pytest.raises(TasklawsError, match="give a larger budget, a lower loss or fewer tokens"):
            plan(surface, flops=flops, served=served)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_losses_that_no_forecast_can_have_are_refused(size):
    table = curve(size * SIZES**-0.1, n_tokens=np.nan, train_flops=SIZES, ladder="l", task="t", step=np.nan)
    table = table.assign(model=[f"m{n}" for n in range(9)], is_final=True, stderr=np.nan, n_items=np.nan, chance=np.nan)
    with pytest.raises(TasklawsError, match="give them in another unit"):
        backtest(table[POINTS.columns], rolling=1)
