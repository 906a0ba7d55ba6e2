"""tasklaws.report: self-contained, byte-stable, and saying what the data say."""

import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

from results_tree import params_of, write_results
from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Settings
from tasklaws.overlap.effective_number import worth
from tasklaws.report.build import build
from tasklaws.report.claims import claims
from tasklaws.report.load import Evidence, load
from tasklaws.report.tables import weights

FEW = ("gauss_sum", "largest_of_four", "sha256_power")


@pytest.fixture(scope="module")
def full(not_quick: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The default ladder with every family, reported."""
    root = tmp_path_factory.mktemp("full")
    params = params_of("nano_ladder")
    write_results(root, params)
    build(root, Settings.of(params))
    return root, Settings.of(params)


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Three rungs, one seed, a few families, not yet reported."""
    root = tmp_path_factory.mktemp("mini")
    params = params_of("nano_mini", FEW)
    write_results(root, params)
    return root, Settings.of(params)


def page(root: Path) -> str:
    return (root / "reports" / "index.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects what a page would load, its ids and references, and checks that every tag is closed."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action") and value is not None:
                (self.references if value.startswith("#") else self.loads).append(value.removeprefix("#"))
            if name == "id" and value is not None:
                self.ids.append(value)
            self.references += re.findall(r"url\(#([^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def read_page(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_loads_nothing(full: tuple[Path, dict[str, Any]]) -> None:
    text = page(full[0])
    reader = read_page(text)
    assert reader.loads == ["data:,", "surprises.html"]
    assert "script" not in reader.tags
    assert not re.search(r"@import|url\((?!#)", text)
    assert str(full[0]) not in text


def test_ids_are_unique_and_references_lead_somewhere(full: tuple[Path, dict[str, Any]]) -> None:
    reader = read_page(page(full[0]))
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)


def test_every_colour_of_a_figure_has_a_dark_one(full: tuple[Path, dict[str, Any]]) -> None:
    figures = "".join(re.findall(r"<svg.*?</svg>", page(full[0]), flags=re.S))
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) == set()


def test_every_family_has_its_figures(full: tuple[Path, dict[str, Any]]) -> None:
    root, settings = full
    figures = {path.stem for path in (root / "results" / "nano_ladder" / "figures").glob("*.svg")}
    for family, elicitations in settings.elicitation.ask.items():
        for elicitation in elicitations:
            assert f"{family}-{elicitation}-exact_match" in figures
            assert f"{family}-{elicitation}-target_bits_per_byte" in figures
            assert f"{family}-{elicitation}-tokens" in figures
    assert {"ladder", "sha256_power-python-digits", "gauss_sum-python-map", "gauss_sum-python-fates"} <= figures
    assert {"step_chain-direct-steps", "step_chain_shared-direct-steps", "largest_of_four-choice-brier"} <= figures
    surprising = (root / "reports" / "surprises.html").read_text(encoding="utf-8")
    for name in figures:
        ElementTree.parse(root / "results" / "nano_ladder" / "figures" / f"{name}.svg")
        shown = surprising if name.endswith("-item-calibration") else page(root)
        assert f'id="{name}-title"' in shown


def test_verdicts_stand_on_the_page(full: tuple[Path, dict[str, Any]]) -> None:
    root, _ = full
    forecasts = pd.read_csv(root / "results" / "nano_ladder" / "forecasts.csv")
    text = page(root)
    for verdict in forecasts["verdict"].unique():
        assert f">{verdict}</span>" in text


def test_methods_laws_and_mirage_check_stand_on_the_page(full: tuple[Path, dict[str, Any]]) -> None:
    root, _ = full
    text = page(root)
    methods = pd.read_csv(root / "results" / "nano_ladder" / "methods.csv")
    for name in methods.loc[methods["weight"] > 0, "method"].unique():
        assert f">{name.replace('_', ' ')}</td>" in text
    for curve in load(*full).fits.values():
        if curve.metric == "exact_match":
            for law in curve.laws:
                assert f'<td class="one">{law.law.replace("_", " ")}</td>' in text
                assert law.status.replace("_", " ") in text
    for row in pd.read_csv(root / "results" / "nano_ladder" / "mirage.csv").itertuples():
        assert escape(row.evidence, quote=False) in text


def test_what_families_are_worth_stands_on_the_page(full: tuple[Path, dict[str, Any]]) -> None:
    root, _ = full
    text = page(root)
    table = pd.read_csv(root / "results" / "nano_ladder" / "structure.csv")
    seen = table.dropna(subset="observed")
    assert 0 < len(seen) < len(table)  # of what is never solved nothing is seen
    for row in seen.itertuples():
        assert f'<td class="n">{row.observed:.1f} ({row.observed_low:.1f} to {row.observed_high:.1f})</td>' in text
    least = table.loc[(table["n_eff"] / table["n_items"]).idxmin()]
    said = f"The items of {least['family']} {least['elicitation']} hang together most: {worth(least.to_dict())}."
    assert escape(said, quote=False) in text
    assert "results/nano_ladder/structure.csv" in text


def test_weights_of_a_curve_make_up_the_whole(full: tuple[Path, dict[str, Any]]) -> None:
    evidence = load(*full)
    table = weights(evidence, "exact_match")
    assert len(table.curves) == len(evidence.pairs)
    assert "repeat last" in [row["method"] for row in table.rows]
    for place in range(len(table.curves)):
        assert sum(float(row["cells"][place][0].strip("<%")) for row in table.rows) == pytest.approx(
            100, abs=len(table.rows)
        )


@pytest.mark.parametrize(
    ("survives", "judged"),
    [([True, True], "not shown"), ([False], "shown"), ([True, False], "partly shown"), ([None], "cannot be told")],
)
def test_the_mirage_claim_follows_the_check(
    full: tuple[Path, dict[str, Any]], survives: list[bool | None], judged: str
) -> None:
    jump = {
        "family": "addition",
        "elicitation": "direct",
        "metric": "partial_credit",
        "statistic": 0.7,
        "p_value": 0.01,
    }
    rows = [jump if one is None else {**jump, "survives": one} for one in survives]
    assert judgement(replace(load(*full), mirage=rows), "Are the jumps") == judged


def test_the_plots_table_is_tidy(full: tuple[Path, dict[str, Any]]) -> None:
    table = pd.read_csv(full[0] / "results" / "nano_ladder" / "plots" / "curves.csv")
    assert list(table) == ["curve", "metric", "role", "n_params", "seed", "value"]
    assert set(table["role"]) == {"fit", "holdout", "forecast", "forecast lower", "forecast upper"}
    assert table["value"].notna().all()
    assert {"loss_nats", "bits_per_byte"} <= set(table.loc[table["curve"] == "corpus likelihood", "metric"])


def test_two_renders_give_the_same_bytes(mini: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    written = []
    for place in ("one", "two/deeper"):
        root = tmp_path / place
        shutil.copytree(mini[0], root)
        build(root, mini[1])
        outputs = [
            *sorted(root.glob("results/*/figures/*")),
            *root.glob("results/*/plots/*"),
            *sorted(root.glob("reports/*.html")),
        ]
        written.append({path.relative_to(root).as_posix(): path.read_bytes() for path in outputs})
    assert len(written[0]) > 10
    assert written[0] == written[1]


def test_three_rungs_are_not_enough(mini: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    build(tmp_path, mini[1])
    text = page(tmp_path)
    read_page(text)
    assert ">not enough rungs</span>" in text
    assert "too few rungs" in text
    assert 'id="overlap"' not in text
    assert "step_chain" not in text


def test_a_stale_figure_goes(mini: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    stale = tmp_path / "results" / "nano_mini" / "figures" / "old-family.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    build(tmp_path, mini[1])
    assert not stale.exists()


@pytest.mark.parametrize("lost", ["fits.json", "mirage.csv", "bands.csv", "validation.csv", "observations_holdout.csv"])
def test_a_missing_input_is_named_and_nothing_is_written(
    mini: tuple[Path, dict[str, Any]], tmp_path: Path, lost: str
) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "results" / "nano_mini" / lost).unlink()
    with pytest.raises(TasklawsError, match=re.escape(lost)):
        build(tmp_path, mini[1])
    assert not (tmp_path / "reports").exists()


def test_an_item_text_cannot_break_the_page(mini: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "data" / "items").glob("*.jsonl"):
        path.write_text(path.read_text().replace("largest ", "<script>alert(1)</script> "))
    build(tmp_path, mini[1])
    assert "script" not in read_page(page(tmp_path)).tags


def judgement(evidence: Evidence, title: str) -> str:
    return next(claim.judgement for claim in claims(evidence) if claim.title.startswith(title))


def rescored(evidence: Evidence, solved: dict[str, dict[str, float]]) -> Evidence:
    """The evidence with every program of a family solved or not, by rung and kind of item."""
    scores = [dict(row) for row in evidence.scores]
    observations = [dict(row) for row in evidence.observations]
    for row in scores:
        if row["family"] in solved and row["elicitation"] == "python":
            large = row["family"] == "gauss_sum" and len(evidence.items[row["item"]].answer) > 10
            row["exact_match"] = solved[row["family"]][row["rung"] + (" large" if large else "")]
            row["status"] = "ok" if row["exact_match"] else "out_of_fuel"
    for row in observations:
        if row["family"] in solved and row["elicitation"] == "python" and row["metric"] == "exact_match":
            own = [
                score["exact_match"]
                for score in scores
                if all(score[key] == row[key] for key in ("rung", "seed", "family", "elicitation"))
            ]
            row |= {"value": sum(own) / len(own), "stderr": 0.0}
    return replace(evidence, scores=scores, observations=observations)


def test_judgements_follow_the_data(full: tuple[Path, dict[str, Any]]) -> None:
    evidence = load(*full)
    rungs = list(evidence.rungs)
    step = {rung: float(index >= 4) for index, rung in enumerate(rungs)}
    pieces = {rung: float(index >= 2) for index, rung in enumerate(rungs)}
    pieces |= {f"{rung} large": float(index >= 5) for index, rung in enumerate(rungs)}
    as_claimed = rescored(evidence, {"sha256_power": step, "gauss_sum": pieces})
    assert judgement(as_claimed, "sha256") == "shown"
    assert judgement(as_claimed, "Sum of") == "shown"
    at_once = {key: float(int(rungs.index(key.split()[0]) >= 4)) for key in pieces}
    assert judgement(rescored(evidence, {"gauss_sum": at_once}), "Sum of") == "not shown"
    nothing = dict.fromkeys(pieces, 0.0)
    flat = rescored(evidence, {"sha256_power": nothing, "gauss_sum": nothing})
    assert judgement(flat, "sha256") == "cannot be told"
    assert judgement(flat, "Sum of") == "cannot be told"


CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_a_browser_shows_the_page(full: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --window-size=390,2400"
    command = [str(CHROMIUM), *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    subprocess.run(
        [*command, (full[0] / "reports" / "index.html").as_uri()], check=True, capture_output=True, timeout=120
    )
    assert picture.stat().st_size > 50_000
