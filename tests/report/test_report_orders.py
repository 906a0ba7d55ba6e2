"""The orders of difficulty in the report: what the section says follows the tables."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from results_tree import params_of, write_results
from tasklaws.core.settings import Settings
from tasklaws.report.load import load
from tasklaws.report.orders import OrderEvidence, figures, section
from tasklaws.report.orders import load as load_orders


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    root = tmp_path_factory.mktemp("orders")
    params = params_of("nano_mini", ("gauss_sum", "sha256_power"))
    write_results(root, params)
    return root, Settings.of(params)


def test_the_section_shows_the_tables(made: tuple[Path, Settings]) -> None:
    evidence = load(*made)
    orders = load_orders(made[0], evidence)
    shown = section(evidence, orders)
    table = pd.read_csv(made[0] / "results/nano_mini/orders.csv")
    assert shown["n_models"] == 1
    assert [row["items"] for row in shown["rows"]] == ["all", *sorted(set(table["items"]) - {"all"})]
    first = table[(table["items"] == "all") & (table["order"] == "constant")].iloc[0]
    assert shown["rows"][0]["cells"][0]["loss"] == f"{first['log_loss']:.3f}"
    assert not shown["rows"][0]["cells"][0]["better"]
    assert [family["pair"][0] for family in shown["families"]] == ["sha256_power", "gauss_sum"]
    assert set(figures(evidence, orders)) == {family["figure"] for family in shown["families"]}


def test_bold_is_what_the_interval_supports(made: tuple[Path, Settings]) -> None:
    evidence = load(*made)
    orders = load_orders(made[0], evidence)
    time = (orders.compared["items"] == "all") & (orders.compared["order"] == "time")
    for high, better in ((-0.1, True), (0.1, False)):
        compared = orders.compared.copy()
        compared.loc[time, ["minus_constant_low", "minus_constant_high"]] = [-0.3, high]
        shown = section(evidence, OrderEvidence(compared, orders.agreement, orders.people, []))
        assert shown["rows"][0]["cells"][1]["better"] is better
        named = shown["sentences"][0].split("not told apart")[0]
        assert ("people's time" in named) is better


def test_families_without_people_are_named_and_drawn_without_them(made: tuple[Path, Settings], tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(made[0], root)
    path = root / "data/humans/items.csv"
    people = pd.read_csv(path)
    people[people["family"] != "gauss_sum"].to_csv(path, index=False)
    evidence = load(root, made[1])
    orders = load_orders(root, evidence)
    assert section(evidence, orders)["without_people"] == ["gauss_sum"]
    drawn = figures(evidence, orders)
    lines = {name: len(figure.axes[0].lines) for name, figure in drawn.items()}
    assert sorted(lines.values()) == [2, 4]
