"""The orders of difficulty in the report: what the section says follows the tables."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tasklaws.core.settings import Settings
from tasklaws.report.load import load_results
from tasklaws.report.orders import OrderResults, load_orders, order_figures, order_section


@pytest.fixture
def made(three_families: tuple[Path, Settings]) -> tuple[Path, Settings]:
    return three_families


def test_the_section_shows_the_tables(made: tuple[Path, Settings]) -> None:
    results = load_results(*made)
    orders = load_orders(results)
    shown = order_section(results, orders)
    table = pd.read_csv(made[0] / "results/nano_mini/orders.csv")
    assert list(shown["sets"]) == ["all", *sorted(set(table["items"]) - {"all"})]
    first = table[(table["items"] == "all") & (table["order"] == "constant")].iloc[0]
    constant = shown["sets"]["all"][0]
    assert (constant.log_loss, constant.n_models) == (first["log_loss"], 1)
    assert not constant.better
    assert [family for family, _ in shown["tasks"]] == ["sha256_power", "gauss_sum"]
    assert set(order_figures(results, orders)) == {
        f"orders-{family}-{elicitation}" for family, elicitation in shown["tasks"]
    }


def test_bold_is_what_the_interval_supports(made: tuple[Path, Settings]) -> None:
    results = load_results(*made)
    orders = load_orders(results)
    time = (orders.compared["items"] == "all") & (orders.compared["order"] == "time")
    for high, better in ((-0.1, True), (0.1, False)):
        compared = orders.compared.copy()
        compared.loc[time, ["minus_constant_low", "minus_constant_high"]] = [-0.3, high]
        shown = order_section(results, OrderResults(compared, orders.agreement, orders.people, []))
        assert shown["sets"]["all"][1].better is better
        named = shown["sentences"][0].split("not told apart")[0]
        assert ("people's time" in named) is better


def test_families_without_people_are_named_and_drawn_without_them(made: tuple[Path, Settings], tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(made[0], root)
    path = root / "data/humans/items.csv"
    people = pd.read_csv(path)
    people[people["family"] != "gauss_sum"].to_csv(path, index=False)
    results = load_results(root, made[1])
    orders = load_orders(results)
    assert order_section(results, orders)["without_people"] == ["gauss_sum"]
    figures = order_figures(results, orders)
    assert sorted(len(figure.axes[0].lines) for figure in figures.values()) == [2, 4]
