"""Rungs of equal size, such as a base model and its chat model, go from scores to the report, each under its name."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results_tree import params_of, write_results
from tasklaws.core.settings import Settings
from tasklaws.report.build import build_report

pytestmark = pytest.mark.slow  # it makes whole pages


def test_rungs_of_equal_size_are_reported_each_under_its_name(tmp_path: Path):
    params = params_of("nano_ladder", ("addition",))
    rungs = list(params["models"]["rungs"].items())
    kept = [*rungs[0:10:2], rungs[-2]]
    params["models"]["rungs"] = {
        name + more: copy.deepcopy(rung)
        for name, rung in kept
        for more in (("", "-chat") if name in (kept[1][0], kept[-1][0]) else ("",))
    }
    write_results(tmp_path, params)
    build_report(tmp_path, Settings.of(params))
    results = tmp_path / "results/nano_ladder"
    curves = pd.read_csv(results / "plots/curves.csv")
    assert set(curves["rung"]) == set(params["models"]["rungs"])
    held = [name for name, rung in params["models"]["rungs"].items() if rung["role"] == "holdout"]
    assert len(held) == 2
    forecasts = pd.read_csv(results / "forecasts.csv")
    assert set(forecasts["rung"]) == set(held)
    for _, of_task in forecasts.groupby(["family", "elicitation", "metric"]):
        assert np.ptp(of_task["predicted"]) < 1e-9, "what is known of both is the same"
    bands = pd.read_csv(results / "bands.csv")
    assert bands[["predicted", "lower", "upper"]].notna().all(axis=None)
    page = (tmp_path / "reports/nano_ladder/index.html").read_text()
    assert all(name in page for name in held)
