"""Plans are optima, multipliers and transferred data are what they were made to be."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import SIZES, losses
from scipy.optimize import minimize_scalar

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.fitting import fit
from tasklaws.laws.planning import (
    Surface,
    compute_multiplier,
    data_exponent,
    effective_data_transferred,
    plan_for_budget,
    plan_for_loss,
)

BESIROGLU = Surface(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)  # arXiv 2404.10102, table 1


def test_chinchillas_budget_asks_for_about_twenty_tokens_a_parameter() -> None:
    plan = plan_for_budget(BESIROGLU, 5.76e23)
    assert 6 * plan.n_params * plan.n_tokens == pytest.approx(5.76e23)
    assert 15 < plan.n_tokens / plan.n_params < 25
    assert 6e10 < plan.n_params < 8e10  # Chinchilla has 70e9


@given(flops=st.floats(1e18, 1e26), served=st.sampled_from([0.0, 1e9, 1e12, 1e14]))
@settings(max_examples=30)
def test_a_budget_is_spent_and_no_other_split_is_better(flops: float, served: float) -> None:
    plan = plan_for_budget(BESIROGLU, flops, served)
    assert plan.train_flops + plan.serve_flops == pytest.approx(flops)

    def loss(log_n: float) -> float:
        tokens = (flops - 2 * np.exp(log_n) * served) / (6 * np.exp(log_n))
        return BESIROGLU.loss(np.exp(log_n), tokens) if tokens > 0 else np.inf

    for step in (-0.1, -1e-3, 1e-3, 0.1):
        assert loss(np.log(plan.n_params) + step) > plan.loss
    assert plan_for_budget(BESIROGLU, flops, 0.0).loss <= plan.loss


@given(loss=st.floats(1.9, 3.5), served=st.sampled_from([0.0, 1e10, 1e13]))
@settings(max_examples=30)
def test_a_loss_is_reached_as_cheaply_as_a_search_over_sizes_finds(loss: float, served: float) -> None:
    plan = plan_for_loss(BESIROGLU, loss, served)
    assert plan.loss == pytest.approx(loss)

    def cost(log_n: float) -> float:
        left = loss - BESIROGLU.E - BESIROGLU.A * np.exp(-BESIROGLU.alpha * log_n)
        if left <= 0:
            return 1e3
        n, tokens = np.exp(log_n), (left / BESIROGLU.B) ** (-1 / BESIROGLU.beta)
        return float(np.log(6 * n * tokens + 2 * n * served))

    here = np.log(plan.n_params)
    found = minimize_scalar(cost, bracket=(here - 0.2, here, here + 0.2))
    assert np.log(plan.train_flops + plan.serve_flops) <= found.fun + 1e-9


def test_the_more_is_served_the_smaller_the_model() -> None:
    plans = [plan_for_loss(BESIROGLU, 2.1, served) for served in (0.0, 1e10, 1e12, 1e14)]
    assert (np.diff([plan.n_params for plan in plans]) < 0).all()
    assert (np.diff([plan.n_tokens for plan in plans]) > 0).all()


def test_budget_and_loss_plans_agree() -> None:
    plan = plan_for_budget(BESIROGLU, 1e22, 1e12)
    back = plan_for_loss(BESIROGLU, plan.loss, 1e12)
    assert back.n_params == pytest.approx(plan.n_params, rel=1e-6)


def test_impossible_plans_are_refused() -> None:
    for call, message in (
        (lambda: plan_for_loss(BESIROGLU, 1.8), "not above the law's floor"),
        (lambda: plan_for_loss(BESIROGLU, float("nan")), "not above"),
        (lambda: plan_for_budget(BESIROGLU, -1), "budget in FLOPs is -1"),
        (lambda: plan_for_budget(BESIROGLU, 1e20, -5), "served are -5"),
        (lambda: Surface(1.8, 400, 2000, 0, 0.3), "alpha is 0"),
        (lambda: data_exponent(1.0), "Zipf exponent of 1"),
    ):
        with pytest.raises(TasklawsError, match=message):
            call()


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


def test_hutters_exponent() -> None:
    assert data_exponent(2.0) == pytest.approx(0.5)  # a = 1: a / (1 + a)
    with pytest.raises(TasklawsError):
        data_exponent(float("nan"))
