"""Tables as people have them: runs that failed or were not tuned, repeated runs, no tokens, rising quantities, no
items."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ladders import SIZES, accuracies, chinchilla, grid_of_models, losses, published

from shared_data import shared
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.batch import UNDERTUNED
from tasklaws.laws.fitting import fit
from tasklaws.laws.outliers import outliers
from tasklaws.laws.result import Fit
from tasklaws.tabular.points import read_curves

SURFACE = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
HOFFMANN = {"floor": 1.69, "size": 406.4, "data": 410.7, "alpha": 0.34, "beta": 0.28}
# Of Epoch's 245 runs (Besiroglu et al. 2024, arXiv 2404.10102; github.com/Besiroglu/data, svg_extracted_data.csv) those
# that chinchilla_points.csv lacks. The first five, of fewest tokens a parameter, are left out there.
MISSING = pd.DataFrame(
    [
        (6.7956e9, 9.993853e18, 5.005582),
        (2.979521e9, 9.227541e18, 4.665232),
        (2.638631e9, 9.753047e18, 3.765563),
        (2.282804e9, 9.622708e18, 3.793872),
        (2.006673e9, 9.771731e18, 3.446995),
        (1.730543e9, 9.08579e18, 3.395738),
        (1.793809e9, 8.811341e18, 3.405928),
        (1.609079e9, 9.746414e18, 3.285638),
        (1.429233e9, 9.720362e18, 3.183878),
        (1.265593e9, 9.389745e18, 3.131834),
        (1.25689797e10, 6.0818471e20, 2.524086),
    ],
    columns=["n_params", "train_flops", "value"],
)


def surface(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(value=chinchilla(rows, **HOFFMANN), metric="loss").reset_index(drop=True)


@given(
    failed=st.lists(st.integers(0, 29), min_size=1, max_size=8, unique=True),
    at=st.floats(8, 40),
    noise=st.sampled_from([0.0, 0.003]),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_failed_runs_among_good_ones_are_named_and_change_nothing(
    failed: list[int], at: float, noise: float, seed: int
) -> None:
    table = surface(grid_of_models(seed).iloc[:30])
    table["value"] *= np.exp(noise * np.random.default_rng(seed).standard_normal(30))
    spoilt = table.assign(model=[f"m{row}" for row in range(30)])
    spoilt.loc[failed, "value"] = at
    found = fit(spoilt, "chinchilla", replicates=0)
    assert set(found.outliers["model"]) == {f"m{row}" for row in failed}
    clean = fit(table.drop(index=failed), "chinchilla", replicates=0)
    assert found.status == clean.status
    assert found.params == pytest.approx(clean.params, rel=1e-3)
    assert all(f"outlier: model m{row}, " in found.summary() for row in failed)


def test_diverged_runs_of_a_grid_leave_its_fit_converged() -> None:
    found = fit(read_curves(shared("cases/m21_diverged.csv")), "chinchilla", replicates=0)
    assert (found.status, len(found.outliers)) == ("converged", 6)
    assert (found.outliers["value"] == 11).all()
    assert found.params == pytest.approx(SURFACE, rel=1e-3)
    assert len(found.to_dict()["outliers"]) == 6


def test_epochs_digitisation_gives_the_published_surface_and_names_what_was_left_out(tmp_path: Path) -> None:
    """As model size, FLOPs and loss: 1.817, 482, 2085, .348 and .366, within ours and within the published errors."""
    runs = pd.concat([read_curves(published("chinchilla_points.csv")), MISSING], ignore_index=True)
    names = {"n_params": "Model Size", "train_flops": "Training FLOP", "value": "loss"}
    runs[list(names)].rename(columns=names).to_csv(tmp_path / "epoch.csv", index=False)
    table = read_curves(tmp_path / "epoch.csv")
    assert any("6" in note and "n_tokens" in note for note in table.attrs["notes"]), "D by C = 6 N D"
    found = fit(table, "chinchilla", replicates=100)
    assert (found.status, found.n_points) == ("converged", 245)
    assert set(MISSING["value"][:5]) <= set(found.outliers["value"].round(6))
    besiroglu = {"E": 1.817, "A": 482, "B": 2085, "alpha": 0.348, "beta": 0.366}
    published_stderr = {"E": 0.03, "A": 124.58, "B": 1293.23, "alpha": 0.02, "beta": 0.02}
    for name, value in besiroglu.items():
        assert abs(found.params[name] - value) < min(published_stderr[name], found.stderr[name] or 0)


def test_noise_alone_has_no_outliers() -> None:
    rng = np.random.default_rng(0)
    named = 0
    for _ in range(40):
        rows = losses((1.5 + 60 * SIZES**-0.25) * np.exp(0.01 * rng.standard_normal(9)))
        named += len(fit(rows, "power", replicates=0).outliers)
    assert named <= 1


def test_many_points_far_off_are_a_wrong_law_and_no_outliers() -> None:
    residual = np.array([0.0] * 8 + [1e-5] * 4 + [0.5] * 8)
    assert not outliers(residual, 3).any()
    assert outliers(residual[:13], 3).sum() == 1
    assert not outliers(np.array([0.0, 0.0, 0.0, 5.0, 5.0]), 3).any()


def test_a_run_better_than_the_law_is_named_and_still_pulls() -> None:
    table = losses(1.5 + 60 * SIZES**-0.25).assign(model=list("abcdefghi"))
    table.loc[8, "value"] = 0.4
    found = fit(table, "power", replicates=0)
    assert found.outliers["model"].tolist() == ["i"]
    assert found.objective > 1e-4


@given(
    scale=st.floats(1, 1e6),
    exponent=st.floats(-1.5, 1.5).filter(lambda value: abs(value) > 0.1),
    law=st.sampled_from(["power", "pure_power"]),
)
@settings(max_examples=25)
def test_a_power_law_of_either_sign_is_recovered_and_its_trend_said(scale: float, exponent: float, law: str) -> None:
    table = pd.DataFrame({"n_params": SIZES, "value": scale * (SIZES / 1e8) ** -exponent + 2, "metric": "tokens_per_s"})
    table["value"] -= 2.0 * (law == "pure_power")
    found = fit(table, law, replicates=0)
    assert found.params["a"] == pytest.approx(exponent, rel=1e-3)
    assert found.trend == ("falls" if exponent > 0 else "rises")
    assert f"the value {found.trend} with n_params" in found.summary()


def test_a_quantity_that_rises_to_a_ceiling_is_recovered() -> None:
    table = pd.DataFrame({"n_params": SIZES, "value": 50 - 300 * SIZES**-0.3, "metric": "elo"})
    found = fit(table, "saturating", replicates=0)
    assert found.params == pytest.approx({"E": 50, "A": 300, "a": 0.3}, rel=1e-4)
    assert found.status == "converged"


def test_no_law_converges_at_an_exponent_of_zero() -> None:
    rising = grid_of_models()
    rising = rising.assign(
        value=2 + 0.01 * rising["n_params"] ** 0.2 + 2100 * rising["n_tokens"] ** -0.37, metric="loss"
    )
    assert fit(rising, "chinchilla", replicates=0).status in ("bound_hit", "unidentified")
    for law in ("m1", "m2", "m3", "m4"):
        table = pd.DataFrame({"n_tokens": SIZES, "value": 3 * SIZES**0.1, "metric": "loss"})
        assert fit(table, law, replicates=0).status != "converged"
    falling = accuracies(np.linspace(0.9, 0.3, 9))
    assert fit(falling, "power", replicates=0).status != "converged"


@pytest.mark.parametrize(("bend", "status"), [(0.0, "unidentified"), (0.004, "converged"), (-0.004, "converged")])
def test_a_u_shape_whose_sign_is_open_is_unidentified(bend: float, status: str) -> None:
    line = 0.5 + 0.01 * np.log(SIZES / 1e8) * (bend == 0)
    found = fit(accuracies(line + bend * np.log(SIZES / 1e8) ** 2, n_items=2000, chance=None), "u_shape", replicates=0)
    assert found.status == status
    assert bend == 0 or np.sign(found.params["k"]) == np.sign(bend)
    assert bend != 0 or found.reason == "the points do not determine the sign of k"


@pytest.mark.parametrize("metric", ["val_bpb", "eval/loss", "bpb"])
def test_a_loss_below_one_is_a_loss_by_its_name(metric: str) -> None:
    value = 0.5 + 3.39 * np.geomspace(1e7, 3e8, 4) ** -0.12
    found = fit(
        pd.DataFrame({"n_params": np.geomspace(1e7, 3e8, 4), "value": value, "metric": metric}), "power", replicates=0
    )
    assert (found.kind, found.better) == ("loss", "down")
    assert found.params == pytest.approx({"E": 0.5, "A": 3.39, "a": 0.12}, rel=1e-3)


def test_a_stated_direction_counts_before_the_name() -> None:
    table = losses(0.5 + 3.39 * SIZES**-0.12).assign(metric="gap", higher_is_better=False)
    assert fit(table, "power", replicates=0).kind == "loss"
    mixed = table.assign(higher_is_better=[True, *[False] * 8])
    with pytest.raises(TasklawsError, match="higher_is_better says True of some rows and False of others"):
        fit(mixed, "power", replicates=0)


def test_unknown_items_are_bounded_and_said_and_borrowed_from_other_points() -> None:
    value = np.linspace(0.3, 0.7, 9) + np.tile([0.04, -0.04, 0.0], 3)
    table = accuracies(value).drop(columns="n_items")
    found = fit(table, "logistic", replicates=30)
    assert found.notes[0].startswith("n_items of 9 of 9 points is unknown: taken as worth ")
    sure = fit(accuracies(value, n_items=10_000), "logistic", replicates=30)
    low, high = found.predict_interval(1e11)
    sure_low, sure_high = sure.predict_interval(1e11)
    assert high[0] - low[0] > sure_high[0] - sure_low[0]
    borrowed = fit(table.assign(n_items=[500, *[np.nan] * 8]), "logistic", replicates=0)
    assert "taken as worth 500 items" in borrowed.notes[0]
    assert not fit(accuracies(value), "logistic", replicates=0).notes


@given(missing=st.lists(st.integers(0, 59), min_size=1, max_size=60, unique=True))
@settings(max_examples=10)
def test_tokens_are_worked_out_from_size_and_compute_wherever_they_are_missing(missing: list[int]) -> None:
    table = surface(grid_of_models())
    without = table.assign(train_flops=6 * table["n_params"] * table["n_tokens"])
    without.loc[missing, "n_tokens"] = np.nan
    found = fit(without, "chinchilla", replicates=0)
    assert found.params == pytest.approx(SURFACE, rel=1e-5)
    assert found.notes == (
        f"n_tokens of {len(missing)} of 60 rows was worked out by D = C / (6 N), C being train_flops and N n_params",
    )
    assert found.to_dict()["notes"] == list(found.notes)


def test_the_best_of_repeated_runs_is_taken_whichever_way_is_better() -> None:
    table = surface(grid_of_models())
    worse = table.assign(value=table["value"] * 1.1)
    found = fit(pd.concat([worse, table, worse]), "chinchilla", best_run=True, replicates=0)
    assert found.params == pytest.approx(SURFACE, rel=1e-5)
    assert set(found.left_out.values()) == {"another run with the same inputs is better"}
    assert len(found.left_out) == 120
    scores = accuracies(np.linspace(0.3, 0.9, 9))
    both = pd.concat([scores.assign(value=scores["value"] - 0.1), scores])
    assert fit(both, "logistic", best_run=True, replicates=0).points["row"].tolist() == list(range(9, 18))
    unknown = pd.DataFrame({"n_params": SIZES, "value": SIZES, "metric": "gap"})
    with pytest.raises(TasklawsError, match=r"which run is best.*higher_is_better"):
        fit(unknown, "pure_power", best_run=True)


def test_one_side_recovers_the_law_of_the_tuned_runs() -> None:
    rng = np.random.default_rng(0)
    table = surface(grid_of_models())
    undertuned = rng.random(60) < 0.5
    table["value"] *= np.exp(0.002 * rng.standard_normal(60) + undertuned * rng.exponential(0.03, 60))
    truth = chinchilla(table, **HOFFMANN)

    def bias(loss_function: str) -> float:
        found = fit(table, "chinchilla", loss_function=loss_function, replicates=0)
        return float(np.mean(np.log(found.predict(table) / truth)))

    assert abs(bias("one_sided")) < 0.5 * bias("huber")
    found = fit(table, "chinchilla", loss_function="one_sided", replicates=3)
    assert f"counting {UNDERTUNED:g}" in found.checklist()["objective"]
    assert Fit.from_dict(json.loads(json.dumps(found.to_dict()))).loss_function == "one_sided"
    rising = pd.DataFrame({"n_params": SIZES, "value": 3 * SIZES**0.3, "metric": "elo"})
    rising.loc[4, "value"] *= 0.97
    one = fit(rising, "pure_power", loss_function="one_sided", replicates=0)
    assert one.params == pytest.approx({"A": 3, "a": -0.3}, rel=1e-4)
    with pytest.raises(TasklawsError, match="a one-sided fit is of losses"):
        fit(accuracies(np.linspace(0.3, 0.9, 9)), "logistic", loss_function="one_sided")
    with pytest.raises(TasklawsError, match="which side of the law is undertuned"):
        fit(rising.assign(metric="gap"), "pure_power", loss_function="one_sided")
    with pytest.raises(TasklawsError, match="unknown loss function 'pinball': choose one of huber, squares, one_sided"):
        fit(rising, "pure_power", loss_function="pinball")


@given(seed=st.integers(0, 999), exponent=st.floats(0.3, 0.7))
@settings(max_examples=10)
def test_squares_are_least_squares_of_logarithms(seed: int, exponent: float) -> None:
    flops = np.geomspace(1e18, 1e21, 7)
    sizes = 0.1 * flops**exponent * np.exp(0.05 * np.random.default_rng(seed).standard_normal(7))
    table = pd.DataFrame({"train_flops": flops, "value": sizes, "metric": "n_params_best"})
    found = fit(table, "pure_power", loss_function="squares", replicates=0)
    slope, start = np.polyfit(np.log(flops), np.log(sizes), 1)
    assert found.params == pytest.approx({"A": np.exp(start), "a": -slope}, rel=1e-6)


def test_the_checklist_of_a_law_is_filled_in() -> None:
    table = surface(grid_of_models()).assign(model=[f"m{row // 2}" for row in range(60)], task="val")
    found = fit(table, "chinchilla", replicates=3)
    said = found.checklist()
    assert said["fitted"] == "loss of val"
    assert said["points"] == "60 of 30 models on 1 ladder(s)"
    assert said["uncertainty"].startswith("3 refits")
    assert f"n_params / {table['n_params'].max():.4g}" in said["extrapolation"]
    assert all(line in found.summary() for line in said.values())
    assert json.loads(json.dumps(found.to_dict()))["checklist"] == said
