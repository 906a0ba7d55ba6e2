"""Nothing of a held-out row but its sizes influences its forecast: perturb all of it, and compare bytes."""

import numpy as np
import pandas as pd
import pytest
from made_up import SIZES, draw, rises, table

from tasklaws.forecast.backtest import rolling_backtest, split_backtest
from tasklaws.tables import BACKTEST_FORECASTS

TOLD = ["observed", "log_score", "crps"]


@pytest.fixture(scope="module")
def points():
    """Scores, losses of the same tasks, probabilities and validation losses."""
    rng = np.random.default_rng(0)
    share = rises(rng, 3, SIZES)
    scores = table(draw(rng, share, 500), SIZES, chance=0.1)
    bits = table(-np.log2(share), SIZES, metric="rc_bpb", losses=False)
    soft = table(share, SIZES, metric="rc_soft", losses=False)
    points = pd.concat([scores, bits, soft], ignore_index=True)
    return points.assign(n_eff=np.where(points["metric"] == "loss", np.nan, 30.0 + points["n_params"] / 1e8))


def perturbed(points, held):
    """The table in which held-out rows say something else in all but sizes; some tasks are new, and some gone."""
    rng = np.random.default_rng(1)
    other = points.copy()
    loss = points["metric"].isin(["loss", "rc_bpb"])
    other.loc[held, "value"] = np.where(loss[held], rng.uniform(0.5, 9, held.sum()), rng.uniform(0, 1, held.sum()))
    other.loc[held, "stderr"] = rng.uniform(0.001, 0.2, held.sum())
    other.loc[held, "n_items"] = rng.integers(1, 10**6, held.sum()).astype(float)
    other.loc[held, "n_eff"] = rng.uniform(1, 20, held.sum())
    other.loc[held, "chance"] = 0.9
    strange = other[held & (points["metric"] == "acc")].assign(task=lambda rows: "aa " + rows["task"])
    return pd.concat([other, strange, strange.assign(metric="aa_loss"), strange.assign(metric="bpb")])


def bytes_of(tables, model):
    own = [part[part["model"] == model].drop(columns=TOLD, errors="ignore") for part in tables]
    return [
        part.sort_values([*BACKTEST_FORECASTS.keys, *(["method"] if "method" in part else [])]).to_csv(index=False)
        for part in own
    ]


@pytest.mark.parametrize("metrics", [["acc"], ["acc", "rc_soft"], ["rc_bpb"]], ids=str)
def test_split(points, metrics):
    held = points["model"] == "m05"
    split = ("n_params < 2e9", "n_params > 2e9")
    real = split_backtest(points, metrics, *split)
    other = split_backtest(perturbed(points, held), metrics, *split)
    assert bytes_of(other, "m05") == bytes_of(real, "m05")
    assert not other[0]["observed"].equals(real[0]["observed"])


def test_split_with_an_early_checkpoint_called_final(points):
    """Which held-out checkpoint is final changes what is observed of it, not what is forecast."""
    split = ("n_params < 2e9", "n_params > 2e9")
    late = points.assign(step=2.0)
    held = late["model"] == "m05"
    early = late[held].assign(step=1.0, value=late["value"] / 2)
    real = split_backtest(pd.concat([late, early.assign(is_final=False)]), ["acc"], *split)
    other = pd.concat([late.assign(is_final=~held), early])
    assert bytes_of(split_backtest(other, ["acc"], *split), "m05") == bytes_of(real, "m05")


def test_rolling_where_the_number_of_items_is_unknown(points):
    """Their bound comes from the known models' values alone."""
    bare = points.assign(n_items=np.nan, stderr=np.nan)
    held = bare["model"] == "m05"
    real = rolling_backtest(bare, ["acc"], 1, 4)
    other = rolling_backtest(perturbed(bare, held), ["acc"], 1, 4)
    assert bytes_of(other, "m05") == bytes_of(real, "m05")


@pytest.mark.parametrize("model", ["m04", "m05"])
def test_rolling(points, model):
    held = points["model"] >= model
    real = rolling_backtest(points, ["acc"], 1, 4)
    changed = perturbed(points, held)
    other = rolling_backtest(changed, ["acc"], 1, 4)
    assert bytes_of(other, model) == bytes_of(real, model)
