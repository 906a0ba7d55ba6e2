"""Decision accuracy and signal-to-noise against values worked by hand."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasklaws as tl
from shared_data import shared
from tasklaws import cli
from tasklaws.stats.proportions import Mean

SMALL, LARGE = 1e7, 1e9


def ladder(values: dict[str, dict[float, list[float]]], task: str = "t", metric: str = "acc") -> pd.DataFrame:
    """One recipe a key; of each size the score of each recipe, in order."""
    rows = [
        (recipe, f"{recipe}-{size:g}", size, 6 * size, task, metric, score)
        for recipe, by_size in values.items()
        for size, scores in by_size.items()
        for score in scores
    ]
    columns = ["recipe", "model", "n_params", "train_flops", "task", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def two_sizes(small: list[float], large: list[float], **names: str) -> pd.DataFrame:
    pairs = zip("abcdefghij", small, large, strict=False)
    return ladder({recipe: {SMALL: [first], LARGE: [second]} for recipe, first, second in pairs}, **names)


def test_the_share_of_pairs_ordered_alike_by_hand() -> None:
    # Of the pairs ab ac ad bc bd cd the large scale has a < b < c < d; the small one turns bc and bd round.
    found = tl.decision_accuracy(two_sizes([0.1, 0.4, 0.2, 0.3], [0.2, 0.3, 0.4, 0.5]))
    [row] = found.tasks.to_dict("records")
    assert row["accuracy"] == pytest.approx(4 / 6)
    assert (row["n_pairs"], row["n_recipes"], row["small"]) == (6, 4, "n_params == 10000000")
    assert row["share_of_flops"] == pytest.approx(0.01)
    assert found.large == "n_params == 1000000000"
    # Without a: 1 of 3 alike; without b: 3 of 3; without c or d: 2 of 3.
    left_out = np.array([1, 3, 2, 2]) / 3
    variance = 3 / 4 * ((left_out - left_out.mean()) ** 2).sum()
    worth = max(4 / 6 * 2 / 6 / variance, 2.0)
    low, high = Mean.of(worth, worth * 4 / 6, worth * 4 / 6).interval(0.9)
    assert (row["low"], row["high"]) == pytest.approx((float(low), float(high)))


def test_what_the_small_scale_does_not_order_counts_half_and_what_the_large_does_not_is_no_pair() -> None:
    found = tl.decision_accuracy(two_sizes([0.1, 0.1, 0.3], [0.2, 0.3, 0.3]))
    [row] = found.tasks.to_dict("records")
    assert row["n_pairs"] == 2  # b and c are alike at the large scale
    assert row["accuracy"] == pytest.approx((0.5 + 1) / 2)


def test_pairs_of_all_tasks_are_pooled_by_metric() -> None:
    right = two_sizes([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
    wrong = two_sizes([0.3, 0.2, 0.1], [0.2, 0.3, 0.4], task="u")
    loss = two_sizes([3.0, 2.0, 1.0], [2.5, 1.5, 0.5], metric="ce")
    found = tl.decision_accuracy(pd.concat([right, wrong, loss]))
    pooled = found.pooled.set_index("metric")
    assert pooled["accuracy"].to_dict() == {"acc": 0.5, "ce": 1.0}
    assert pooled["n_pairs"].to_dict() == {"acc": 6, "ce": 3}
    assert pooled.loc["acc", "n_tasks"] == 2


def test_each_smaller_size_is_compared_with_the_largest() -> None:
    values = {"a": {1e7: [0.1], 1e8: [0.1], 1e9: [0.1]}, "b": {1e7: [0.0], 1e8: [0.2], 1e9: [0.3]}}
    found = tl.decision_accuracy(ladder(values)).pooled.set_index("small")["accuracy"]
    assert found.to_dict() == {"n_params == 10000000": 0.0, "n_params == 100000000": 1.0}


def test_queries_choose_the_scales_also_where_sizes_differ_by_recipe() -> None:
    rows = two_sizes([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
    rows["n_params"] *= 1 + 0.01 * rows["recipe"].map({"a": 0, "b": 1, "c": 2})
    found = tl.decision_accuracy(rows, "n_params < 1e8", "n_params > 1e8")
    assert (found.large, found.pooled["small"].item()) == ("n_params > 1e8", "n_params < 1e8")
    assert found.pooled["accuracy"].item() == 1


def test_seeds_are_averaged_and_last_final_checkpoints_count() -> None:
    rows = two_sizes([0.1, 0.2], [0.2, 0.3]).assign(seed=0, step=2, is_final=True)
    other = rows.assign(seed=1, value=rows["value"] + [0.3, 0.0, 0.0, 0.0])  # a: .1 and .4, above b's .2
    early = rows.assign(step=1, value=0.9, is_final=False)
    found = tl.decision_accuracy(pd.concat([early, rows, other]))
    assert found.tasks["accuracy"].item() == 0


def test_models_without_a_final_result_are_left_out_and_said() -> None:
    rows = two_sizes([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]).assign(is_final=True)
    rows.loc[rows["model"] == "c-1e+09", "is_final"] = False
    found = tl.decision_accuracy(rows)
    assert found.tasks["n_recipes"].item() == 2
    assert found.notes == ("1 models without a final result are left out: c-1e+09",)


def test_tasks_without_a_pair_are_left_out_and_said() -> None:
    alike = two_sizes([0.1, 0.2], [0.2, 0.2], task="u")
    found = tl.decision_accuracy(pd.concat([two_sizes([0.1, 0.2], [0.2, 0.3]), alike]))
    assert found.tasks["task"].tolist() == ["t"]
    assert "1 tasks are left out, as no two recipes have both scales or differ: u" in found.notes


@settings(max_examples=30)
@given(scores=st.lists(st.integers(0, 1000), min_size=2, max_size=10, unique=True))
def test_a_scale_that_orders_as_the_large_one_is_right_always_and_the_reverse_never(scores: list[int]) -> None:
    large = [score / 1000 for score in scores]
    for small, share in ((np.square(large), 1.0), (1 - np.square(large), 0.0)):
        row = tl.decision_accuracy(two_sizes(list(small), large)).tasks.iloc[0]
        assert row["accuracy"] == share
        assert row["low"] <= share <= row["high"]
        assert row["high"] - row["low"] > 0.1, "few recipes are no certainty"


def accuracies(n_recipes: int, n_tasks: int, noise: float, count: int) -> float:
    """How often intervals hold the true share of pairs of normal recipes, 1/2 + asin(correlation) / pi."""
    rng, held = np.random.default_rng(0), 0
    truth = 0.5 + np.arcsin(1 / np.sqrt(1 + noise**2)) / np.pi
    for _ in range(count):
        common, tables = rng.normal(size=n_recipes), []
        for task in range(n_tasks):
            large = 0.7 * common + 0.51**0.5 * rng.normal(size=n_recipes)
            small = large + noise * rng.normal(size=n_recipes)
            tables.append(pd.DataFrame({"recipe": range(n_recipes), SMALL: small, LARGE: large, "task": str(task)}))
        wide = pd.concat(tables).melt(["recipe", "task"], var_name="n_params")
        rows = wide.assign(model=wide["recipe"].astype(str) + wide["n_params"].astype(str), metric="ce")
        pooled = tl.decision_accuracy(rows).pooled.iloc[0]
        held += pooled["low"] <= truth <= pooled["high"]
    return held / count


@pytest.mark.heavy
@pytest.mark.parametrize(("n_recipes", "n_tasks"), [(6, 1), (6, 8), (25, 1), (25, 8)])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_intervals_of_decision_accuracy_hold_it_in_nine_of_ten_or_more(
    n_recipes: int, n_tasks: int, noise: float
) -> None:
    assert accuracies(n_recipes, n_tasks, noise, 200) > 0.86


def checkpoints(values: dict[str, list[float]], **more: Any) -> pd.DataFrame:
    rows = [
        (model, 1e8, step + 1, step + 1 == len(own), value)
        for model, own in values.items()
        for step, value in enumerate(own)
    ]
    table = pd.DataFrame(rows, columns=["model", "n_params", "step", "is_final", "value"])
    return table.assign(ladder="all", task="t", metric="acc").assign(**more)


def test_signal_to_noise_by_hand() -> None:
    # Means .3, .5 and .4: range .2, mean .4. Squares about own means .0002, .0008 and 0 over 9 - 3 degrees.
    runs = {"a": [0.29, 0.3, 0.31], "b": [0.48, 0.5, 0.52], "c": [0.4, 0.4, 0.4]}
    found = tl.signal_to_noise(checkpoints(runs))
    [row] = found.table.to_dict("records")
    noise = np.sqrt(0.001 / 6)
    assert row["signal"] == pytest.approx(0.2 / 0.4)
    assert row["noise"] == pytest.approx(noise / 0.4)
    assert row["signal_to_noise"] == pytest.approx(0.2 / noise)
    assert (row["n_models"], row["n_checkpoints"], row["mean"]) == (3, 9, pytest.approx(0.4))


def test_only_the_last_checkpoints_of_each_run_count() -> None:
    late = {"a": [0.29, 0.3, 0.31], "b": [0.48, 0.5, 0.52]}
    whole = {model: [0.0, 0.1, 0.2, *own] for model, own in late.items()}
    first, second = (tl.signal_to_noise(checkpoints(runs), last=3).table for runs in (late, whole))
    pd.testing.assert_frame_equal(first, second)


def test_checkpoints_that_are_not_late_are_said() -> None:
    found = tl.signal_to_noise(checkpoints({"a": [0.1, 0.2, 0.3], "b": [0.2, 0.4, 0.6]}))
    assert found.notes == (
        "the rise counts as noise where checkpoints called late begin at 33%: n_params == 100000000",
    )


def test_seeds_are_runs_of_one_model() -> None:
    one = checkpoints({"a": [0.29, 0.31], "b": [0.49, 0.51]}, seed=0)
    two = one.assign(seed=1, value=one["value"] + 0.1)
    [row] = tl.signal_to_noise(pd.concat([one, two])).table.to_dict("records")
    assert row["n_models"] == 2
    assert row["signal_to_noise"] == pytest.approx(0.2 / np.sqrt(4 * 0.0002 / 4))


def test_a_task_whose_late_checkpoints_do_not_differ_is_left_out_and_said() -> None:
    runs = checkpoints({"a": [0.29, 0.31], "b": [0.49, 0.51]})
    stuck = checkpoints({"a": [0.1 + 0.2, 0.3], "b": [0.5, 0.5]}, task="wsc")
    found = tl.signal_to_noise(pd.concat([runs, stuck]))
    assert found.table["task"].tolist() == ["t"]
    assert "do not differ: wsc" in found.summary()


@settings(max_examples=15)
@given(factor=st.floats(0.1, 100), seed=st.integers(0, 99))
def test_the_ratio_does_not_depend_on_the_unit(factor: float, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0.2, 0.8, (3, 4))
    tables = [checkpoints({m: list(v) for m, v in zip("abc", unit * values, strict=True)}) for unit in (1, factor)]
    columns = ["signal", "noise", "signal_to_noise"]
    first, second = (tl.signal_to_noise(table).table[columns].to_numpy() for table in tables)
    assert first == pytest.approx(second)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda t: tl.decision_accuracy(t.drop(columns="value")), "the table has no column 'value'"),
        (lambda t: tl.decision_accuracy(t.to_dict()), "the table is a dict"),
        (lambda t: tl.decision_accuracy(t.replace({"recipe": {"a": None}})), "2 rows have no recipe: name it"),
        (lambda t: tl.decision_accuracy(t, metric="ce"), "no metric 'ce': choose one of acc"),
        (lambda t: tl.decision_accuracy(t, "size < 1"), "small 'size < 1' is no query over recipe, model"),
        (lambda t: tl.decision_accuracy(t, "n_params < 0"), "small 'n_params < 0' matches no row"),
        (lambda t: tl.decision_accuracy(t, large="n_params > 0"), "--large 'n_params > 0' chooses 2 sizes"),
        (lambda t: tl.decision_accuracy(t, "n_params > 1e8"), "model 'a-1e+09' is among both small and large"),
        (lambda t: tl.decision_accuracy(t[t["n_params"] > 1e8]), "no scale is smaller than n_params == 1000000000"),
        (lambda t: tl.decision_accuracy(t, level=90), "the level of the interval is 90"),
        (lambda t: tl.decision_accuracy(t.assign(recipe="a")), "no size has two recipes: name them in a column"),
        (lambda t: tl.decision_accuracy(t.drop(columns=["n_params", "train_flops"])), "neither n_params nor"),
        (lambda t: tl.decision_accuracy(pd.concat([t, t])), "two results of"),
        (
            lambda t: tl.decision_accuracy(pd.concat([t, t.assign(model=t["model"] + "-long")])),
            "recipe 'a' has 2 models at n_params == 10000000: a-1e+07, a-1e+07-long: choose one of each recipe",
        ),
        (lambda t: tl.decision_accuracy(t.assign(value=0.5)), "no task has two recipes at both scales that differ"),
        (lambda t: tl.signal_to_noise(t, last=1), "last is 1: noise needs two checkpoints"),
        (lambda t: tl.signal_to_noise(t), "give checkpoints by `step`"),
    ],
)
def test_what_cannot_be_is_one_line(call: Any, said: str) -> None:
    with pytest.raises(tl.TasklawsError) as refusal:
        call(two_sizes([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def run(*words: str) -> None:
    sys.argv = ["tasklaws", *words]
    cli.main()


def test_the_command_gives_both_and_writes_where_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    rows = two_sizes([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]).assign(step=2, is_final=True)
    early = rows.assign(step=1, is_final=False, value=rows["value"] + 0.02)
    rows.to_csv(tmp_path / "final.csv", index=False)
    pd.concat([early, rows]).to_csv(tmp_path / "both.csv", index=False)
    run("decide", str(tmp_path / "final.csv"), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["decision_accuracy"]["pooled"][0]["accuracy"] == 1
    assert "give checkpoints" in found["signal_to_noise"]["notes"][0]
    run("decide", str(tmp_path / "both.csv"), "--out", str(tmp_path / "out"))
    assert "signal over noise" in capsys.readouterr().out
    written = ["decision_accuracy.csv", "pooled.csv", "signal_to_noise.csv", "summary.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == written
    assert pd.read_csv(tmp_path / "out/signal_to_noise.csv")["signal_to_noise"].iloc[0] == pytest.approx(
        0.2 / (0.02 / 2**0.5)
    )


def test_published_checkpoints_tell_tasks_apart_by_their_noise() -> None:
    table = tl.read_points(shared("ladders/olmo_ladder.csv.gz"))
    found = tl.signal_to_noise(table, "n_params > 1e9 and n_params < 2e9", metric="rc_acc").table
    ratio = found.set_index("task")["signal_to_noise"]
    assert ratio["hellaswag_val"] > 10 * ratio["boolq_val"]


def test_a_refusal_names_the_command_that_has_the_option(tmp_path, monkeypatch, capsys):
    path = tmp_path / "t.csv"
    path.write_text("recipe,model,n_params,task,metric,value\na,a,1e8,t,zork,0.5\n")
    monkeypatch.setattr("sys.argv", ["tasklaws", "decide", str(path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert "these are options of `tasklaws import`" in capsys.readouterr().err
