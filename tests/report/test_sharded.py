"""The number of workers is an axis without a law, and one that had a law would be found out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tiny
from tasklaws.experiments.sharded_runs import sharded_runs
from tasklaws.report.sharded import sharded_trends
from tasklaws.tables import SHARDED, SHARDED_TRENDS

WORKERS = (1, 2, 4, 8)


def runs(slopes: list[float], spread: float, seed: int = 0, n_seeds: int = 2) -> pd.DataFrame:
    """Made-up scores of a family for each slope per doubling, with noise of `spread` between seeds."""
    rng = np.random.default_rng(seed)
    rows = [
        {"rung": f"by-{count}", "n_workers": count, "seed": one, "family": f"f{place}", "elicitation": "direct"}
        | {"metric": "exact_match", "value": 0.5 + slope * np.log2(count) + spread * rng.standard_normal()}
        for place, slope in enumerate(slopes)
        for count in WORKERS
        for one in range(n_seeds)
    ]
    return SHARDED.frame(rows)


def test_a_planted_trend_is_found_among_curves_without_one():
    table = sharded_trends(runs([0.0, 0.1, 0.0], 0.01))
    assert table["verdict"].tolist() == ["no law", "a trend", "no law"]
    found = table.iloc[1]
    assert found["low"] < 0.1 < found["high"]
    assert found["most"] - found["fewest"] == pytest.approx(0.3, abs=0.03)
    assert found["seed_sd"] == pytest.approx(0.01, rel=0.7)


def test_noise_is_seldom_called_a_trend():
    called = [(sharded_trends(runs([0.0] * 10, 0.05, seed))["verdict"] == "a trend").any() for seed in range(100)]
    assert np.mean(called) <= 0.18  # a false discovery rate of 10%, all curves being null, and its error


def test_scores_that_never_differ_show_no_law():
    table = sharded_trends(runs([0.0], 0.0))
    assert table.loc[0, ["slope", "low", "high", "seed_sd", "q"]].tolist() == [0, 0, 0, 0, 1]
    assert table.loc[0, "verdict"] == "no law"


def test_a_ladder_without_such_rungs_has_an_empty_table():
    settings = replace(tiny.SETTINGS, models=replace(tiny.SETTINGS.models, sharded={}))
    assert SHARDED.pick(sharded_runs(settings)).empty
    assert SHARDED_TRENDS.pick(sharded_trends(SHARDED.frame([]))).empty


@pytest.mark.slow
def test_rungs_are_trained_asked_and_scored_alike_but_for_their_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("custom_tasks").symlink_to(tiny.ROOT / "custom_tasks")
    tiny.write_items(Path("data/items"), 40)
    tiny.write_corpus(Path("data/corpus"))
    few = replace(tiny.SOURCE, n_tokens=10 * tiny.SOURCE.step_tokens, checkpoints=())
    sharded = {f"by-{count}": replace(few, n_shards=count) for count in (1, 4)}
    settings = replace(
        tiny.SETTINGS,
        models=replace(tiny.SETTINGS.models, sharded=sharded),
        execution=replace(tiny.SETTINGS.execution, workers=1),
    )
    found = SHARDED.pick(sharded_runs(settings))
    assert set(found["n_workers"]) == {1, 4}
    assert set(found["seed"]) == {0, 1}
    families = {*settings.elicitation.ask, "corpus"}
    assert set(found["family"]) == families
    losses = found[found["metric"] == "loss_nats"].pivot(index="seed", columns="n_workers", values="value")
    assert losses[4].tolist() == pytest.approx(losses[1].tolist(), abs=1e-3), "ten steps: roundings only"
    assert losses.loc[0, 1] != losses.loc[1, 1]
    assert not Path(".work/sharded").exists()
