"""The pages in a real browser: accessible, whole on a phone, a desk and paper, and their points by pointer and keys."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import CHROMIUM, Page, browsing
from results_tree import params_of, write_results
from tasklaws.core.settings import Settings
from tasklaws.report.build import build_report

axe = pytest.importorskip("axe_core_python")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]
PAGES = (
    "index.html",
    "details.html",
    "surprises.html",
    "items/sha256_power/index.html",
    "items/step_chain/direct/nano-234k/1.html",
)
LABEL = "getComputedStyle({}, '::after').content"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the default ladder."""
    root = tmp_path_factory.mktemp("looked-at")
    params = params_of("nano_ladder")
    write_results(root, params)
    build_report(root, Settings.of(params))
    return root / "reports/nano_ladder"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page
        assert page.errors == []


def shown(page: Page, folder: Path, name: str, width: int) -> None:
    page.size(width, 900)
    page.open((folder / name).as_uri())
    page.wait("document.readyState == 'complete'")


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(page: Page, folder: Path, name: str, width: int, dark: bool) -> None:
    shown(page, folder, name, width)
    page.dark(dark)
    page.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.value((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    page.value("axe.run().then(found => window.found = found)")
    page.wait("window.found")
    told = "window.found.violations.map(one => [one.impact, one.id, one.nodes.length, one.nodes[0].html])"
    found = json.loads(page.value(f"JSON.stringify({told})"))
    page.dark(False)
    assert [one for one in found if one[0] in ("serious", "critical")] == []


def test_a_phone_keeps_forecast_interval_and_outcome_in_view(page: Page, folder: Path) -> None:
    shown(page, folder, "index.html", 390)
    rights = (
        "[...document.querySelectorAll('.tasks tbody td:nth-child(4)')].map(one => one.getBoundingClientRect().right)"
    )
    found = page.value(rights)
    assert len(found) > 10
    assert max(found) <= 390
    assert page.value("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("name", PAGES)
def test_no_table_is_cut_on_a_desk(page: Page, folder: Path, name: str) -> None:
    shown(page, folder, name, 1400)
    page.value("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = "[...document.querySelectorAll('.table')].filter(one => one.scrollWidth > one.clientWidth)"
    assert page.value(f"{wide}.map(one => one.innerText.slice(0, 80))") == []


def test_print_is_short_and_opens_the_glossary(page: Page, folder: Path) -> None:
    shown(page, folder, "index.html", 1000)
    pdf = page.printed()
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) <= 20
    shows = "document.querySelector('#words li').checkVisibility()"
    assert page.value(shows) is False
    page.media("print")
    assert page.value(shows) is True
    wide = (
        "[...document.querySelectorAll('table')].filter(one => one.scrollWidth > document.documentElement.clientWidth)"
    )
    assert page.value(f"{wide}.length") == 0
    page.media("")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_point_tells_itself_to_pointer_and_keyboard(page: Page, folder: Path, scripts: bool) -> None:
    page.scripts(scripts)
    shown(page, folder, "index.html", 1400)
    point = "document.querySelector('#sha256_power-python .p')"
    label = page.value(f"{point}.getAttribute('aria-label')")
    assert label.count("\n") == 3
    assert page.value(LABEL.format(point)) == "none"
    page.value(f"{point}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    x, y = page.value(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({point}.getBoundingClientRect())")
    page.point(x, y)
    page.wait(f"{LABEL.format(point)} != 'none'")
    page.point(0, 0)
    page.wait(f"{LABEL.format(point)} == 'none'")
    page.value("document.querySelector('#sha256_power-python .skip').focus()")
    page.press("Tab", 9)
    page.wait(f"document.activeElement == {point}")
    assert page.value(LABEL.format(point)).strip('"').replace("\\a ", "\n") == label
    page.press("Enter", 13)
    page.wait("location.pathname.includes('/items/sha256_power/python/')")
    assert "what nano-" in page.text()
    page.scripts(True)


def test_only_what_was_failed_can_be_shown(page: Page, folder: Path) -> None:
    shown(page, folder, PAGES[-1], 1400)
    rows = "[...document.querySelectorAll('.said tbody tr')]"
    solved = page.value(f"{rows}.filter(one => one.className == 'solved').length")
    assert 0 < solved < page.value(f"{rows}.length")
    page.value("document.querySelector('.failed').click()")
    assert page.value(f"{rows}.filter(one => one.offsetHeight == 0).length") == solved
