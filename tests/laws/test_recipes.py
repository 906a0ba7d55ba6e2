"""Multipliers of compute and transferred data are what they were made to be."""

import numpy as np
import pandas as pd
import pytest
from ladders import SIZES, losses

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.fitting import fit
from tasklaws.laws.recipes import compute_multiplier, effective_data_transferred


def two_recipes(noise: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    flops = np.geomspace(1e18, 1e22, 9)
    tables = []
    for ladder, worth in (("old", 1.0), ("new", 3.0)):
        value = 1.7 + 5e3 * (worth * flops) ** -0.2
        value = value * np.exp(noise * rng.standard_normal(9))
        tables.append(pd.DataFrame({"ladder": ladder, "train_flops": flops, "value": value, "metric": "loss"}))
    return pd.concat(tables)


def test_a_recipe_worth_three_times_the_compute_is_said_to_be() -> None:
    found = compute_multiplier(fit(two_recipes(), "power", replicates=20), "new", "old", 1e20)
    assert found.value == pytest.approx(3, rel=1e-4)
    back = compute_multiplier(fit(two_recipes(), "power", replicates=20), "old", "new", 1e20)
    assert back.value == pytest.approx(1 / 3, rel=1e-4)
    noisy = compute_multiplier(fit(two_recipes(0.003), "power", replicates=100, level=0.99), "new", "old", 1e20)
    assert noisy.lower < 3 < noisy.upper
    assert noisy.lower <= noisy.value <= noisy.upper


def test_a_floor_out_of_reach_is_infinitely_worse() -> None:
    flops = np.geomspace(1e18, 1e22, 9)
    tables = [
        pd.DataFrame({"ladder": ladder, "train_flops": flops, "value": floor + 5e3 * flops**-0.2, "metric": "loss"})
        for ladder, floor in (("old", 2.5), ("new", 1.0))
    ]
    found = compute_multiplier(fit(pd.concat(tables), "power", replicates=20), "new", "old", 1e22)
    assert found.value == np.inf


def test_multipliers_need_the_right_fit() -> None:
    with pytest.raises(TasklawsError, match="needs a power law of train_flops"):
        compute_multiplier(fit(losses(1 + 60 * SIZES**-0.25), "power", replicates=0), "x", "y", 1e20)
    with pytest.raises(TasklawsError, match="needs bootstrap"):
        compute_multiplier(fit(two_recipes(), "power", replicates=0), "new", "old", 1e20)
    with pytest.raises(TasklawsError, match="no ladder 'newer'"):
        compute_multiplier(fit(two_recipes(), "power", replicates=5), "newer", "old", 1e20)


def test_effective_data_is_what_a_model_from_scratch_would_have_needed() -> None:
    tokens = np.geomspace(1e6, 1e10, 9)
    scratch = fit(
        pd.DataFrame({"n_tokens": tokens, "value": 1 + 50 * tokens**-0.25, "metric": "loss"}), "power", replicates=0
    )
    loss = 1 + 50 * np.array([5e7, 8e8]) ** -0.25
    assert effective_data_transferred(scratch, loss, [1e7, 1e8]) == pytest.approx([4e7, 7e8], rel=1e-3)
    with pytest.raises(TasklawsError, match="no amount of data"):
        effective_data_transferred(scratch, 0.5, 1e7)
