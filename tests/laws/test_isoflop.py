"""Compute-optimal sizes by three approaches: they agree where they should, and say why where they cannot."""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import accuracies, published

from shared_data import shared
from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.isoflop import budgets_of, isoflop
from tasklaws.laws.polynomials import lowest_points
from tasklaws.tables import ISOFLOP_BUDGETS, ISOFLOP_FRONTIERS
from tasklaws.tabular.points import read_curves

BUDGETS = (1e18, 1e19, 1e20, 1e21)


def profiles(budgets=BUDGETS, n_sizes=7, width=8.0, off=1.0, alpha=0.35, beta=0.37, noise=0.0, seed=0) -> pd.DataFrame:
    """Runs of several sizes around the best one of each budget, times `off`, on a Chinchilla surface."""
    size, data = 480.0, 2100.0
    scale = (alpha * size / (beta * data)) ** (1 / (alpha + beta))
    flops = np.repeat(budgets, n_sizes)
    spread = np.tile(np.geomspace(1 / width, width, n_sizes), len(budgets))
    n_params = off * spread * scale * (flops / 6) ** (beta / (alpha + beta))
    n_tokens = flops / (6 * n_params)
    value = 1.8 + size * n_params**-alpha + data * n_tokens**-beta
    value *= np.exp(noise * np.random.default_rng(seed).standard_normal(len(value)))
    return pd.DataFrame({"n_params": n_params, "train_flops": flops, "metric": "loss", "value": value})


@given(
    alpha=st.floats(0.25, 0.45),
    beta=st.floats(0.25, 0.45),
    width=st.floats(3, 12),
    off=st.floats(0.6, 1.6),
    n_sizes=st.integers(6, 10),
)
@settings(max_examples=15, deadline=None)
def test_approaches_2_and_3_agree_to_1_percent_on_a_surface(
    alpha: float, beta: float, width: float, off: float, n_sizes: int
) -> None:
    found = isoflop(profiles(alpha=alpha, beta=beta, width=width, off=off, n_sizes=n_sizes), replicates=0)
    rows = found.frontiers.set_index("approach")
    assert rows.loc["parametric", "a"] == pytest.approx(beta / (alpha + beta), rel=1e-4)
    assert rows.loc["isoflop", "a"] == pytest.approx(rows.loc["parametric", "a"], rel=0.01)
    assert rows.loc["isoflop", "b"] == pytest.approx(rows.loc["parametric", "b"], rel=0.01)
    assert found.optimum(1e20) == pytest.approx(found.optimum(1e20, "parametric"), rel=0.01)


def test_the_exponent_is_the_least_squares_one_of_the_minima() -> None:
    found = isoflop(profiles(noise=0.004), replicates=100)
    minima = found.budgets.dropna(subset="n_params")
    for column, exponent, scale in (("n_params", "a", "k"), ("n_tokens", "b", "q")):
        slope, start = np.polyfit(np.log(minima["train_flops"]), np.log(minima[column]), 1)
        row = found.frontiers.set_index("approach").loc["isoflop"]
        assert (row[exponent], row[scale]) == pytest.approx((slope, np.exp(start)))
        assert row[f"{exponent}_low"] < row[exponent] < row[f"{exponent}_high"]
    assert (minima["n_params_low"] < minima["n_params"]).all()


def test_the_minimum_of_a_parabola_is_where_it_is() -> None:
    assert lowest_points(np.array([[1.0, -0.6, 1.0], [1.0, 3.0, 1.0], [1.0, 0.0, -1.0]])) == pytest.approx(
        [0.3, np.nan, np.nan], nan_ok=True
    )


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.37 / 0.72
    held = {"isoflop": 0, "parametric": 0}
    for seed in range(20):
        rows = isoflop(profiles(noise=0.003, seed=seed, width=5), replicates=60).frontiers.set_index("approach")
        for name in held:
            held[name] += rows.loc[name, "a_low"] <= truth <= rows.loc[name, "a_high"]
    assert min(held.values()) >= 14


def test_a_budget_without_a_minimum_inside_is_left_out_with_the_reason() -> None:
    good = profiles()
    only_small = profiles(budgets=(1e22,), off=0.02, width=3)
    few = profiles(budgets=(1e17,), n_sizes=3)
    found = isoflop(pd.concat([good, only_small, few]), replicates=20)
    reasons = found.budgets.set_index(found.budgets["train_flops"].map("{:.0e}".format))["left_out"]
    assert reasons["1e+22"] == "the loss still falls towards the largest size: no minimum inside"
    assert reasons["1e+17"] == "3 sizes, 4 are needed"
    assert (reasons[["1e+18", "1e+19", "1e+20", "1e+21"]] == "").all()
    assert found.frontiers.set_index("approach").loc["isoflop", "n_points"] == 4
    assert "none: the loss still falls towards the largest size" in found.summary()


def test_runs_that_diverged_count_nowhere() -> None:
    found = isoflop(read_curves(shared("cases/m21_diverged.csv")), replicates=20)
    rows = found.frontiers.set_index("approach")
    assert rows.loc["isoflop", "a"] == pytest.approx(0.28 / 0.62, abs=2e-3)
    assert "6 runs left out as outliers of the parametric fit (`parametric`)" in found.notes
    assert found.runs["loss"].max() < 5


def test_the_published_runs_ask_for_size_and_tokens_alike() -> None:
    """Hoffmann et al. 2022, table 2: a .50, .49, .46; Besiroglu et al. 2024: .51 for the third."""
    found = isoflop(read_curves(published("chinchilla_points.csv")), replicates=40)
    assert found.frontiers["a"].between(0.46, 0.54).all()
    ratio = [found.optimum(5.76e23, name) for name in ("isoflop", "parametric")]
    assert all(10 < tokens / size < 40 for size, tokens in ratio)


@given(jitter=st.floats(0, 0.08), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_budgets_are_found_whatever_their_compute_is_off_by(jitter: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(4), 6)
    order = rng.permutation(24)
    log_flops = np.log(np.repeat(BUDGETS, 6)) + rng.uniform(-jitter, jitter, 24)
    found = budgets_of(log_flops[order], np.tile(np.arange(6.0), 4)[order])
    assert found.tolist() == truth[order].tolist()


def test_runs_alone_at_their_compute_have_no_budget() -> None:
    assert budgets_of(np.log([1e18, 1e19, 1.05e19]), np.array([1.0, 1.0, 2.0])).tolist() == [-1, 0, 0]
    assert budgets_of(np.log([1e19, 1.05e19]), np.array([1.0, 1.0])).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (accuracies(np.linspace(0.3, 0.9, 9)).assign(n_tokens=1e9), "isoFLOP profiles are of losses"),
        (profiles(n_sizes=2, budgets=(1e18,)), "no approach finds a frontier"),
        (pd.concat([profiles().assign(ladder=name) for name in "xy"]), "of one ladder, not of x, y"),
        (profiles().drop(columns="train_flops"), "needs n_tokens"),
    ],
)
def test_what_no_approach_can_use_is_refused(table: pd.DataFrame, said: str) -> None:
    with pytest.raises(TasklawsError, match=said) as refusal:
        isoflop(table, replicates=0)
    assert len(str(refusal.value)) <= 500


def test_an_approach_without_a_frontier_says_so() -> None:
    found = isoflop(profiles(budgets=(1e18, 1e19), n_sizes=3), replicates=0)
    with pytest.raises(TasklawsError, match="approach isoflop has no frontier: 0 budget"):
        found.optimum(1e20)
    with pytest.raises(TasklawsError, match="no approach 'best': choose one of envelope, isoflop, parametric"):
        found.optimum(1e20, "best")


def test_the_command_writes_tables_and_a_figure_that_stay_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profiles(noise=0.002).rename(columns={"value": "loss"}).drop(columns="metric").to_csv(
        tmp_path / "runs.csv", index=False
    )
    for name in ("first", "second"):
        words = ["isoflop", str(tmp_path / "runs.csv"), "--replicates", "20", "--out", str(tmp_path / name), "--json"]
        with mock.patch.object(sys, "argv", ["tasklaws", *words]):
            cli.main()
    found = json.loads(capsys.readouterr().out.splitlines()[0])
    assert [row["approach"] for row in found["frontiers"]] == ["envelope", "isoflop", "parametric"]
    assert found["parametric"]["status"] == "converged"
    assert any(note.startswith("n_tokens of 28 ") for note in found["notes"])
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["budgets.csv", "frontiers.csv", "isoflop.svg", "summary.json"]
    assert all((tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes() for name in names)
    assert len(ISOFLOP_BUDGETS.read(tmp_path / "first/budgets.csv")) == 4
    assert len(ISOFLOP_FRONTIERS.read(tmp_path / "first/frontiers.csv")) == 3
