"""tasklaws.report: self-contained, byte-stable, and saying what the data say."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from results_tree import params_of, write_results
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.core.settings import Settings
from tasklaws.overlap.effective_number import worth
from tasklaws.report.build import build_report
from tasklaws.report.claims import claims
from tasklaws.report.figures import size_curve
from tasklaws.report.load import Results, load_results, of_task
from tasklaws.report.tables import combination_rows, mirage_rows, real_table
from tasklaws.report.template import plain

pytestmark = pytest.mark.slow  # it makes whole pages


@pytest.fixture(scope="module")
def full(not_quick: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Settings]:
    """Five fit rungs of the default ladder and its holdouts with every family, reported."""
    root = tmp_path_factory.mktemp("full")
    params = params_of("nano_ladder")
    rungs = params["models"]["rungs"]
    params["models"]["rungs"] = {rung: rungs[rung] for rung in (*list(rungs)[:10:2], *list(rungs)[10:])}
    write_results(root, params)
    build_report(root, Settings.of(params))
    return root, Settings.of(params)


@pytest.fixture
def mini(three_families: tuple[Path, Settings]) -> tuple[Path, Settings]:
    """Three rungs, one seed, a few families, not yet reported; the largest is asked in plain language."""
    return three_families


def page(root: Path) -> str:
    (path,) = root.glob("reports/*/index.html")
    return path.read_text(encoding="utf-8")


def details(root: Path) -> str:
    (path,) = root.glob("reports/*/details.html")
    return path.read_text(encoding="utf-8")


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


@pytest.mark.parametrize("shown", [page, details])
def test_a_page_loads_nothing(full: tuple[Path, Settings], shown: Callable[[Path], str]) -> None:
    text = shown(full[0])
    reader = read_page(text)
    assert {name.partition("#")[0].partition("/")[0] for name in reader.loads} <= {
        "data:,",
        "index.html",
        "surprises.html",
        "details.html",
        "items",
    }
    assert "script" not in reader.tags
    assert not re.search(r"@import|url\((?!#)", text)
    assert str(full[0]) not in text
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)


def test_the_first_page_is_short(full: tuple[Path, Settings]) -> None:
    text = page(full[0])
    assert len(text.encode()) <= 3_000_000
    words = re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.S).split()
    assert len(words) <= 4700


def test_every_colour_of_a_figure_has_a_dark_one(full: tuple[Path, Settings]) -> None:
    figures = "".join(re.findall(r"<svg.*?</svg>", page(full[0]) + details(full[0]), flags=re.S))
    assert set(re.findall(r"#[0-9a-f]{6}\b", figures)) == set()


def test_every_family_has_its_figures(full: tuple[Path, Settings]) -> None:
    root, settings = full
    figures = {path.stem for path in (root / "results" / "nano_ladder" / "figures").glob("*.svg")}
    for family, elicitations in settings.elicitation.ask.items():
        for elicitation in elicitations:
            assert f"{family}-{elicitation}-exact_match" in figures
            assert f"{family}-{elicitation}-target_bits_per_byte" in figures
            assert f"{family}-{elicitation}-tokens" in figures
    assert {"ladder", "sha256_power-python-digits", "gauss_sum-python-map", "gauss_sum-python-fates"} <= figures
    assert {"step_chain-direct-steps", "step_chain_shared-direct-steps", "largest_of_four-choice-brier"} <= figures
    pages = "".join(one.read_text(encoding="utf-8") for one in (root / "reports/nano_ladder").rglob("*.html"))
    for name in figures:
        ElementTree.parse(root / "results" / "nano_ladder" / "figures" / f"{name}.svg")
        assert pages.count(f'id="{name}-title"') == 1, name


def test_a_real_model_is_a_point_of_its_own(mini: tuple[Path, Settings], tmp_path: Path) -> None:
    root, settings = shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True), mini[1]
    results = load_results(root, settings)
    figure = size_curve(results, ("sha256_power", "python"), "exact_match")
    near, far = figure.axes
    assert far.get_xlabel() == "Real, 3 shots"
    assert [list(line.get_ydata()) for line in far.lines[1:]] == [[0.9], [0.35]]
    assert near.get_position().x1 < far.get_position().x0
    assert len(size_curve(results, ("largest_of_four", "choice"), "exact_match").axes) == 1
    table = real_table(results)
    assert list(table) == ["terse, 3 shots (same)", "plain, no shots"]
    assert list(table.loc["sha256_power · python"]) == ["90% (35%)", "90% (35%)"]
    # Other items: the scores are of other questions.
    real = root / "results/real/scores.csv"
    real.write_text(real.read_text().replace(sha256_file(root / "data/items/sha256_power.jsonl"), "0" * 64))
    assert len(size_curve(load_results(root, settings), ("sha256_power", "python"), "exact_match").axes) == 1


def test_verdicts_stand_on_the_page(full: tuple[Path, Settings]) -> None:
    root, _ = full
    forecasts = pd.read_csv(root / "results" / "nano_ladder" / "forecasts.csv")
    text = page(root) + details(root)
    for verdict in forecasts["verdict"].unique():
        assert f">{verdict}</span>" in text


def test_models_that_nobody_trained_stand_on_the_page(full: tuple[Path, Settings]) -> None:
    root, settings = full
    text = details(root)
    planned = pd.read_csv(root / "results" / "nano_ladder" / "planned.csv")
    assert set(planned["rung"]) == set(settings.models.planned)
    section = text[text.index('id="planned"') : text.index('id="methods"')]
    for name in settings.models.planned:
        shown = section.count(f'<td class="one">{name}</td>')
        assert shown == ((planned["rung"] == name) & (planned["metric"] == "exact_match")).sum()


def test_methods_laws_and_mirage_check_stand_on_the_page(full: tuple[Path, Settings]) -> None:
    root, _ = full
    text = details(root)
    methods = pd.read_csv(root / "results" / "nano_ladder" / "methods.csv")
    for name in methods.loc[methods["weight"] > 0, "method"].unique():
        assert f">{name.replace('_', ' ')}</td>" in text
    laws = load_results(*full).laws
    assert {"exact_match", "loss_nats"} <= set(laws["metric"])
    for law in laws[laws["metric"] == "exact_match"].itertuples():
        assert f'<td class="one">{law.law.replace("_", " ")}</td>' in text
        assert law.status.replace("_", " ") in text
    checked = mirage_rows(load_results(*full))
    section = text[text.index('id="mirage"') : text.index('id="worth"')]
    for row in checked.itertuples():
        folded = row.jump == "no jump"
        assert (
            f"{row.family} · {row.elicitation} (" if folded else escape(plain(row.evidence), quote=False)
        ) in section
    assert f"{(checked['jump'] == 'no jump').sum()} without a jump:" in section


def test_what_families_are_worth_stands_on_the_page(full: tuple[Path, Settings]) -> None:
    root, _ = full
    text = details(root)
    table = pd.read_csv(root / "results" / "nano_ladder" / "structure.csv")
    seen = table.dropna(subset="observed")
    assert 0 < len(seen) < len(table)  # of what is never solved nothing is seen
    for row in seen.itertuples():
        assert f'<td class="n">{row.observed:.1f} ({row.observed_low:.1f} to {row.observed_high:.1f})</td>' in text
    least = table.loc[(table["n_eff"] / table["n_items"]).idxmin()]
    said = f"The items of {least['family']} {least['elicitation']} hang together most: {worth(least.to_dict())}."
    assert escape(said, quote=False) in text
    assert "results/nano_ladder/structure.csv" in (root / "results/nano_ladder/provenance.json").read_text()


def test_weights_of_a_curve_make_up_the_whole(full: tuple[Path, Settings]) -> None:
    results = load_results(*full)
    tasks, rows = combination_rows(results, "exact_match")
    assert tasks == results.tasks
    assert "repeat_last" in [row.method for row in rows]
    for place, task in enumerate(tasks):
        cells = [row.weights_and_forecasts[place] for row in rows]
        assert sum(weight for weight, _ in cells if weight > 0) == pytest.approx(1)
        last = next(row for row in rows if row.method == "repeat_last").weights_and_forecasts[place]
        assert last[1] == pytest.approx(results.forecast(task, "exact_match")["repeat_last"])
    errors = [
        abs(row.weights_and_forecasts[place][1] - of_task(results.validation, task, "exact_match")["observed"].iloc[-1])
        for row in rows[:1]
        for place, task in enumerate(tasks)
    ]
    assert rows[0].error == pytest.approx(sum(errors) / len(errors))


@pytest.mark.parametrize(
    ("survives", "judged"),
    [([True, True], "not shown"), ([False], "shown"), ([True, False], "partly shown"), ([None], "cannot be told")],
)
def test_the_mirage_claim_follows_the_check(
    full: tuple[Path, Settings], survives: list[bool | None], judged: str
) -> None:
    jump = ("addition", "direct", "partial_credit", 0.7, 0.01)
    columns = ["family", "elicitation", "metric", "statistic", "p_value", "survives"]
    rows = pd.DataFrame([(*jump, one) for one in survives], columns=columns).fillna({"survives": float("nan")})
    assert judgement(replace(load_results(*full), mirage=rows), "mirage") == judged


def test_the_plots_table_is_tidy(full: tuple[Path, Settings]) -> None:
    table = pd.read_csv(full[0] / "results" / "nano_ladder" / "plots" / "curves.csv")
    assert list(table) == ["curve", "metric", "rung", "role", "n_params", "seed", "value"]
    assert set(table["role"]) == {"fit", "holdout", "forecast", "forecast lower", "forecast upper"}
    assert table["value"].notna().all()
    assert {"loss_nats", "bits_per_byte"} <= set(table.loc[table["curve"] == "corpus likelihood", "metric"])


def test_two_renders_give_the_same_bytes_and_a_stale_figure_goes(
    mini: tuple[Path, Settings], three_families_reported: tuple[Path, Settings], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(mini[0], tmp_path / "two/deeper"))
    stale = root / "results" / "nano_mini" / "figures" / "old-family.svg"
    stale.parent.mkdir()
    stale.write_text("<svg/>")
    build_report(root, mini[1])
    written = []
    for each in (three_families_reported[0], root):
        outputs = [
            *sorted(each.glob("results/*/figures/*")),
            *each.glob("results/*/plots/*"),
            *sorted(each.glob("reports/**/*.html")),
            *each.glob("results/*/provenance.json"),
        ]
        written.append({path.relative_to(each).as_posix(): path.read_bytes() for path in outputs})
    assert len(written[0]) > 10
    assert written[0] == written[1]
    assert "solved (read as people would)" in (root / "reports/nano_mini/items/gauss_sum/index.html").read_text()
    assert "results/nano_mini/figures/gauss_sum-python-exact_match_flexible.svg" in written[0]


def test_three_rungs_are_not_enough(three_families_reported: tuple[Path, Settings]) -> None:
    text = page(three_families_reported[0])
    read_page(text)
    behind = details(three_families_reported[0])
    read_page(behind)
    assert "Real-135M" in behind
    assert ">not enough rungs</span>" in text
    assert "too few rungs" in behind
    assert "step_chain" not in text


@pytest.mark.parametrize("lost", ["fits.json", "mirage.csv", "bands.csv", "validation.csv", "observations_holdout.csv"])
def test_a_missing_input_is_named_and_nothing_is_written(
    mini: tuple[Path, Settings], tmp_path: Path, lost: str
) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "results" / "nano_mini" / lost).unlink()
    with pytest.raises(TasklawsError, match=re.escape(lost)):
        build_report(tmp_path, mini[1])
    assert not (tmp_path / "reports").exists()


def test_a_table_cut_off_at_the_end_of_a_row_is_named(mini: tuple[Path, Settings], tmp_path: Path) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "results" / "nano_mini" / "validation.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    (tmp_path / "dvc.lock").unlink()  # by which the file is refused before it is read
    with pytest.raises(TasklawsError, match=r"validation\.csv has no row of nano_mini .*: run `dvc repro --force val"):
        build_report(tmp_path, mini[1])


def test_an_item_text_cannot_break_the_page(mini: tuple[Path, Settings], tmp_path: Path) -> None:
    shutil.copytree(mini[0], tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "data" / "items").glob("*.jsonl"):
        path.write_text(path.read_text().replace("largest ", "<script>alert(1)</script> "))
    build_report(tmp_path, mini[1])
    assert "script" not in read_page(page(tmp_path)).tags


def judgement(results: Results, name: str) -> str:
    return next(claim.judgement for claim in claims(results) if claim.name == name)


def rescored(results: Results, solved: dict[str, dict[str, float]]) -> Results:
    """The results with every program of a family solved or not, by rung and kind of item."""
    scores, observations = results.scores.copy(), results.observations.copy()
    for family, by_kind in solved.items():
        own = (scores["family"] == family) & (scores["elicitation"] == "python")
        large = (scores["n_digits"] > 5) & (family == "gauss_sum")
        kinds = (scores["rung"] + large.map({True: " large", False: ""}))[own]
        scores.loc[own, "exact_match"] = kinds.map(by_kind)
        scores.loc[own, "status"] = scores.loc[own, "exact_match"].map({1.0: "ok", 0.0: "out_of_fuel"})
        means = scores[own].groupby(["rung", "seed"])["exact_match"].mean()
        changed = (observations["family"] == family) & (observations["elicitation"] == "python")
        changed &= (observations["metric"] == "exact_match") & observations["is_final"]
        models = zip(observations.loc[changed, "rung"], observations.loc[changed, "seed"], strict=True)
        observations.loc[changed, "value"] = [means[model] for model in models]
        observations.loc[changed, "stderr"] = 0.0
    return replace(results, scores=scores, observations=observations)


def test_judgements_follow_the_data(full: tuple[Path, Settings]) -> None:
    results = load_results(*full)
    rungs = list(results.rungs)
    step = {rung: float(index >= 4) for index, rung in enumerate(rungs)}
    pieces = {rung: float(index >= 2) for index, rung in enumerate(rungs)}
    pieces |= {f"{rung} large": float(index >= 5) for index, rung in enumerate(rungs)}
    as_claimed = rescored(results, {"sha256_power": step, "gauss_sum": pieces})
    assert judgement(as_claimed, "one step") == "shown"
    assert judgement(as_claimed, "pieces") == "shown"
    at_once = {key: float(int(rungs.index(key.split()[0]) >= 4)) for key in pieces}
    assert judgement(rescored(results, {"gauss_sum": at_once}), "pieces") == "not shown"
    nothing = dict.fromkeys(pieces, 0.0)
    flat = rescored(results, {"sha256_power": nothing, "gauss_sum": nothing})
    assert judgement(flat, "one step") == "cannot be told"
    assert judgement(flat, "pieces") == "cannot be told"


def test_the_tables_of_claims_are_the_scores(full: tuple[Path, Settings]) -> None:
    results = load_results(*full)
    rungs = list(results.rungs)
    solved = {rung: float(index >= 4) for index, rung in enumerate(rungs)}
    found = {claim.name: claim for claim in claims(rescored(results, {"sha256_power": solved}))}
    shares = found["one step"].shares
    assert shares is not None
    assert list(shares.index) == rungs
    assert list(shares.columns[:2]) == ["solved, 1 digit", "solved, 2 digits"]
    assert shares["solved, 2 digits"].tolist() == list(solved.values())
    assert shares.iloc[-1].isna().tolist() == [False, False, *([False] * (len(shares.columns) - 3)), True]


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
def test_a_browser_shows_the_page(full: tuple[Path, Settings], tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --hide-scrollbars --window-size=390,2400"
    command = [str(CHROMIUM), *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    subprocess.run(
        [*command, (full[0] / "reports/nano_ladder/index.html").as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert picture.stat().st_size > 50_000
