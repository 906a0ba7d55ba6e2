"""The three stages on a made-up ladder, through their files."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic import SMOOTH, Family, Ladder

from tasklaws.claims.check import check
from tasklaws.claims.file import read_claim
from tasklaws.claims.vouched import rests_on
from tasklaws.core.files import sha256_file
from tasklaws.core.settings import Laws
from tasklaws.forecast.curve_fits import fit_curve
from tasklaws.forecast.fits_file import load_fits
from tasklaws.laws.fitting import fit
from tasklaws.tables import PLANNED, CurveKey, is_loss

STAGES = Path(__file__).parents[2] / "stages"
RESULTS = Path("results/made_up")
OUTPUTS = [
    RESULTS / name
    for name in (
        "fits.json",
        "mirage.csv",
        "structure.csv",
        "forecasts.csv",
        "methods.csv",
        "bands.csv",
        "planned.csv",
        "item_forecasts.csv",
        "gate/holdout.json",
        "validation.csv",
        "surprises.csv",
        "surprise_counts.csv",
        "surprising_skills.csv",
        "metrics.json",
    )
]


def run(*names):
    for name in names:
        runpy.run_path(str(STAGES / f"{name}.py"), run_name="__main__")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The default made-up ladder, through all four stages."""
    root = tmp_path_factory.mktemp("ladder")
    Ladder().write(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        run("fit", "structure", "forecast", "validate")
    return root


@pytest.fixture
def ladder(finished, tmp_path, monkeypatch):
    """A copy of it to be changed."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(**changes):
    return Ladder(**{"families": (SMOOTH,), **changes})


def start(ladder, root, monkeypatch):
    ladder.write(root)
    monkeypatch.chdir(root)


def forecasts(root=Path()):
    return pd.read_csv(root / RESULTS / "forecasts.csv").set_index(["family", "elicitation", "metric"])


def error(capsys, *names):
    with pytest.raises(SystemExit):
        run(*names)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_every_curve_has_a_forecast_inside_its_interval_and_range(finished):
    table = forecasts(finished)
    assert len(table) == 15
    assert (table["lower"] <= table["predicted"]).all()
    assert (table["predicted"] <= table["upper"]).all()
    metric = table.index.get_level_values("metric")
    loss = metric.map(is_loss)
    assert table.loc[:, ["predicted", "repeat_last", "equivalent_items"]].notna().all().all()
    assert (table["chance"].notna() == (metric == "exact_match")).all()
    for name, expected in (("logistic", ~loss), ("two_step", ~loss), ("power", loss)):
        assert (table[name].notna() == expected).all(), name
    assert table.loc[~loss, ["lower", "upper"]].stack().between(0, 1).all()
    assert table["upper"].xs("brier", level="metric").between(0, 2).all()
    assert set(table["rung"]) == {"n100000"}


def test_verdicts_follow_the_truth_behind_each_curve(finished):
    verdicts = forecasts(finished)["verdict"]
    # A rise is seen; whether 100 items tell it well enough to be carried on is for the engine to say.
    assert verdicts["addition", "direct", "exact_match"] in ("lawful", "too few items", "noisy")
    assert verdicts["corpus", "likelihood", "loss_nats"] == "lawful"
    assert verdicts["sha256_power", "python", "exact_match"] == "discontinuous"
    assert verdicts["guessing", "choice", "exact_match"] == "at the floor"
    assert verdicts["gauss_sum", "direct", "exact_match"] == "at the floor"
    assert verdicts["gauss_sum", "direct", "target_bits_per_byte"] == "lawful"


def test_forecasts_hold_on_the_made_up_ladder(finished):
    table = pd.read_csv(finished / RESULTS / "validation.csv")
    assert table["inside"].mean() >= 0.8
    assert table["error"].to_numpy() == pytest.approx((table["predicted"] - table["observed"]).to_numpy(), abs=1e-9)
    assert table["abs_error"].sum() < table["abs_error_repeat_last"].sum()


def test_metrics_sum_up_the_validation(finished):
    metrics = json.loads((finished / RESULTS / "metrics.json").read_text())
    table = pd.read_csv(finished / RESULTS / "validation.csv")
    solved = table[table["metric"] == "exact_match"]
    assert metrics["exact_match"]["n"] == 4
    assert metrics["exact_match"]["mae_forecast"] == pytest.approx(solved["abs_error"].mean(), abs=1e-6)
    assert metrics["exact_match"]["mae_chance"] == pytest.approx(solved["abs_error_chance"].mean(), abs=1e-6)
    assert metrics["exact_match"]["coverage"] == pytest.approx(solved["inside"].mean())
    assert metrics["exact_match"]["log_score"] == pytest.approx(solved["log_score"].mean(), abs=1e-6)
    assert "mae_chance" not in metrics["loss_nats"]
    methods = pd.read_csv(finished / RESULTS / "methods.csv").query("metric == 'exact_match'")
    assert set(metrics["methods"]) == set(methods["method"])
    assert metrics["methods"]["repeat_last"]["mae"] == pytest.approx(
        metrics["exact_match"]["mae_repeat_last"], abs=1e-6
    )
    assert metrics["items"]["n"] == 400
    assert set(metrics["families"]) == {
        "addition_direct@n100000",
        "gauss_sum_direct@n100000",
        "guessing_choice@n100000",
        "sha256_power_python@n100000",
    }


def test_items_average_to_their_family(finished):
    items = pd.read_csv(finished / RESULTS / "item_forecasts.csv")
    predicted = forecasts(finished)["predicted"].xs("exact_match", level="metric")
    for (family, elicitation), part in items.groupby(["family", "elicitation"]):
        assert part["probability"].mean() == pytest.approx(predicted[family, elicitation], abs=0.03)
        assert part["probability"].between(0.0, 1.0, inclusive="neither").all()


def test_surprises_are_ranked_by_evidence_and_name_skills(finished):
    table = pd.read_csv(finished / RESULTS / "surprises.csv")
    assert len(table)
    assert table["evidence_bits"].is_monotonic_decreasing
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    surprising = table["surprise"] != "as expected"
    assert (surprising == (table["evidence_bits"] > 1)).all()
    above = table["n_solved"] > table["expected"] * table["n_seeds"]
    assert (above[surprising] == (table.loc[surprising, "surprise"] == "solved against expectation")).all()
    assert table.loc[table["family"] == "addition", "skills"].str.startswith("carry digits").all()


def test_the_same_inputs_give_the_same_bytes_whatever_their_order(ladder):
    before = {path: path.read_bytes() for path in OUTPUTS}
    for path in [*RESULTS.glob("observations_*.csv"), *Path("scores").rglob("*.csv")]:
        table = pd.read_csv(path, keep_default_na=False, dtype=str)
        table.sample(frac=1, random_state=1).to_csv(path, index=False, lineterminator="\n")
    run("fit", "structure", "forecast", "validate")
    assert {path: path.read_bytes() for path in OUTPUTS} == before


def test_a_holdout_never_influences_its_forecast(ladder):
    """Only checkpoints that are final, of rungs that are fit, count: holdout scores and others may say anything."""
    before = {path: path.read_bytes() for path in OUTPUTS[:9]}
    for path in [RESULTS / "observations_holdout.csv", *Path("scores/made_up/holdout").glob("*.csv")]:
        path.write_text("perturbed")
    table = pd.read_csv(RESULTS / "observations_fit.csv")
    table.loc[~table["is_final"], "value"] = 0.123
    table.to_csv(RESULTS / "observations_fit.csv", index=False)
    Path("scores/made_up/fit/stale.csv").write_text("of a rung that params no longer list")
    run("fit", "structure", "forecast")
    assert {path: path.read_bytes() for path in OUTPUTS[:9]} == before
    # And the test can tell: the losses of the fit rungs do move it.
    table.loc[table["metric"] == "loss_nats", "value"] *= table["n_params"] ** -0.1
    table.to_csv(RESULTS / "observations_fit.csv", index=False)
    run("fit", "forecast")
    assert (RESULTS / "forecasts.csv").read_bytes() != before[RESULTS / "forecasts.csv"]


def test_the_gate_of_the_holdout_is_of_the_forecasts_that_were_written(finished):
    results = finished / RESULTS
    gate = json.loads((results / "gate/holdout.json").read_text())
    assert gate == {"sha256": sha256_file(results / "forecasts.csv"), "table": "forecasts.csv"}


def test_claims_are_of_the_forecasts_and_know_no_holdout(ladder):
    claims = {path.stem: path.read_bytes() for path in (RESULTS / "claims").iterdir()}
    assert set(claims) == {"holdout", "planned"}
    for name, table in (("holdout", "forecasts.csv"), ("planned", "planned.csv")):
        claim = read_claim(RESULTS / f"claims/{name}.json")
        rows = pd.read_csv(RESULTS / table).query("metric == 'exact_match'")
        rows = rows.assign(task=rows["family"] + "_" + rows["elicitation"]).set_index(["rung", "task"]).sort_index()
        said = claim.table.set_index(["model", "task"]).sort_index()
        assert said[["predicted", "lower", "upper", "last"]].to_numpy().tolist() == (
            rows[["predicted", "lower", "upper", "repeat_last"]].to_numpy().tolist()
        )
        assert {each.state for each in rests_on(claim, RESULTS / "claims")} == {"as recorded"}
        assert "observations_holdout" not in str(claim.rests_on)
    for path in [RESULTS / "observations_holdout.csv", *Path("scores/made_up/holdout").glob("*.csv")]:
        path.unlink()
    run("forecast")
    assert {path.stem: path.read_bytes() for path in (RESULTS / "claims").iterdir()} == claims


def test_the_claim_of_the_holdout_is_judged_by_the_ladders_points(ladder):
    found = check(RESULTS / "claims/holdout.json", RESULTS / "points.csv")
    validation = pd.read_csv(RESULTS / "validation.csv").query("metric == 'exact_match'")
    assert found.verdict in ("PASS", "FAIL")
    assert found.figures["held"] == validation["inside"].sum()
    assert found.figures["mean_error"] == pytest.approx(100 * validation["abs_error"].mean(), abs=1e-5)
    repeat = 100 * validation["abs_error_repeat_last"].mean()
    assert found.figures["mean_error_of_repeating_the_last"] == pytest.approx(repeat, abs=1e-5)


def test_planned_models_are_forecast_and_never_asked(ladder):
    planned = yaml.safe_load(Path("params.yaml").read_text())["models"]["planned"]
    found = PLANNED.read(RESULTS / "planned.csv")
    assert set(found["rung"]) == set(planned)
    assert len(found) == 15 * len(planned)
    for name, one in planned.items():
        rows = found[found["rung"] == name]
        assert (rows["n_params"] == one["n_params"]).all()
        assert (rows["train_flops"] == 6 * one["n_params"] * one["n_tokens"]).all()
    assert (found["lower"] <= found["predicted"]).all()
    assert (found["predicted"] <= found["upper"]).all()
    assert not set(planned) & set(pd.read_csv(RESULTS / "forecasts.csv")["rung"])


def test_without_planned_models_their_table_is_empty_and_nothing_else_moves(ladder):
    before = {path: path.read_bytes() for path in OUTPUTS[:9] if path.name != "planned.csv"}
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["models"]["planned"] = {}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("forecast")
    assert PLANNED.read(RESULTS / "planned.csv").empty
    assert [path.name for path in (RESULTS / "claims").iterdir()] == ["holdout.json"]
    assert {path: path.read_bytes() for path in before} == before


def test_the_gate_opens_only_once_planned_models_are_forecast(ladder, monkeypatch):
    (RESULTS / "gate/holdout.json").unlink()
    monkeypatch.setattr("tasklaws.forecast.ladder.forecast_planned", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("forecast")
    assert not (RESULTS / "gate/holdout.json").exists()


def test_the_seed_moves_intervals_of_laws_and_no_forecast(ladder):
    before = {path: path.read_bytes() for path in OUTPUTS[:6]}
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "seed": 7}))
    run("fit", "structure", "forecast")
    moved = {path.name for path in OUTPUTS[:6] if path.read_bytes() != before[path]}
    assert moved == {"fits.json", "mirage.csv"}


def test_the_methods_mix_to_the_forecast(finished):
    methods = pd.read_csv(finished / RESULTS / "methods.csv")
    curves = ["family", "elicitation", "metric"]
    assert methods.groupby(curves)["weight"].sum().to_numpy() == pytest.approx(1.0)
    table = forecasts(finished)
    for key, part in methods[methods["weight"] > 0].groupby(curves):
        assert part["predicted"].min() - 1e-9 <= table.loc[key, "predicted"] <= part["predicted"].max() + 1e-9
    last = methods[methods["method"] == "repeat_last"].set_index(curves)["predicted"]
    assert last.loc[table.index].to_numpy() == pytest.approx(table["repeat_last"].to_numpy())


def test_bands_run_through_the_fit_rungs_and_the_forecast(finished):
    bands = pd.read_csv(finished / RESULTS / "bands.csv")
    seen = pd.read_csv(finished / RESULTS / "observations_fit.csv")
    seen = seen[seen["is_final"] & (seen["family"] == "corpus") & (seen["metric"] == "loss_nats")]
    band = bands[(bands["family"] == "corpus") & (bands["metric"] == "loss_nats")]
    assert band["n_params"].iloc[[0, -1]].tolist() == pytest.approx([1000, 200_000])
    assert (band["lower"] <= band["predicted"]).all()
    assert (band["predicted"] <= band["upper"]).all()
    means = seen.groupby("n_params")["value"].mean()
    told = np.interp(np.log(means.index), np.log(band["n_params"]), band["predicted"])
    assert told == pytest.approx(means.to_numpy(), rel=0.05)
    row = forecasts(finished).loc["corpus", "likelihood", "loss_nats"]
    for end in ("predicted", "lower", "upper"):
        assert np.interp(np.log(1e5), np.log(band["n_params"]), band[end]) == pytest.approx(row[end], rel=0.02)


def test_fits_say_how_each_law_ended(finished):
    curves = load_fits(finished / RESULTS / "fits.json", "made_up")
    assert len(curves) == 15
    by_curve = {curve.key: curve for curve in curves}
    (power,) = by_curve["corpus", "likelihood", "loss_nats"].laws
    assert power.status in ("converged", "unidentified")
    assert power.params["a"] == pytest.approx(0.33, abs=0.1)
    for curve in curves:
        assert (curve.difficulty is not None) == (curve.metric == "exact_match")
        for law in curve.laws:
            assert law.reason or law.status == "converged"
            for name, (lower, upper) in law.interval.items():
                assert lower <= law.params[name] <= upper


def test_fits_json_and_a_fit_have_one_form(finished):
    """What fits.json keeps of a law is what `tasklaws fit --json` prints, without points, draws and what is said of
    them."""
    seen = pd.read_csv(finished / RESULTS / "observations_fit.csv")
    seen = seen[seen["is_final"] & (seen["metric"] == "loss_nats")]
    whole = fit(seen.assign(model=seen["rung"]), "power", replicates=20, seed=0).to_dict()
    curves = json.loads((finished / RESULTS / "fits.json").read_text())["curves"]
    (kept,) = next(curve["laws"] for curve in curves if curve["metric"] == "loss_nats")
    beside = {"points", "draws", "left_out", "correlations", "outliers", "checklist", "notes", "trend"}
    assert set(whole) - set(kept) == beside | {"metric", "task", "better", "loss_function"}
    assert set(kept) <= set(whole)
    assert {name: kept[name] for name in ("law", "inputs", "units", "n_points")} == {
        name: whole[name] for name in ("law", "inputs", "units", "n_points")
    }
    assert kept["params"] == pytest.approx(whole["params"], rel=1e-7)


def test_a_law_that_cannot_be_fitted_says_why():
    row = {"family": "f", "elicitation": "direct", "metric": "brier", "value": 0.0, "rung": "r", "seed": 0}
    table = pd.DataFrame([{**row, "train_flops": 1e9, "n_params": 1e3, "n_tokens": 1e5, "chance": None}])
    curve = fit_curve(CurveKey("f", "direct", "brier"), table, pd.DataFrame(), Laws((), ("power",), 50), 0)
    assert curve.laws[0].status == "failed"
    assert "loss not above 0" in curve.laws[0].reason


@pytest.mark.parametrize("n_fit", [1, 2, 3])
def test_few_fit_rungs_repeat_the_last_and_say_so(n_fit, tmp_path, monkeypatch):
    start(small(sizes=(1000, 4600, 22_000, 46_000)[: n_fit + 1]), tmp_path, monkeypatch)
    run("fit", "structure", "forecast", "validate")
    table = forecasts()
    assert set(table["verdict"]) == {"not enough rungs"}
    assert set(table["method"]) == {"repeat_last" if n_fit < 3 else "combination"}
    assert set(table["fit_status"]) == {"unidentified" if n_fit < 3 else "converged"}
    if n_fit < 3:
        assert table["predicted"].to_numpy() == pytest.approx(table["repeat_last"].to_numpy())
    assert (table["upper"] > table["lower"]).all()


def test_several_holdouts_are_each_forecast(tmp_path, monkeypatch):
    start(small(holdouts=2), tmp_path, monkeypatch)
    run("fit", "structure", "forecast", "validate")
    table = forecasts().reset_index()
    assert set(table["rung"]) == {"n46000", "n100000"}
    widths = (table["upper"] - table["lower"])[table["metric"] == "loss_nats"]
    assert widths[table["rung"] == "n100000"].item() != widths[table["rung"] == "n46000"].item()
    assert json.loads((RESULTS / "metrics.json").read_text())["items"]["n"] == 200


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_zero_is_the_floor_and_all_one_no_signal(value, tmp_path, monkeypatch):
    family = Family("solid", slope=1.0, middle=90.0 if value == 0.0 else -90.0)
    start(small(families=(family,)), tmp_path, monkeypatch)
    run("fit", "structure", "forecast", "validate")
    row = forecasts().loc["solid", "direct", "exact_match"]
    assert row["predicted"] == pytest.approx(value, abs=1e-3)
    assert row["verdict"] == ("at the floor" if value == 0.0 else "no signal")
    assert f"rung has {value:g}" in row["evidence"]
    assert 0 < row["upper"] - row["lower"] < 0.05


def edit(path, change):
    table = pd.read_csv(path)
    change(table).to_csv(path, index=False)


def test_a_rung_without_observations_is_named(ladder, capsys):
    edit(RESULTS / "observations_fit.csv", lambda table: table[table["rung"] != "n4600"])
    assert "rung n4600 has no final observation: run `dvc repro score@n4600 observe`" in error(capsys, "fit")


def test_a_curve_without_one_rung_is_named(ladder, capsys):
    keep = {"rung": "n4600", "family": "addition", "metric": "exact_match"}
    path = RESULTS / "observations_fit.csv"
    edit(path, lambda table: table[~(table[list(keep)] == pd.Series(keep)).all(axis=1)])
    assert "rung n4600 has no observation of addition direct exact_match" in error(capsys, "fit")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", None, "value is nan: give a finite value"),
        ("n_params", None, "n_params is nan: give a finite value"),
        ("chance", None, "chance of addition direct exact_match is missing: run `dvc repro observe`"),
        ("n_items", None, "n_items of addition direct exact_match is missing: run `dvc repro observe`"),
        ("is_final", None, "is_final is nan"),
        ("value", 0.01, "differs from the mean of its scores: run `dvc repro observe`"),
    ],
)
def test_malformed_observations_are_one_clear_line(column, value, message, ladder, capsys):
    def change(table):
        row = (table["family"] == "addition") & (table["metric"] == "exact_match") & table["is_final"]
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    edit(RESULTS / "observations_fit.csv", change)
    assert message in error(capsys, "fit")


def test_a_duplicate_row_is_refused(ladder, capsys):
    edit(RESULTS / "observations_fit.csv", lambda table: pd.concat([table, table.head(1)]))
    assert "duplicate row" in error(capsys, "fit")


def test_missing_files_and_columns_are_named(ladder, capsys):
    Path("scores/made_up/fit/n4600.csv").unlink()
    assert "rung n4600 has no results in scores/made_up/fit: run `dvc repro score@n4600`" in error(capsys, "fit")
    edit(RESULTS / "ladder.csv", lambda table: table.drop(columns="train_flops"))
    assert "no column 'train_flops'" in error(capsys, "forecast")


def test_a_holdout_without_size_or_scores_is_named(ladder, capsys):
    edit(RESULTS / "observations_holdout.csv", lambda table: table[table["family"] != "addition"])
    assert "rung n100000 has no observation of addition direct exact_match" in error(capsys, "validate")
    edit(RESULTS / "ladder.csv", lambda table: table[table["role"] == "fit"])
    assert "rung n100000 is missing: run `dvc repro ladder`" in error(capsys, "forecast")


def test_fits_of_another_ladder_are_refused(ladder, capsys):
    (RESULTS / "fits.json").write_text('{"ladder": "other", "curves": []}')
    assert "holds the fits of other, not of made_up: run `dvc repro fit`" in error(capsys, "forecast")


def test_a_ladder_without_holdout_is_refused(tmp_path, monkeypatch, capsys):
    start(small(holdouts=0), tmp_path, monkeypatch)
    assert "ladder made_up has no rung of role holdout" in error(capsys, "forecast")
