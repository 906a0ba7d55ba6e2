"""tasklaws.report.ladder_pair and its page: ladders are compared where they were asked alike, and the page's numbers
are the tables'."""

import copy
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_report import read_page

from command import run
from results_tree import params_of, write_results
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.settings import Settings
from tasklaws.forecast.headline import headline
from tasklaws.provenance.record import record_sha256
from tasklaws.report.build import build_report
from tasklaws.report.ladder_pair import LadderPair, pair_ladders
from tasklaws.report.pair_page import level_intervals, write_pair

pytestmark = pytest.mark.slow  # it makes whole pages

FEW = ("gauss_sum", "largest_of_four")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ladders: of the second gauss_sum has other items and is asked in one way alone, and the seeds are others."""
    root = tmp_path_factory.mktemp("two")
    params = params_of("nano_mini", FEW)
    other = copy.deepcopy(params_of("nano_mini", FEW))
    other["models"]["name"] = "twin"
    other["families"]["sets"]["gauss_sum"]["per_decade"] += 3
    other["elicitation"]["ask"]["gauss_sum"] = ["python"]
    for entry in other["models"]["rungs"].values():
        entry["source"]["seeds"] = [1]
    items = []
    for each in (params, other):
        each["execution"]["workers"] = 1
        write_results(root, each)
        build_report(root, Settings.of(each))
        items.append((root / "data/items/gauss_sum.jsonl").read_bytes())
    assert items[0] != items[1]
    return root


@pytest.fixture(scope="module")
def pair(root: Path) -> LadderPair:
    return pair_ladders(root, "nano_mini", "twin")


@pytest.fixture(scope="module")
def page(pair: LadderPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_pair(folder, pair)
    return folder


def validation(root: Path, ladder: str) -> pd.DataFrame:
    return pd.read_csv(root / "results" / ladder / "validation.csv")


def test_what_was_asked_alike_is_compared_and_all_else_says_why(root: Path, pair: LadderPair) -> None:
    assert pair.curves == [
        (("largest_of_four", "choice"), "exact_match"),
        (("corpus", "likelihood"), "loss_nats"),
    ]
    why = {row.name: (row.one, row.other) for row in pair.left_out}
    assert set(why) == {"gauss_sum · direct", "gauss_sum · python"}
    assert why["gauss_sum · direct"] == ("asked", "not asked")
    now = hashlib.sha256((root / "data/items/gauss_sum.jsonl").read_bytes()).hexdigest()
    assert why["gauss_sum · python"][1] == f"items {now[:12]}"
    assert why["gauss_sum · python"][0] != why["gauss_sum · python"][1]
    assert "families.sets.gauss_sum.per_decade" in {row.name for row in pair.settings}
    assert any("the seeds are others: nano_mini has 0, twin 1" in each for each in pair.cautions)
    assert any(
        "mini-1k, mini-21k, mini-5k of the rungs that both have are of other weights" in each for each in pair.cautions
    )


def changed(root: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> LadderPair:
    """The pair where what the second ladder's records share is other."""
    shutil.copytree(root / "results", tmp_path / "results")
    path = tmp_path / "results/twin/provenance.json"
    records = json.loads(path.read_text())
    change(records["shared"])
    for part in records["parts"].values():
        part["digest"] = record_sha256(records["shared"] | {"name": part["name"], "inputs": part["inputs"]})
    path.write_text(json.dumps(records))
    return pair_ladders(tmp_path, "nano_mini", "twin")


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"prompts": "plain"}, "asked plain with 0 shots"), ({"num_fewshot": 2}, "asked terse with 2 shots (same)")],
)
def test_what_was_asked_otherwise_is_not_compared(
    root: Path, setting: dict[str, object], said: str, tmp_path: Path
) -> None:
    found = changed(root, tmp_path, lambda shared: shared["params"]["models"].update(setting))
    assert [task for task, _ in found.curves] == [("corpus", "likelihood")]
    assert said in {row.other for row in found.left_out}


def test_a_page_of_nothing_in_common_says_so_and_names_are_text(root: Path, tmp_path: Path) -> None:
    def other(shared: dict[str, Any]) -> None:
        shared["items"] = dict.fromkeys(shared["items"], "0" * 64)
        shared["packages"]["torch"] = "<i>9\u202e"
        for model in shared["models"].values():
            del model["corpus_sha256"]

    found = changed(root, tmp_path, other)
    assert (found.curves, found.differences) == ([], [])
    write_pair(tmp_path / "page", found)
    text = (tmp_path / "page/index.html").read_text()
    read_page(text)
    assert "no share solved was forecast of both" in text
    assert "corpus unknown" in text
    assert "&lt;i&gt;9\\u202e" in text
    assert "<i>9" not in text


def test_each_number_is_the_tables(root: Path, pair: LadderPair, page: Path) -> None:
    rows = [
        validation(root, name).query("metric == 'exact_match' and family == 'largest_of_four'")
        for name in ("nano_mini", "twin")
    ]
    error, width = pair.of("error of the forecast"), pair.of("width of the 90% intervals")
    assert [error.one, error.other] == pytest.approx([each["abs_error"].mean() for each in rows])
    assert width.difference == pytest.approx(np.subtract(*[(each["upper"] - each["lower"]).mean() for each in rows]))
    assert (error.low, error.high) == (None, None)  # of one task
    text = unescape(re.sub(r"<[^>]+>", " ", (page / "index.html").read_text()))
    for each in pair.differences:
        scale, form = (1, ".2f") if each.unit == "nats" else (100, ".1f")
        for value in (each.one, each.other):
            assert f"{scale * value:{form}}" in text, each.name
    for name in ("nano_mini", "twin"):
        for key, value in headline(read_json(root / "results" / name / "metrics.json")).items():
            assert re.search(rf"{key}\s.*?{value:g}", text, re.DOTALL), key
    told = json.loads((page / "summary.json").read_text())
    assert told["differences"][1]["one"] == pytest.approx(error.one)
    assert told["ladders"] == ["nano_mini", "twin"]


def test_differences_have_the_interval_of_their_tasks(root: Path) -> None:
    """A ladder beside itself under another name: every difference is none, on all tasks."""
    copied = root.parent / "same"
    shutil.copytree(root / "results/nano_mini", copied / "results/nano_mini")
    shutil.copytree(root / "results/nano_mini", copied / "results/again")
    found = pair_ladders(copied, "nano_mini", "again")
    assert found.left_out == []
    assert found.n_forecast == 3
    assert {(each.difference, each.low, each.high, each.is_told) for each in found.differences} == {
        (0.0, 0.0, 0.0, False)
    }
    assert found.settings == []


def test_the_page_stands_alone_and_is_the_same_again(pair: LadderPair, page: Path, tmp_path: Path) -> None:
    text = (page / "index.html").read_text()
    reader = read_page(text)
    assert set(reader.loads) == {"data:,"}
    assert "script" not in reader.tags
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)
    assert {path.name for path in page.iterdir()} == {"index.html", "summary.json"}
    write_pair(tmp_path, pair)
    assert (tmp_path / "index.html").read_text() == text


def test_intervals_of_scores(pair: LadderPair) -> None:
    found = pd.DataFrame({"value": [0.0, 0.5, 1.0], "n_items": [20.0] * 3, "stderr": [0.0, 0.11, 0.0]})
    lower, upper = level_intervals(found, "exact_match")
    assert lower[0] == 0
    assert upper[2] == 1
    assert (upper - lower > 0.05).all()
    lower, upper = level_intervals(found, "loss_nats")
    assert upper[1] - lower[1] == pytest.approx(2 * 1.6449 * 0.11)


def test_what_cannot_be_set_side_by_side_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TasklawsError, match="nano_mini was given twice: give two ladders"):
        pair_ladders(root, "nano_mini", "nano_mini")
    with pytest.raises(TasklawsError, match="ladder x has no report here, which nano_mini, twin has"):
        pair_ladders(root, "nano_mini", "x")
    changed = tmp_path / "changed"
    shutil.copytree(root, changed)
    with (changed / "results/nano_mini/validation.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(TasklawsError, match=r"validation.csv is not what validate@nano_mini wrote"):
        pair_ladders(changed, "nano_mini", "twin")


def test_the_command(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    assert run("compare-ladders", "nano_mini", "twin") == 0
    said = capsys.readouterr().out
    assert said.startswith("nano_mini and twin: 2 tasks can be compared, 2 cannot\n")
    assert run("compare-ladders", "nano_mini", "twin", "--json", "--out", str(tmp_path / "out")) == 0
    assert json.loads(capsys.readouterr().out) == read_json(tmp_path / "out/summary.json")
    assert sorted(root.rglob("*")) == before
