"""From a point to its proof: it tells what the tables have, lies on its mark, and leads to its items, escaped."""

import json
import re
import shlex
import shutil
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import read_page

from tasklaws.core.errors import printable
from tasklaws.core.files import sha256_file
from tasklaws.core.schema import read_asked_items, read_family_items, read_responses
from tasklaws.core.settings import Settings
from tasklaws.families.prompts import prompt
from tasklaws.report import items as items_module
from tasklaws.report.build import build_report
from tasklaws.report.figures import size_curve
from tasklaws.report.items import AskedItem, SeedsAnswer
from tasklaws.report.load import Results
from tasklaws.report.points import TaskAtRung, answer_digests, curve_points, intervals, placed, point_links
from tasklaws.report.template import percent, template

pytestmark = pytest.mark.slow  # it makes whole pages

TASK = ("sha256_power", "python")
LARGEST = "mini-21k"
HOSTILE = "</script><img src=x onerror=alert(1)><!-- ' \" & \u202e\u2066\u200b\0\x1b[2J\ud800 ]]> &lt;b&gt;"


@pytest.fixture(scope="module")
def hostile(three_families_reported: tuple[Path, Settings], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, seven items each, over questions and answers that would be more than text; a page of before lies
    among them."""
    root = shutil.copytree(three_families_reported[0], tmp_path_factory.mktemp("hostile"), dirs_exist_ok=True)
    (root / "dvc.lock").unlink()  # by which the files are refused before they are read
    for path in (root / "data/items").glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["question"] = row["question"] if row["question"].startswith("sha256^") else HOSTILE + row["question"]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for path in (root / "responses/nano_mini").glob("*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row |= {"response": HOSTILE} if "response" in row else {}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copy(pages(root) / TaskAtRung(TASK, LARGEST).page(), pages(root) / TaskAtRung(TASK, LARGEST).page(99))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items_module, "PAGE", 7)
        build_report(root, three_families_reported[1])
    return root


def pages(root: Path) -> Path:
    return root / "reports/nano_mini"


def test_a_point_tells_what_the_tables_have(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    root, _ = three_families_reported
    points = curve_points(results, TASK, "exact_match", answer_digests(results))
    rows = results.observed(TASK, "exact_match")
    seen = [one for one in points if one.seed is not None]
    assert [(one.rung, one.seed, one.value, one.n_items) for one in seen] == list(
        rows[["rung", "seed", "value", "n_items"]].itertuples(index=False, name=None)
    )
    text = (pages(root) / "index.html").read_text()
    labels = [unescape(label) for label in re.findall(r'<a class="p[^>]*aria-label="([^"]*)"', text)]
    for one in points:
        said = sha256_file(root / f"responses/nano_mini/{one.rung}.jsonl")[:12]
        of = f"{one.n_items:.0f} item" if one.seed is not None else one.verdict
        whose = "forecast" if one.seed is None else f"seed {one.seed}"
        command = f"tasklaws trace sha256_power_python@{one.rung}"
        (label,) = [label for label in labels if label.startswith(f"{one.rung}, {whose}: ") and command in label]
        assert label.startswith(f"{one.rung}, {whose}: {percent(one.value)} solved (exact match)\n{of}")
        assert label.endswith(f"\nanswers sha256 {said}\n{command}")
        assert f"90% interval {100 * one.low:.0f}–{100 * one.high:.0f}%" in label
    forecast = next(one for one in points if one.seed is None)
    of_table = results.forecasts.query("family == 'sha256_power' and metric == 'exact_match'").iloc[-1]
    assert (forecast.value, forecast.low, forecast.high) == tuple(of_table[["predicted", "lower", "upper"]])


def test_intervals_of_shares_are_jeffreys_and_nothing_known_is_none() -> None:
    rows = pd.DataFrame({"value": [0.0, 0.5, 0.5], "stderr": [0.0, 0.05025189, float("nan")], "n_items": [100, 100, 3]})
    low, high = intervals(rows, "exact_match")
    assert (low[0], round(float(high[0]), 4)) == (0, 0.0190)  # the upper 5% of Beta(1/2, 100 1/2)
    assert (round(float(low[1]), 4), round(float(high[1]), 4)) == (0.4185, 0.5815)
    assert pd.isna([low[2], high[2]]).all()
    low, high = intervals(rows.assign(stderr=0.1), "target_bits_per_byte")
    assert round(float(high[1] - low[1]), 4) == 0.3290


def test_links_lie_on_their_marks(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    figure = size_curve(results, TASK, "exact_match")
    svg = (three_families_reported[0] / "results/nano_mini/figures/sha256_power-python-exact_match.svg").read_text()
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found
    width, height = map(float, found.groups())
    marks = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg)]
    places = placed(figure, curve_points(results, TASK, "exact_match", answer_digests(results)))
    assert len(places) == 4  # three rungs and a forecast
    for place in places:
        x, y = place.left * width / 100, place.top * height / 100
        assert min(abs(x - across) + abs(y - down) for across, down in marks) < 0.1


def test_marks_on_one_another_are_set_side_by_side(results: Results) -> None:
    point = curve_points(results, TASK, "exact_match", answer_digests(results))[0]
    places = placed(size_curve(results, TASK, "exact_match"), [point, point, point])
    lefts = [place.left for place in places]
    assert min(after - before for before, after in pairwise(lefts)) > 2
    assert point_links("curve", places, TASK, "").count('class="p') == 3


def test_a_click_leads_to_the_items_with_what_was_said(
    three_families_reported: tuple[Path, Settings], results: Results
) -> None:
    root, _ = three_families_reported
    text = (pages(root) / "index.html").read_text()
    for address in set(re.findall(r'<a class="p[^>]*href="([^"]*)"', text)):
        file, _, anchor = address.partition("#")
        assert not anchor or f'id="{anchor}"' in (pages(root) / unquote(file)).read_text()
    scores = results.scores.set_index(["rung", "elicitation", "item"])["exact_match"]
    points = curve_points(results, TASK, "exact_match", answer_digests(results))
    for rung in results.rungs:
        own = results.observed(TASK, "exact_match")
        last = own.loc[own["rung"] == rung, "step"].item()
        answers = read_responses(root / f"responses/nano_mini/{rung}.jsonl", rung)
        said = {one.item: one for one in answers if (one.family, one.elicitation, one.step) == (*TASK, last)}
        page = (pages(root) / unquote(TaskAtRung(TASK, rung).page())).read_text()
        assert f"<code>tasklaws trace sha256_power_python@{rung}</code>" in page
        values = [percent(one.value) for one in points if one.rung == rung and one.seed is not None]
        assert re.findall(r"<b>Seed \d+</b>: (\S+)", page) == values
        plain = {one.id: one.question for one in read_family_items(["sha256_power.plain"], root / "data/items")}
        for item in read_asked_items(["sha256_power"], root):
            question = plain[item.id] if rung == LARGEST else item.question
            asked = prompt(question, "python", "plain" if rung == LARGEST else "terse")
            row = re.search(rf'<tr[^>]*><td class="small">{re.escape(item.id)}</td>.*?</tr>', page, re.S)
            assert row
            assert asked in unescape(row[0])
            assert f"<td><code>{item.answer}</code></td>" in row[0]
            assert f"<code>{said[item.id].response}</code>" in row[0]
            solved = scores[rung, "python", item.id] == 1
            assert ("✓ seed 0: solved" in row[0], "✗ seed 0: " in row[0]) == (solved, not solved)


def test_a_family_has_every_point_in_a_table(three_families_reported: tuple[Path, Settings], results: Results) -> None:
    page = (pages(three_families_reported[0]) / "items/sha256_power/index.html").read_text()
    reader = read_page(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.references) <= set(reader.ids)
    for one in curve_points(results, TASK, "exact_match", answer_digests(results)):
        row = re.search(
            rf'>{one.rung}</a></td><td class="one">{"forecast" if one.seed is None else one.seed}</td>.*', page
        )
        assert row
        assert f'<td class="n">{percent(one.value)}</td>' in row[0]
        assert shlex.split(unescape(re.findall(r"<code>([^<]*)</code>", row[0])[1]))[:2] == ["tasklaws", "trace"]


def test_items_are_paged_each_once_and_pages_of_before_go(hostile: Path) -> None:
    cell = pages(hostile) / "items/sha256_power/python" / LARGEST
    texts = [(cell / f"{number}.html").read_text() for number in range(1, len(list(cell.iterdir())) + 1)]
    found = [name for text in texts for name in re.findall(r'<td class="small">([^<]*)</td>', text)]
    assert len(texts) == -(-len(found) // 7)
    assert found == [item.id for item in read_asked_items(["sha256_power"], hostile)]
    assert f'href="../../../../{TaskAtRung(TASK, LARGEST).page(2)}">2</a>' in texts[0]


def test_all_links_of_all_pages_lead_somewhere(three_families_reported: tuple[Path, Settings]) -> None:
    ids: dict[Path, set[str]] = {}
    readers = {page: read_page(page.read_text()) for page in sorted(pages(three_families_reported[0]).rglob("*.html"))}
    ids = {page: set(reader.ids) for page, reader in readers.items()}
    assert len(readers) > 10
    for page, reader in readers.items():
        assert "script" not in reader.tags
        assert set(reader.references) <= ids[page]
        for address in set(reader.loads) - {"data:,"}:
            file, _, anchor = address.partition("#")
            target = (page.parent / unquote(file)).resolve()
            assert target in ids, (page, address)
            assert not anchor or anchor in ids[target], (page, address)


class Texts(HTMLParser):
    """What a page shows, its tags, and the values of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def read_texts(page: str) -> Texts:
    reader = Texts()
    reader.feed(page)
    reader.close()
    return reader


ITEMS_PAGE = template("items.html.jinja")


def items_page(text: str) -> str:
    return ITEMS_PAGE.render(
        ladder=text, home="../", cell=TaskAtRung(TASK, LARGEST), number=1, count=2, n_items=101, first=0, points=[],
        rows=[AskedItem(text, text, text, [SeedsAnswer(text, text, False, text)])],
        asking=text, digest=text, trace=text,
        rungs=[LARGEST], smaller=LARGEST, larger=LARGEST, letters="",
    )  # fmt: skip


TAME = read_texts(items_page("plain"))


@given(st.one_of(st.text(st.characters(), min_size=1), st.just(HOSTILE)))
@settings(max_examples=60, deadline=None)
def test_whatever_a_model_says_is_text(text: str) -> None:
    page = items_page(text)
    page.encode()  # no lone surrogate
    assert not [each for each in page if not each.isprintable() and each != "\n"]
    reader = read_texts(page)
    assert (reader.tags, reader.names) == (TAME.tags, TAME.names)
    assert printable(text) in reader.shown


def test_hostile_files_make_tame_pages(three_families_reported: tuple[Path, Settings], hostile: Path) -> None:
    tame = [read_texts(page.read_text()) for page in pages(three_families_reported[0]).rglob("*.html")]
    tags, names = (set().union(*(getattr(one, name) for one in tame)) for name in ("tags", "names"))
    written = sorted(pages(hostile).rglob("*.html"))
    assert len(written) > 10
    for page in written:
        text = page.read_text()
        reader = read_texts(text)
        assert reader.tags <= tags, page
        assert reader.names <= names, page
        assert not [each for each in text if not each.isprintable() and each != "\n"]
    shown = (pages(hostile) / unquote(TaskAtRung(TASK, LARGEST).page())).read_text()
    assert "&lt;/script&gt;" in shown
    assert "\\u202e\\u2066\\u200b\\x00\\x1b[2J\\ud800" in shown
