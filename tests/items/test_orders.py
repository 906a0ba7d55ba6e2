"""Orders of difficulty: what is made to order items is found to, and what is not is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from item_commands import assert_rows_in_any_order_give_the_same, tasklaws
from populations import table
from scipy.stats import kendalltau

from shared_data import ROOT, shared
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.items.ladder_items import families_without_people, ladder_items
from tasklaws.items.orders import (
    ALL,
    MEASURED,
    better_or_worse,
    cluster_index,
    item_sets,
    order_agreement,
    score_orders,
    sentences,
)
from tasklaws.items.predictions import summarise
from tasklaws.items.rolling import predict
from tasklaws.items.table import ItemTable, check_items, read_item_scores
from tasklaws.tables import ORDERS


def steps_of(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Steps that have nothing to do with difficulty."""
    steps = pd.Series(np.random.default_rng(seed).integers(1, 9, rows["task"].nunique()), rows["task"].unique())
    return rows.assign(steps_required=rows["task"].map(steps))


@pytest.fixture(scope="module")
def made() -> ItemTable:
    """Minutes that tell of difficulty, steps that do not; items of one family."""
    return check_items(steps_of(table(n_models=7, n_items=80), 5).drop(columns="family"), "t.csv")


@pytest.fixture(scope="module")
def compared(made: ItemTable) -> pd.DataFrame:
    return score_orders(made, 4)


def test_what_orders_items_is_told_from_what_does_not(compared: pd.DataFrame) -> None:
    rows = compared.set_index("order")
    assert list(rows.index) == ["constant", "time", "steps", "item_response", "full"]
    verdicts = {name: better_or_worse(row, "constant") for name, row in rows.iterrows()}
    assert verdicts["time"] == verdicts["item_response"] == verdicts["full"] == "better"
    assert verdicts["steps"] != "better"
    assert rows.loc["time", "tau"] > 0.3
    assert rows.loc["steps", "tau_low"] < 0 < rows.loc["steps", "tau_high"]
    better, _ = sentences(compared, ALL)
    assert "people's time -" in better.split("not told apart")[0]
    assert "required steps" not in better.split("not told apart")[0].split("better")[1].split(";")[0]


def test_the_figures_are_those_of_tasklaws_difficulty_but_for_what_that_averages(
    made: ItemTable, compared: pd.DataFrame
) -> None:
    summary = summarise([predict(made, index, False) for index in (3, 4, 5, 6)])
    assert "steps" not in summary
    for name, apart in (("constant", 1e-6), ("time", 1e-6), ("item_response", 0.02), ("full", 0.02)):
        row, figures = compared.set_index("order").loc[name], summary[name]
        assert figures is not None
        assert row["log_loss"] == pytest.approx(figures["log_loss"], abs=apart)
        assert row["auc"] == pytest.approx(figures["auc"], abs=apart)


def test_a_held_out_model_moves_no_prediction_of_an_earlier_one(made: ItemTable) -> None:
    changed = made.scores.copy()
    changed[:, -1] = 1 - changed[:, -1]
    other = ItemTable(changed, made.items, made.models, made.position)
    before, after = (score_orders(each.take(np.arange(6)), 2) for each in (made, other))
    assert before.equals(after)


def test_agreement_is_kendalls(made: ItemTable) -> None:
    row = order_agreement(made).query("order == 'time' and other == 'steps'").iloc[0]
    expected = kendalltau(made.items["human_minutes"], made.items["steps_required"]).statistic
    assert row["tau"] == pytest.approx(expected)
    assert row["tau_low"] < row["tau"] < row["tau_high"]


def test_families_are_clusters_and_sets_of_items() -> None:
    rows = table(n_models=4, n_items=50).assign(family=lambda t: np.where(t["task"] < "t30", "long", "short"))
    rows["human_minutes"] = rows["human_minutes"].where(rows["task"] != "t01")
    rows.loc[rows["task"] == "t02", "family"] = None
    checked = check_items(steps_of(rows, 1), "t.csv")
    assert len(set(cluster_index(checked))) == 3
    sets = score_orders(checked, 2).groupby("items")["n_items"].first()
    assert sets.to_dict() == {ALL: 50, MEASURED: 49, "long": 29, "short": 20}


def test_items_of_which_nothing_is_known_are_one_set() -> None:
    rows = table(n_models=3, n_items=8)[["model", "date", "task", "score"]]
    found = score_orders(check_items(rows, "t.csv"), 1)
    assert found[ORDERS.keys].to_numpy().tolist() == [[ALL, name] for name in ("constant", "item_response", "full")]


def test_families_of_which_nothing_is_known_are_not_compared() -> None:
    rows = table(n_models=3, n_items=100)
    rows["human_minutes"] = rows["human_minutes"].where(rows["family"] == "f0")
    assert [name for name, _ in item_sets(check_items(rows, "t.csv"))] == [ALL, MEASURED, "f0"]


def items() -> list[Item]:
    return [
        Item(f"sum-{n}", "sum", f"sum {n}", "1", ("sum", "copy"), n, 0, False, 60.0 * n, 10, 0.0, ("print(1)",))
        for n in (1, 2)
    ]


def test_a_ladder_is_a_table_of_items() -> None:
    rows = [
        {"rung": rung, "seed": seed, "family": "sum", "elicitation": "python", "item": item, "exact_match": value}
        for rung, value in (("small", 0.0), ("large", 1.0))
        for seed in (0, 1)
        for item in ("sum-1", "sum-2")
    ]
    scores = pd.DataFrame(rows)
    scores.loc[0, "exact_match"] = 1.0
    people = pd.DataFrame({"n_people": 10, "n_solved": [9, 4]}, index=["sum-1", "sum-2"])
    found = ladder_items(scores, {"small": 10.0, "large": 100.0}, items(), people)
    assert found.models == ("small", "large")
    assert found.scores.tolist() == [[0.5, 1.0], [0.0, 1.0]]
    assert found.items["human_minutes"].tolist() == [1.0, 2.0]
    assert found.items["human_solved"].tolist() == [9.0, 4.0]
    assert set(found.items["family"]) == {"sum_python"}
    with pytest.raises(TasklawsError, match=r"data/humans/items.csv lacks sum-2, but has others of sum"):
        ladder_items(scores, {"small": 10.0, "large": 100.0}, items(), people.head(1))
    with pytest.raises(TasklawsError, match="item sum-2 was scored and is not in data/items"):
        ladder_items(scores, {"small": 10.0, "large": 100.0}, items()[:1], people)


def test_a_family_without_people_has_no_solve_rate_and_is_compared_by_the_rest() -> None:
    rows = table(n_models=4, n_items=50).assign(family=lambda t: np.where(t["task"] < "t25", "asked", "alone"))
    known = rows["family"] == "asked"
    rows["human_attempts"] = np.where(known, 10.0, np.nan)
    rows["human_solved"] = np.where(known, rows["task"].str[1:].astype(float) % 7, np.nan)
    found = score_orders(check_items(rows, "t.csv"), 2)
    orders = found.groupby("items")["order"].agg(list)
    assert "solve_rate" in orders[ALL]
    assert orders["alone"] == [name for name in orders["asked"] if name != "solve_rate"]
    assert found.query("items == 'measured'")["n_items"].eq(25).all()


def test_the_families_without_people_are_told() -> None:
    people = pd.DataFrame({"n_people": 10, "n_solved": 9}, index=["sum-1", "sum-2"])
    other = replace(items()[0], id="product-1", family="product")
    families = {item.id: item.family for item in items()}
    assert families_without_people({**families, other.id: other.family}, people) == ["product"]
    assert families_without_people(families, people) == []


def test_the_command_writes_the_same_whatever_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("orders.csv", "agreement.csv", "orders.svg")
    assert_rows_in_any_order_give_the_same("orders", files, tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert "Against no order at all" in said
    assert "Against item response" in said


def test_too_many_held_out_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table().to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(SystemExit):
        tasklaws(monkeypatch, "orders", str(tmp_path / "table.csv"), "--out", str(tmp_path / "out"))
    assert capsys.readouterr().err == "error: last is 6: 5 models have earlier ones: give 1 to 5\n"
    assert not (tmp_path / "out").exists()


def test_the_figures_of_the_page_on_metr() -> None:
    """docs/difficulty.md says what this finds."""
    found = score_orders(read_item_scores(shared("items/metr_th10.csv.gz")), 6)
    page = (ROOT / "docs/difficulty.md").read_text()
    for name in ("time", "solve_rate", "item_response", "full"):
        row = found[(found["items"] == ALL) & (found["order"] == name)].iloc[0]
        figures = f"{row['log_loss']:.3f} ({row['log_loss_low']:.3f} to {row['log_loss_high']:.3f})"
        assert f"| {figures} |" in page, f"{name}: {figures}"
