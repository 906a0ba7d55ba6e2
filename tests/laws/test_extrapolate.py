"""Learning curves are carried on by what their own past supports, and never by what comes after."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ladders import published

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.fitting import fit_many

_SPEC = importlib.util.spec_from_file_location(
    "learning_curves", Path(__file__).parents[2] / "benchmarks" / "learning_curves.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
benchmark = importlib.util.module_from_spec(_SPEC)
sys.modules["learning_curves"] = benchmark  # where dataclasses look their module up
_SPEC.loader.exec_module(benchmark)
extrapolate, extrapolate_many = benchmark.extrapolate, benchmark.extrapolate_many

X = np.geomspace(1e5, 1e8, 25)
AHEAD = np.array([1.3e8, 2e8])


def curve(value: np.ndarray, x: np.ndarray = X) -> pd.DataFrame:
    return pd.DataFrame({"n_tokens": x, "value": value})


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [
        lambda x: 0.5 + 20 * x**-0.3,
        pytest.param(lambda x: 30 * (1 / x + 1e-8) ** 0.3, marks=pytest.mark.heavy),
    ],
    ids=["power", "shifted power"],
)
def test_curves_without_noise_are_carried_on_exactly(law: Callable[[np.ndarray], np.ndarray]) -> None:
    found = extrapolate(curve(law(X)), AHEAD)
    assert found.value == pytest.approx(law(AHEAD), rel=2e-3)
    assert found.n_backtests == 3
    assert sum(found.weights.values()) == pytest.approx(1)


@pytest.mark.heavy
def test_company_and_order_of_rows_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    tables = [curve((0.5 + 20 * X**-0.3) * np.exp(0.01 * rng.standard_normal(25))) for _ in range(2)]
    together = extrapolate_many(tables, [AHEAD, AHEAD])
    alone = extrapolate(tables[1].sample(frac=1, random_state=0), AHEAD)
    assert together[1].value == pytest.approx(alone.value, rel=1e-6)


def test_a_curve_too_short_for_a_backtest_gets_equal_weights() -> None:
    found = extrapolate(curve(0.5 + 20 * X[:4] ** -0.3, X[:4]), [2 * X[3]])
    assert found.n_backtests == 0
    assert set(found.weights.values()) == {1 / len(benchmark._METHODS)}


def test_curves_that_are_none_are_refused() -> None:
    good = curve(0.5 + 20 * X**-0.3)
    for table, ahead, message in (
        (good.iloc[:3], AHEAD, "3 points are no curve"),
        (good.assign(value=-1.0), AHEAD, "value is"),
        (good.drop(columns="n_tokens"), AHEAD, "needs the columns n_tokens and value"),
        (good, [-1.0], "at is"),
    ):
        with pytest.raises(TasklawsError, match=message):
            extrapolate(table, ahead)


def test_the_weighted_median_is_where_half_the_weight_is() -> None:
    values = np.array([[1.0, 9.0], [2.0, 8.0], [5.0, 1.0]])
    assert benchmark.weighted_median(values, np.array([0.2, 0.2, 0.6])) == pytest.approx([5, 1])
    assert benchmark.weighted_median(values, np.array([0.4, 0.3, 0.3])) == pytest.approx([2, 8])


@pytest.mark.heavy
def test_published_curves_are_carried_on_better_than_by_the_broken_power_law() -> None:
    table = pd.read_csv(published("learning_curves.csv.gz")).rename(columns={"n_examples": "n_tokens", "loss": "value"})
    table = table[table["domain"] != "IC"].assign(metric="loss")
    seen, hidden = ([one[one["is_train"] == side] for _, one in table.groupby("curve")] for side in (1, 0))
    ends = [one["n_tokens"].to_numpy(dtype=float) for one in hidden]
    ours = [found.value for found in extrapolate_many(seen, ends)]
    rivals = [
        found.predict(x)
        for found, x in zip(
            fit_many([one[["n_tokens", "value", "metric"]] for one in seen], "broken_power", replicates=0),
            ends,
            strict=True,
        )
    ]
    errors = [
        np.mean([np.log(np.sqrt(np.mean(np.log(a / b["value"]) ** 2))) for a, b in zip(side, hidden, strict=True)])
        for side in (ours, rivals)
    ]
    assert errors[0] < errors[1]
