"""Plans are optima."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.planning import Surface, plan, read_law

BESIROGLU = Surface(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)  # arXiv 2404.10102, table 1


def test_chinchillas_budget_asks_for_about_twenty_tokens_a_parameter() -> None:
    best = plan(BESIROGLU, 5.76e23)
    assert 6 * best.n_params * best.n_tokens == pytest.approx(5.76e23)
    assert 15 < best.n_tokens / best.n_params < 25
    assert 6e10 < best.n_params < 8e10  # Chinchilla has 70e9


@given(flops=st.floats(1e18, 1e26), served=st.sampled_from([0.0, 1e9, 1e12, 1e14]))
@settings(max_examples=30)
def test_a_budget_is_spent_and_no_other_split_is_better(flops: float, served: float) -> None:
    best = plan(BESIROGLU, flops, served=served)
    assert best.train_flops + best.serve_flops == pytest.approx(flops)

    def loss(log_n: float) -> float:
        tokens = (flops - 2 * np.exp(log_n) * served) / (6 * np.exp(log_n))
        return BESIROGLU.loss(np.exp(log_n), tokens) if tokens > 0 else np.inf

    for step in (-0.1, -1e-3, 1e-3, 0.1):
        assert loss(np.log(best.n_params) + step) > best.loss
    assert plan(BESIROGLU, flops, served=0.0).loss <= best.loss


@given(loss=st.floats(1.9, 3.5), served=st.sampled_from([0.0, 1e10, 1e13]))
@settings(max_examples=30)
def test_a_loss_is_reached_as_cheaply_as_a_search_over_sizes_finds(loss: float, served: float) -> None:
    best = plan(BESIROGLU, loss=loss, served=served)
    assert best.loss == pytest.approx(loss)

    def cost(log_n: float) -> float:
        left = loss - BESIROGLU.E - BESIROGLU.A * np.exp(-BESIROGLU.alpha * log_n)
        if left <= 0:
            return 1e3
        n, tokens = np.exp(log_n), (left / BESIROGLU.B) ** (-1 / BESIROGLU.beta)
        return float(np.log(6 * n * tokens + 2 * n * served))

    here = np.log(best.n_params)
    found = minimize_scalar(cost, bracket=(here - 0.2, here, here + 0.2))
    assert np.log(best.train_flops + best.serve_flops) <= found.fun + 1e-9


def test_the_more_is_served_the_smaller_the_model() -> None:
    plans = [plan(BESIROGLU, loss=2.1, served=served) for served in (0.0, 1e10, 1e12, 1e14)]
    assert (np.diff([best.n_params for best in plans]) < 0).all()
    assert (np.diff([best.n_tokens for best in plans]) > 0).all()


def test_budget_and_loss_plans_agree() -> None:
    best = plan(BESIROGLU, 1e22, served=1e12)
    back = plan(BESIROGLU, loss=best.loss, served=1e12)
    assert back.n_params == pytest.approx(best.n_params, rel=1e-6)


def test_impossible_plans_are_refused() -> None:
    for call, message in (
        (lambda: plan(BESIROGLU, loss=1.8), "not above the law's floor"),
        (lambda: plan(BESIROGLU, loss=float("nan")), "not above"),
        (lambda: plan(BESIROGLU, -1), "budget in FLOPs is -1"),
        (lambda: plan(BESIROGLU, 1e20, served=-5), "served are -5"),
        (lambda: Surface(1.8, 400, 2000, 0, 0.3), "alpha is 0"),
    ):
        with pytest.raises(TasklawsError, match=message):
            call()


def test_serving_beyond_what_a_float_holds_is_refused() -> None:
    with pytest.raises(TasklawsError, match="no plan for 1e"):
        plan(Surface(1.8, 480.0, 2000.0, 0.35, 0.37), 1e21, served=1e308)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"params": {"E": 1' + "0" * 400 + ', "A": 2, "B": 3, "alpha": 0.3, "beta": 0.3}}', "too large"),
        ('{"params": {"E": 1, "A": -2, "B": 3, "alpha": 0.3, "beta": 0.3}}', "A is -2"),
        ('{"a": 1}', "malformed fit"),
    ],
)
def test_a_file_that_is_no_law_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(TasklawsError, match=said) as refusal:
        read_law(path)
    assert str(refusal.value).startswith(f"{path}: ")
