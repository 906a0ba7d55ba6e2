"""reports/<ladder>/surprises.html: self-contained, linked both ways, and all that was surprising is on it."""

import re
import shutil
from html import escape
from pathlib import Path

import pandas as pd
import pytest
from test_report import read_page

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Settings
from tasklaws.report.build import build_report
from tasklaws.tables import SURPRISES

pytestmark = pytest.mark.slow  # it makes whole pages

RESULTS = Path("results/nano_mini")


def page(root: Path) -> str:
    return (root / "reports" / "nano_mini" / "surprises.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_is_linked_both_ways(three_families_reported: tuple[Path, Settings]) -> None:
    reader = read_page(page(three_families_reported[0]))
    assert set(reader.loads) == {"data:,", "index.html"}
    assert "script" not in reader.tags
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)
    assert 'href="surprises.html"' in (three_families_reported[0] / "reports" / "nano_mini" / "index.html").read_text(
        encoding="utf-8"
    )


def test_every_surprise_stands_on_the_page_with_its_skills(three_families_reported: tuple[Path, Settings]) -> None:
    table = pd.read_csv(three_families_reported[0] / RESULTS / "surprises.csv", keep_default_na=False)
    text = page(three_families_reported[0])
    surprising = table[table["surprise"] != "as expected"]
    assert len(surprising)
    for kind, rows in surprising.groupby("surprise"):
        assert f'{str(kind).capitalize()} <span class="small">({len(rows)})</span>' in text
    for skills in surprising["skills"].unique():
        assert f"<td>{escape(skills)}</td>" in text
    assert "<code>mini-21k 0.0</code>" in text  # what the invented model says when it is wrong


def test_the_summary_tells_what_chance_would_give(three_families_reported: tuple[Path, Settings]) -> None:
    row = pd.read_csv(three_families_reported[0] / RESULTS / "surprise_counts.csv").iloc[0]
    wanted = f"{row['found']:.0f} of {row['n_items']:.0f} items came out with more than 1 bit of surprise"
    assert wanted in page(three_families_reported[0])
    assert f"it would be {row['expected']:.1f} (90%: {row['lower']:.0f} to {row['upper']:.0f})" in page(
        three_families_reported[0]
    )


def test_no_surprise_says_so(three_families_reported: tuple[Path, Settings], tmp_path: Path) -> None:
    shutil.copytree(three_families_reported[0], tmp_path, dirs_exist_ok=True)
    table = pd.read_csv(tmp_path / RESULTS / "surprises.csv", keep_default_na=False)
    SURPRISES.write(tmp_path / RESULTS / "surprises.csv", table.assign(surprise="as expected"))
    build_report(tmp_path, three_families_reported[1])
    assert page(tmp_path).count("<p>None.</p>") == 2


def test_a_response_that_is_missing_is_named(three_families_reported: tuple[Path, Settings], tmp_path: Path) -> None:
    shutil.copytree(three_families_reported[0], tmp_path, dirs_exist_ok=True)
    table = pd.read_csv(tmp_path / RESULTS / "surprises.csv", keep_default_na=False)
    item = table.loc[table["surprise"] != "as expected", "item"].iloc[0]
    path = tmp_path / "responses" / "nano_mini" / "mini-21k.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if f'"{item}"' not in line))
    (tmp_path / "reports" / "nano_mini" / "surprises.html").unlink()
    (tmp_path / "dvc.lock").unlink()  # by which the file is refused before it is read
    with pytest.raises(TasklawsError, match=f"rung mini-21k has no .* response to {re.escape(item)}: run"):
        build_report(tmp_path, three_families_reported[1])
    assert not (tmp_path / "reports" / "nano_mini" / "surprises.html").exists()
