"""Plans are optima."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ladders import chinchilla
from scipy.optimize import minimize_scalar

from tasklaws.core.errors import TasklawsError
from tasklaws.laws.fitting import fit
from tasklaws.laws.planning import Surface, plan, read_law
from tasklaws.laws.status import Status

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
        ('{"a": 1}', "this is no fit .its keys: 'a'.: give what `tasklaws fit"),
    ],
)
def test_a_file_that_is_no_law_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(text)
    with pytest.raises(TasklawsError, match=said) as refusal:
        read_law(path)
    assert str(refusal.value).startswith(f"{path}: ")


def runs(sizes: np.ndarray, tokens: np.ndarray, noise: float = 0.002, seed: int = 0) -> pd.DataFrame:
    both = [part.ravel() for part in np.meshgrid(sizes, tokens)]
    table = pd.DataFrame(dict(zip(("n_params", "n_tokens"), both, strict=True)))
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(table)))
    return table.assign(value=chinchilla(table) * scatter, metric="loss")


WIDE = runs(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5))
NARROW = runs(np.geomspace(1e7, 2e7, 3), np.geomspace(1e9, 2e9, 3), noise=0.008)
ONE_TOKENS = runs(np.geomspace(1e7, 1e9, 6), np.array([1e10]))


@given(
    flops=st.floats(1e18, 2e20),
    served=st.sampled_from([0.0, 1e10]),
    table=st.sampled_from([WIDE, NARROW]),
    seed=st.integers(0, 5),
)
@settings(max_examples=12, deadline=None)
def test_an_interval_holds_its_estimate_and_the_truth_where_points_tell_little(
    flops: float, served: float, table: pd.DataFrame, seed: int
) -> None:
    found = fit(table, "chinchilla", replicates=20, seed=seed)
    best = plan(found, flops, served=served)
    truth = plan(Surface(E=1.8, A=480, B=2100, alpha=0.35, beta=0.37), flops, served=served)
    for name, (low, high) in best.interval.items():
        assert low <= getattr(best, name) <= high
        assert found.status == "converged" or low <= getattr(truth, name) <= high
    if found.status != "converged":
        low, high = best.interval["n_params"]
        assert high / low > 10
        assert best.notes[0].startswith(f"the fit is {found.status}")


def test_a_plan_by_a_fit_that_points_do_not_determine_is_wide_or_refused() -> None:
    narrow = fit(NARROW, "chinchilla", replicates=20)
    assert narrow.status == "unidentified"
    assert "the intervals are all that its points allow" in plan(narrow, 1e21).summary()
    for table in (ONE_TOKENS, WIDE.iloc[:4]):
        found = fit(table, "chinchilla", replicates=20)
        assert found.status == "unidentified"
        with pytest.raises(TasklawsError, match="no plan") as refusal:
            plan(found, 1e21)
        assert "fit runs whose sizes and tokens vary apart" in str(refusal.value)
        assert len(str(refusal.value)) <= 500


def test_a_failed_fit_plans_nothing() -> None:
    found = replace(
        fit(WIDE, "chinchilla", replicates=5), status=Status.FAILED, reason="the search did not come to rest"
    )
    with pytest.raises(TasklawsError, match=r"the fit failed \(the search did not come to rest\), so that nothing"):
        plan(found, 1e21)


def test_refits_that_cannot_reach_a_loss_leave_its_ends_open() -> None:
    found = fit(WIDE, "chinchilla", replicates=20)
    draws = found.draws.copy()
    draws[:8, :, 0] = 2.5
    best = plan(replace(found, draws=draws), loss=2.3)
    assert best.interval["n_params"] == (None, None)
    assert "8 of 20 refits of the bootstrap have no such plan" in best.notes
    assert "open to open" in best.summary()
    assert json.loads(json.dumps(best.to_dict(), allow_nan=False))["interval"]["n_params"] == [None, None]


def test_how_far_a_plan_goes_beyond_the_runs_is_said() -> None:
    best = plan(fit(WIDE, "chinchilla", replicates=5), 6e24)
    assert best.notes == ("training takes 1e+04 times the FLOPs of the largest run that was fitted",)


@pytest.mark.parametrize("status", ["failed", "unidentified", "bound_hit"])
def test_a_files_status_is_heeded_without_its_points(status: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    params = {"E": 1.8, "A": 480, "B": 2100, "alpha": 0.35, "beta": 0.37}
    path.write_text(json.dumps({"params": params, "status": status}))
    with pytest.raises(TasklawsError, match=f"the fit is {status}, and without its points"):
        read_law(path)
    path.write_text(json.dumps({"params": params, "status": "converged"}))
    assert read_law(path) == Surface(**params)


@given(
    content=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=30),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["params", "draws", "law", "status", "E", "alpha"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_that_is_no_fit_is_read_and_each_is_told_what_to_give(content: object, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(content))
    with pytest.raises(TasklawsError, match="tasklaws fit") as refusal:
        read_law(path)
    assert str(refusal.value).startswith(str(path))
    assert len(str(refusal.value)) <= 500
