"""What to run or ask next: costs are exact, truth is found, draws do not depend on order, and bad input is one line."""

import json
import re
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from made_up import draw, panel, rises, table
from scipy.special import expit
from scipy.stats import norm

from shared_data import ROOT
from tasklaws import cli
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.designs import actions
from tasklaws.forecast.designs.actions import (
    Action,
    Standing,
    after,
    known_items_of,
    new_sizes,
    possible_actions,
    tokens_at,
)
from tasklaws.forecast.designs.design import design
from tasklaws.forecast.designs.pilot import parse_sizes
from tasklaws.forecast.designs.reasked import reasked, sampling_covariance
from tasklaws.stats.links import ARCSINE
from tasklaws.tables import DESIGN, DESIGN_TASKS

SIZES = np.geomspace(1e7, 1e9, 4)
TARGET = {"n_params": 1e10, "n_tokens": 2e11}


def pilot(n_items, noise=0.02, n_tasks=2, seed=0):
    rng = np.random.default_rng(seed)
    return table(draw(rng, rises(rng, n_tasks, SIZES, noise), n_items), SIZES, n_items, losses=False)


@pytest.fixture(scope="module", autouse=True)
def fewer_actions():
    """Half of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions, "_BETWEEN", 1)
        patch.setattr(actions, "_SEEDS", 2)
        yield


@pytest.fixture
def few_draws(monkeypatch):
    """Less work where only the form of an answer counts."""
    monkeypatch.setattr("tasklaws.forecast.designs.design._DRAWS", 2)


@pytest.fixture(scope="module")
def noisy():
    return design(pilot(40), TARGET, budget=1e10)


@pytest.fixture(scope="module")
def smooth():
    return design(pilot(5000), TARGET)


def narrowing(found, kind):
    return found.table[found.table["kind"] == kind].set_index("action")["narrowing"]


def test_costs_are_those_of_training_and_asking(noisy):
    rows = noisy.table.set_index("action")
    items, tokens = 2 * 40, 500
    for name in ("seed of m03", "rung of 5.6e+09 (1.12e+11 tokens)"):
        row = rows.loc[name]
        assert row["train_flops"] == pytest.approx(6 * row["n_params"] * row["n_tokens"], rel=1e-12)
        assert row["ask_flops"] == pytest.approx(2 * row["n_params"] * items * tokens, rel=1e-12)
    assert rows.loc["seed of m03", "train_flops"] == pytest.approx(6 * 1e9 * 2e10)
    for factor in (2, 4):
        row = rows.loc[f"{factor} times the items"]
        assert row["train_flops"] == 0
        assert row["ask_flops"] == pytest.approx(2 * SIZES.sum() * (factor - 1) * items * tokens)
    assert (rows["narrowing_per_flop"] == rows["narrowing"] / (rows["train_flops"] + rows["ask_flops"])).all()
    assert noisy.worth["pilot_flops"] == pytest.approx((120 * SIZES**2).sum() + 2 * SIZES.sum() * items * tokens)


def test_more_items_narrow_a_ladder_of_few_and_not_one_of_many(noisy, smooth):
    items = "4 times the items"
    share = [found.table.set_index("action").loc[items] for found in (noisy, smooth)]
    assert share[0]["narrowing"] > 0.05 * share[0]["width_now"]
    assert share[0]["narrowing"] > 2 * share[1]["narrowing"]
    assert narrowing(noisy, "items")[items] > narrowing(noisy, "items")["2 times the items"]


def test_a_rung_near_the_target_narrows_a_smooth_ladder_most(smooth):
    rungs = smooth.table[smooth.table["kind"] == "rung"].set_index("n_params")["narrowing"]
    assert rungs.idxmax() == rungs.index.max()
    assert rungs.max() > 0.2 * smooth.table["width_now"].iloc[0]
    assert rungs.max() > narrowing(smooth, "seed").max()


@pytest.mark.slow
@pytest.mark.heavy
def test_a_seed_narrows_a_ladder_whose_models_differ():
    found = design(pilot(5000, noise=0.4, n_tasks=3, seed=1), TARGET)
    assert narrowing(found, "seed")["seed of m03"] > 0
    assert narrowing(found, "seed")["seed of m03"] > narrowing(found, "items").max()


def test_a_budget_that_buys_nothing_says_so(noisy):
    assert not len(noisy.path)
    assert "budget: nothing for 1e+10 FLOPs or less narrows them clearly" in noisy.summary()


def test_the_ranking_is_by_narrowing_for_each_flop_of_what_is_clear(noisy):
    rows = noisy.table
    clear = rows["narrowing"] > 2 * rows["standard_error"]
    assert clear.any()
    assert list(rows["rank"]) == list(range(1, len(rows) + 1))
    assert clear.is_monotonic_decreasing
    assert rows[clear]["narrowing_per_flop"].is_monotonic_decreasing


@pytest.mark.slow
@pytest.mark.heavy
def test_a_budget_is_spent_on_one_action_after_the_other(monkeypatch):
    monkeypatch.setattr(actions, "_BETWEEN", 0)
    monkeypatch.setattr("tasklaws.forecast.designs.design._DRAWS", 4)
    rng = np.random.default_rng(0)
    points = table(draw(rng, rises(rng, 3, SIZES, 0.02), 5000), SIZES, 5000, losses=False)
    found = design(points, TARGET, budget=2e21)
    path = found.path
    assert len(path) >= 2
    assert path["flops"].is_monotonic_increasing
    assert path["flops"].iloc[-1] <= 2e21
    assert (path["width"].diff().dropna() < 0).all()
    assert path["width"].iloc[0] < found.table["width_now"].iloc[0]
    assert not path["action"].duplicated().any()
    assert path["action"].iloc[0] == found.table["action"].iloc[0]
    bought = found.table.dropna(subset="bought").sort_values("bought")
    assert list(bought["action"]) == list(path["action"])
    assert "budget, 2: " in found.summary()


def test_the_order_of_rows_changes_nothing(few_draws):
    points = pilot(100)
    first = design(points, TARGET)
    again = design(points.sample(frac=1, random_state=0), TARGET)
    assert json.dumps(again.to_dict()) == json.dumps(first.to_dict())
    assert design(points, TARGET, seed=1).table["width_then"].to_numpy() != pytest.approx(first.table["width_then"])


@pytest.mark.slow
@pytest.mark.heavy
def test_what_is_expected_comes_true_on_average():
    """Of ladders whose next rung is drawn from the truth, widths after it are as expected."""
    expected, came = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        sizes = np.array([*SIZES, 3e9, 1e10])
        value = draw(rng, rises(rng, 4, sizes, 0.1), 200)
        full = panel(value, sizes, n_items=200, losses=False)
        hidden = full.value.copy()
        hidden[:, 4:] = np.nan
        start = Standing.of(actions.replace(full, value=hidden), 4)
        expected.append(np.mean([one.width for one in after([start] * 8, Action("rung", full.models[4]), 0)]))
        came.append(start.with_model(4, value[:, 4], np.empty(0), keep=False).width.mean())
    assert np.mean(expected) == pytest.approx(np.mean(came), rel=0.2)


@pytest.mark.parametrize("size", [3e8, 3e9])
def test_a_rung_is_drawn_from_what_forecasts_hold_possible(size):
    """Errors have more of both small and large than a normal, of smaller rungs too."""
    sizes = np.array([*SIZES, size, 1e10])
    rng = np.random.default_rng(0)
    value = draw(rng, rises(rng, 3, sizes), 300)
    value[:, 4:] = np.nan
    start = Standing.of(panel(value, sizes, n_items=300, losses=False), 4)
    drawn = start.expects(4)
    middle, sd = drawn.moments
    tail = ARCSINE.inverse(middle + 3 * sd)
    assert (drawn.exceeds(tail) > 1.5 * norm.sf(3)).all()


@pytest.mark.parametrize("size", [3e8, 1e9, 3e9])
def test_kept_predictions_are_those_that_would_be_made_anew(size):
    rng = np.random.default_rng(0)
    sizes = np.array([*SIZES, size, 2e9, 1e10])
    value = draw(rng, rises(rng, 3, sizes), 300)
    made = panel(value, np.arange(1, 8) * 1e6, n_items=300)
    loss = made.other_values.copy()
    loss[:, 4:] = np.nan
    hidden = value.copy()
    hidden[:, 4:] = np.nan
    known = {"n_params": sizes, "n_tokens": 20 * sizes, "train_flops": 120 * sizes**2}
    start = Standing.of(actions.replace(made, value=hidden, other_values=loss, **known), 4)
    for keep in (True, False):
        then = start.with_model(4, value[:, 4], made.other_values[:, 4], keep=keep)
        anew = Standing.of(then.panel, then.n_known)
        assert then.width == pytest.approx(anew.width, rel=1e-9)
        assert list(then.known.size) == sorted(then.known.size)
        assert len(then.panel.models) == (7 if keep else 6)


def test_values_of_very_many_items_lie_nearer_the_truth_and_those_of_as_many_stay():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e7, 1e10, 12)
    truth = expit(0.3 * np.log(sizes / 1e8) + np.linspace(-1, 1, 8)[:, None])
    seen = draw(rng, truth, 60)
    value = np.column_stack([seen, np.full(8, np.nan)])
    start = Standing.of(panel(value, [*sizes, 1e11], n_items=60, losses=False), 12)
    draws = [reasked(start.known, 1e6, rng.random(8), rng) for _ in range(8)]
    assert np.sqrt(((np.mean(draws, axis=0) - truth) ** 2).mean()) < 0.9 * np.sqrt(((seen - truth) ** 2).mean())
    assert reasked(start.known, 1.0, np.full(8, 0.5), rng) == pytest.approx(seen)


def test_common_items_err_alike_at_models_that_solve_as_many():
    made = panel([[0.2, 0.2, 0.8]], n_items=100)
    found = 100 * sampling_covariance(made)[0]
    assert np.diag(found) == pytest.approx(1)
    assert found[0, 1] == pytest.approx(0.7)
    assert found[0, 2] == pytest.approx(0.7 * 0.25, rel=0.05)


def test_new_rungs_stand_between_and_above_on_the_ladders_own_line():
    sizes = np.array([1e7, 1.2e7, 9e7, 1e9])
    assert new_sizes(sizes, 1.6e10) == [3e8, 2e9, 4e9, 8e9]
    assert new_sizes(sizes, 9e8) == [3e8]
    for tokens, at in ((20 * sizes, 8e10), (np.full(4, 3e11), 3e11)):
        rungs = actions.replace(panel(np.full((1, 4), 0.5), sizes), n_tokens=tokens)
        assert tokens_at(rungs, 4e9) == pytest.approx(at)


def test_items_that_nobody_counted_are_no_action(few_draws):
    points = pilot(100).assign(n_items=np.nan)
    found = design(points, TARGET)
    assert "items" not in set(found.table["kind"])
    assert "n_items is unknown of 2 task(s)" in found.summary()
    assert found.table["ask_flops"].eq(0).all()


def test_losses_are_planned_for_in_percent(few_draws):
    sizes = np.geomspace(1e7, 1e9, 6)
    loss = 1.7 + 400 * sizes**-0.35 + 400 * (20 * sizes) ** -0.28
    points = table(loss[None], sizes, metric="loss", losses=False).assign(stderr=0.01)
    found = design(points, TARGET)
    assert 0 < found.table["width_now"].iloc[0] < 30
    assert set(found.table["kind"]) == {"rung", "seed"}


def test_by_task_and_on_average_say_the_same(smooth):
    mean = smooth.tasks.groupby("action")[["width_now", "width_then"]].mean()
    rows = smooth.table.set_index("action").loc[mean.index, ["width_now", "width_then"]]
    assert mean.to_numpy() == pytest.approx(rows.to_numpy())


@pytest.mark.parametrize(
    ("change", "target", "options", "said"),
    [
        (lambda p: p, {"n_params": 1e10}, {}, "the target has no n_tokens"),
        (lambda p: p, {**TARGET, "date": 2.0}, {}, "the target has 'date' in it"),
        (lambda p: p, {"n_params": -1.0, "n_tokens": 1e9}, {}, "n_params of the target is -1.0"),
        (lambda p: p, {"n_params": 1e8, "n_tokens": 1e9}, {}, "give a larger target"),
        (lambda p: p[p["model"] < "m02"], TARGET, {}, "the pilot has 2 model(s)"),
        (lambda p: p.assign(n_tokens=np.nan), TARGET, {}, "model m00 has no n_tokens"),
        (
            lambda p: pd.concat([p, p.assign(ladder="other")]),
            TARGET,
            {},
            "the table has 2 ladders: choose one: made_up",
        ),
        (lambda p: p, TARGET, {"ladder": "mine"}, "ladder 'mine' is not in the table: it has made_up"),
        (lambda p: p, TARGET, {"tokens_per_item": 0.0}, "tokens-per-item is 0.0"),
        (lambda p: p, TARGET, {"budget": -1.0}, "budget is -1.0"),
        (lambda p: p, TARGET, {"metric": "acc_norm"}, "metric 'acc_norm' is not in the table"),
        (lambda p: p, TARGET, {"tasks": ["sums"]}, "task 'sums' is not in the table"),
        (lambda p: p.drop(columns="chance"), TARGET, {}, "the table has no column 'chance'"),
    ],
)
def test_what_cannot_be_planned_is_one_line(change, target, options, said):
    with pytest.raises(TasklawsError) as refusal:
        design(change(pilot(100)), target, **options)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_target_is_written_as_numbers_by_name():
    assert parse_sizes("n_params=7e9,n_tokens=2e12") == {"n_params": 7e9, "n_tokens": 2e12}
    with pytest.raises(TasklawsError, match="--target 'n_params=big': give n_params=NUMBER"):
        parse_sizes("n_params=big,n_tokens=1")


def test_the_command_of_the_docs_writes_the_same_each_time(few_draws, tmp_path, monkeypatch, capsys):
    pilot(100).to_csv(tmp_path / "pilot.csv", index=False)
    [line] = re.findall(r"^tasklaws design .*$", (ROOT / "docs/forecasting.md").read_text(), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    written = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        cli.main()
        written.append({path.name: path.read_bytes() for path in (tmp_path / "design").iterdir()})
    assert written[0] == written[1]
    assert set(written[0]) == {"design.csv", "design_tasks.csv", "summary.json", "design.svg"}
    assert list(DESIGN.read(tmp_path / "design/design.csv")) == DESIGN.columns
    assert list(DESIGN_TASKS.read(tmp_path / "design/design_tasks.csv")) == DESIGN_TASKS.columns
    said = capsys.readouterr().out
    assert "points a FLOP" in said
    assert "asking presupposes the target's own training, 5.88e+21 FLOPs" in said


def test_known_items_are_what_most_models_say():
    made = panel(np.full((2, 3), 0.5), n_items=40)
    items = made.n_items.copy()
    items[0, 2], items[1] = np.nan, np.nan
    assert list(known_items_of(actions.replace(made, n_items=items))) == [40.0, 0.0]
    assert {one.kind for one in possible_actions(made, 1e9, 1e30, 500.0)} == {"rung", "seed", "items"}
