"""Comparing models on the same items, in the library and on the command line."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

import tasklaws as tl
from shared_data import shared
from tasklaws import cli
from tasklaws.decisions.compare import _letters
from tasklaws.decisions.scores import read_model_scores


def table(seed: int = 0, models: int = 2, n_items: int = 60, n_families: int = 12, gap: float = 0.8) -> pd.DataFrame:
    """Right or wrong answers of models of falling ability."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(size=n_items) + rng.normal(size=n_families)[np.arange(n_items) % n_families]
    rows = [
        (
            f"m{model}",
            f"i{item:03}",
            f"f{item % n_families:02}",
            float(rng.random() < 1 / (1 + np.exp(gap * model - own))),
        )
        for model in range(models)
        for item, own in enumerate(ease)
    ]
    return pd.DataFrame(rows, columns=["model", "item", "family", "score"])


def two(scores: pd.DataFrame, **options: Any) -> tl.Comparison:
    found = tl.compare(scores, ("m0", "m1"), **options)
    assert isinstance(found, tl.Comparison)
    return found


def by_hand() -> pd.DataFrame:
    """Three items, one attempt each: .9, .5 and .7 against .4, .2 and .6."""
    scores = {"m0": (0.9, 0.5, 0.7), "m1": (0.4, 0.2, 0.6)}
    rows = [(model, item, score) for model, own in scores.items() for item, score in enumerate(own)]
    return pd.DataFrame(rows, columns=["model", "item", "score"])


def test_independent_items_have_the_paired_t_interval_but_for_one_further_item() -> None:
    found = two(by_hand())
    # Differences .5, .3 and .1: mean .3, variance .04; mean square .35 / 3.
    stderr = np.sqrt(0.04 / 3 + 0.35 / 3 / 9)
    assert found.difference == pytest.approx(0.3)
    assert found.stderr == pytest.approx(stderr)
    assert (found.low, found.high) == pytest.approx((0.3 - t.ppf(0.95, 2) * stderr, 0.3 + t.ppf(0.95, 2) * stderr))
    assert found.smallest_difference == pytest.approx((t.ppf(0.95, 2) + t.ppf(0.8, 2)) * stderr)
    assert found.p_value == 0.25  # of the four patterns of signs none but this one has so large a sum


def test_the_number_of_items_needed_has_that_difference_as_its_smallest() -> None:
    found = two(table())
    for size, count in found.items_needed.items():
        times = count / found.n_items
        degrees = found.df * times
        smallest = (t.ppf(0.95, degrees) + t.ppf(0.8, degrees)) * found.stderr / np.sqrt(times)
        assert smallest == pytest.approx(size, rel=1e-3)
        assert smallest <= size


def test_right_and_wrong_answers_to_independent_items_have_mcnemars_exact_p() -> None:
    rows = [(m, i, float(s)) for m, own in (("m0", "1111111000"), ("m1", "0000011100")) for i, s in enumerate(own)]
    found = two(pd.DataFrame(rows, columns=["model", "item", "score"]))
    assert "McNemar" in found.test
    assert found.p_value == pytest.approx(2 * (1 + 6) / 2**6)  # 5 of 6


def test_models_that_answer_alike_are_not_certain_to_be_equal() -> None:
    one = table(models=1)
    found = two(pd.concat([one, one.assign(model="m1")]))
    assert found.difference == 0
    assert found.p_value == 1
    assert found.low == -found.high < 0
    assert found.smallest_difference > 1 / found.n_items


def test_attempts_share_of_the_variance_by_hand() -> None:
    scores = {("m0", 0): (1, 0), ("m0", 1): (1, 1), ("m1", 0): (0, 0), ("m1", 1): (0, 1), ("m0", 2): (0, 0)}
    rows = [(m, i, k, float(s)) for (m, i), own in scores.items() for k, s in enumerate(own)]
    rows += [("m1", 2, 0, 0.0), ("m1", 2, 1, 0.0)]
    found = two(pd.DataFrame(rows, columns=["model", "item", "attempt", "score"]))
    # Differences .5, .5 and 0. In one item of three a model's two attempts vary, by 1/2: by 1/6 on average.
    of_attempts = (2 * 1 / 6 / 2) * 3 / 9
    variance = (1 / 12) / 3 + 0.25 / 9
    assert found.stderr**2 == pytest.approx(variance)
    assert found.attempt_share == pytest.approx(min(1.0, of_attempts / variance))
    assert "attempts at the same item" in found.summary()


def test_differing_rows_of_a_model_and_item_are_its_attempts_and_said() -> None:
    rows = table()
    again = rows.assign(score=1 - rows["score"])
    found = two(pd.concat([rows, again]))
    both = pd.concat([rows.assign(attempt=0), again.assign(attempt=1)])
    assert found.notes == (
        "several rows of a model and item are taken as its attempts, as there is no column `attempt`",
    )
    assert found.to_dict() == two(both).to_dict() | {"notes": list(found.notes)}


@pytest.mark.parametrize("words", [("C", "I"), ("true", "false"), (True, False)])
def test_right_and_wrong_may_be_words(words: tuple[Any, Any], tmp_path: Path) -> None:
    rows = table()
    worded = rows.assign(score=[words[0] if score else words[1] for score in rows["score"]])
    assert two(worded).to_dict() == two(rows).to_dict()
    worded.to_csv(tmp_path / "words.csv", index=False)
    assert two(read_model_scores(tmp_path / "words.csv")).to_dict() == two(rows).to_dict()


@pytest.mark.parametrize(
    ("column", "unit", "separator"), [("score", 1, ","), ("Score (%)", 100, ";"), ("score_pct", 100, "\t")]
)
def test_files_are_read_in_the_form_that_they_have(column: str, unit: float, separator: str, tmp_path: Path) -> None:
    rows = table()
    other = rows.assign(score=rows["score"] * unit).rename(
        columns={"score": column, "item": "Question ID", "model": "Model"}
    )
    other.to_csv(tmp_path / "items.txt.csv", index=False, sep=separator)
    found = two(read_model_scores(tmp_path / "items.txt.csv"))
    assert found.to_dict() | {"notes": []} == two(rows).to_dict()


def test_a_near_miss_of_a_name_is_refused(tmp_path: Path) -> None:
    table().rename(columns={"family": "familly"}).to_csv(tmp_path / "items.csv", index=False)
    with pytest.raises(tl.TasklawsError, match=r"'familly'.* is close to 'family'"):
        read_model_scores(tmp_path / "items.csv")


def test_one_attempt_tells_nothing_of_their_share() -> None:
    assert two(table()).attempt_share is None


@settings(max_examples=20)
@given(seed=st.integers(0, 50), order=st.randoms(use_true_random=False))
def test_rows_in_any_order_and_models_the_other_way_round_give_the_same(seed: int, order: Any) -> None:
    rows = table(seed, n_items=20, n_families=5)
    places = list(range(len(rows)))
    order.shuffle(places)
    first = two(rows)
    assert two(rows.iloc[places].reset_index(drop=True)).to_dict() == first.to_dict()
    back = tl.compare(rows, ("m1", "m0"))
    assert isinstance(back, tl.Comparison)
    assert (back.difference, back.low, back.high) == pytest.approx((-first.difference, -first.high, -first.low))
    assert back.p_value == pytest.approx(first.p_value)


@settings(max_examples=30)
@given(seed=st.integers(0, 50), level=st.floats(0.5, 0.99))
def test_the_interval_holds_the_estimate_and_lies_in_what_can_be(seed: int, level: float) -> None:
    found = two(table(seed, n_items=12, n_families=3), level=level)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert 0 < found.p_value <= 1


def test_items_that_hang_together_say_less() -> None:
    rows = table(n_items=100, n_families=10, gap=1.0)
    together = rows.assign(score=rows.groupby(["model", "family"])["score"].transform("first"))
    assert two(together).stderr > 2 * two(together.drop(columns="family")).stderr


@pytest.mark.parametrize("column", ["cluster", "family", "template", "source"])
def test_the_column_of_clusters_is_found_or_named(column: str) -> None:
    rows = table().rename(columns={"family": column})
    found = two(rows, clusters="source" if column == "source" else None)
    assert (found.clusters, found.n_clusters) == (column, 12)
    assert f"12 clusters by {column}" in found.summary()


def test_items_that_one_model_was_not_asked_are_left_out_and_said() -> None:
    rows = table()
    fewer = rows[~((rows["model"] == "m1") & (rows["item"] < "i010"))]
    found = two(fewer)
    assert found.to_dict() == two(rows[rows["item"] >= "i010"]).to_dict() | {"notes": list(found.notes)}
    assert found.notes == ("10 items that only one of the two was asked are left out",)


def test_an_empty_score_is_an_item_not_asked_and_said() -> None:
    rows = table()
    rows.loc[0, "score"] = np.nan
    assert two(rows).n_items == 59
    assert "1 rows without a score are left out" in two(rows).notes


def test_items_without_a_cluster_are_clusters_of_their_own() -> None:
    rows = table()
    rows.loc[rows["item"] < "i003", "family"] = np.nan
    found = two(rows)
    assert found.n_clusters == 15
    assert "3 items without a family are clusters of their own" in found.notes


def test_one_family_alone_is_said() -> None:
    found = two(table(n_families=1))
    assert found.clusters is None
    assert "all items are of one family, 'f00'" in found.summary()


def test_few_clusters_and_a_large_one_are_said() -> None:
    rows = table(n_families=3)
    assert "3 clusters: p cannot be below 0.25" in two(rows).summary()
    assert "one cluster has 67% of the items" in two(rows.replace({"family": {"f01": "f00"}})).summary()


def test_one_item_may_be_named_by_task_and_item() -> None:
    rows = table().rename(columns={"item": "task"})
    both = rows.assign(item=rows["task"].str[-1], task=rows["task"].str[:-1])
    assert two(both).to_dict() == two(rows).to_dict()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="score"), "no column 'score': the table needs model, item (or task) and score"),
        (lambda rows: rows.drop(columns="item"), "no column 'item'"),
        (lambda rows: rows[:0], "no rows"),
        (lambda rows: rows.assign(score=rows["score"] * 100), "score is 100.0: give a number in [0, 1]"),
        (lambda rows: rows.assign(score="high"), "row 0: score is 'high'"),
        (lambda rows: rows.assign(item=rows["item"].where(rows["item"] > "i000")), "row 0: item is empty: name it"),
        (lambda rows: pd.concat([rows, rows]), "remove copies, or tell repeated attempts apart"),
        (lambda rows: rows.replace({"model": {"m1": "m1-chat"}}), "no model 'm1' among 2: did you mean m0, m1-chat?"),
        (lambda rows: rows.assign(item=rows["item"] + rows["model"]), "0 of 120 items were asked of all 2 models"),
        (lambda rows: rows.assign(family=rows["family"] + rows["model"]), "has several values of family: give one"),
        (lambda rows: rows.to_dict(), "the scores are a dict: give a table"),
    ],
)
def test_what_cannot_be_is_one_line(change: Any, said: str) -> None:
    with pytest.raises(tl.TasklawsError) as refusal:
        two(change(table()))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) <= 500


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"models": ("m0", "m0")}, "models m0, m0: give two or more, each once"),
        ({"models": ("m0",)}, "models m0: give two or more"),
        ({"models": "m0,m1"}, "models is the text 'm0,m1': give a list"),
        ({"level": 90}, "the level of the interval is 90"),
        ({"clusters": "repo"}, "no column 'repo' to cluster by: the table has model, item, family, score"),
    ],
)
def test_options_that_cannot_be_are_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(tl.TasklawsError, match=said.replace("(", r"\(")):
        tl.compare(table(), **options)


def test_more_models_are_ranked_with_groups_that_cannot_be_told_apart() -> None:
    rows = table(seed=3, models=4, n_items=300, n_families=300, gap=0.0)
    weak = table(seed=3, models=6, n_items=300, n_families=300, gap=1.5).query("model in ('m4', 'm5')")
    found = tl.compare(pd.concat([rows, weak]))
    assert isinstance(found, tl.Ranking)
    ranks = found.table.set_index("model")
    assert set(ranks.loc[["m0", "m1", "m2", "m3"], "groups"]) == {"a"}
    assert not set("".join(ranks.loc[["m4", "m5"], "groups"])) & {"a"}
    assert ranks.loc["m0", ["rank_low", "rank_high"]].tolist() == [1, 4]
    assert (found.table["rank_low"] <= found.table["rank"]).all()
    assert (found.table["rank_high"] >= found.table["rank"]).all()
    assert found.table["mean"].is_monotonic_decreasing
    assert len(found.pairs) == 15


@given(matrix=st.integers(1, 8).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n)))
def test_two_models_share_a_letter_if_and_only_if_they_are_not_told_apart(matrix: list[bool]) -> None:
    count = round(len(matrix) ** 0.5)
    upper = np.triu(np.array(matrix).reshape(count, count), 1)
    apart = upper | upper.T
    letters = _letters(apart)
    for first in range(count):
        for second in range(count):
            assert bool(set(letters[first]) & set(letters[second])) != apart[first, second]


def run(*words: str) -> None:
    sys.argv = ["tasklaws", *words]
    cli.main()


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "argv", [])
    path = tmp_path / "items.csv"
    table(models=3).to_csv(path, index=False)
    return path


def test_the_command_says_the_same_and_writes_where_told(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", str(items), "--models", "m0,m1", "--json")
    assert json.loads(capsys.readouterr().out) == two(table(models=3)).to_dict()
    out = items.parent / "out"
    run("compare", str(items), "--out", str(out))
    assert capsys.readouterr().out.splitlines()[0].split() == ["rank", "model", "mean", "may", "rank", "groups"]
    assert sorted(path.name for path in out.iterdir()) == ["pairs.csv", "ranking.csv", "summary.json"]
    assert json.loads((out / "summary.json").read_text()) == tl.compare(table(models=3)).to_dict()


def test_the_command_refuses_in_one_line(items: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("compare", str(items), "--models", "m0,m9")
    assert capsys.readouterr().err == f"error: {items}: no model 'm9' among 3: did you mean m0, m1, m2?\n"


@pytest.mark.parametrize(
    ("name", "models", "difference", "interval", "p_value"),
    [
        ("metr_th10", ("claude-3-7-sonnet-20250219", "o1"), 0.0235, (-0.015, 0.062), 0.39),
        ("metr_th10", ("o1", "gpt2"), 0.5855, (0.46, 0.71), 0.0001),
        ("swe_bench_verified", ("20250928_trae_doubao_seed_code", "gemini-3-pro-preview"), 0.014, (-0.08, 0.1), 0.77),
    ],
)
def test_published_models_are_told_apart_where_they_differ_much(
    name: str, models: tuple[str, str], difference: float, interval: tuple[float, float], p_value: float
) -> None:
    found = tl.compare(pd.read_csv(shared(f"items/{name}.csv.gz")), models)
    assert isinstance(found, tl.Comparison)
    assert found.difference == pytest.approx(difference, abs=1e-3)
    assert (found.low, found.high) == pytest.approx(interval, abs=0.01)
    assert found.p_value == pytest.approx(p_value, abs=0.02)


@pytest.mark.parametrize("column", ["metric", "Step", "n_shot", "filter"])
def test_rows_of_several_metrics_or_steps_are_no_attempts(column: str, tmp_path: Path) -> None:
    rows = pd.concat([table(seed).assign(**{column: seed}) for seed in (1, 2)])
    rows.to_csv(tmp_path / "items.csv", index=False)
    with pytest.raises(tl.TasklawsError, match=rf"'m0', task 'i000' has several values of '{column}': 1, 2: keep"):
        tl.compare(read_model_scores(tmp_path / "items.csv"))
    tl.compare(table().assign(**{column: lambda rows: rows["item"]}))
