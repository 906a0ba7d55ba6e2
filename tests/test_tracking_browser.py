"""`tasklaws ui` in a real browser: the printed link opens on the runs, with their numbers, pictures and responses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import CHROMIUM, Page, browsing
from results_tree import params_of, write_results
from tasklaws.tracking import serve

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.network,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]
PARAMS = params_of("nano_mini", ("sha256_power", "addition"))
TOP = list(PARAMS["models"]["rungs"])[-1]
# MLflow's own: it asks for a user that its server does not know, and its tables lay themselves out too often.
THEIRS = ("/mlflow/users/current", "ResizeObserver loop")
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><rect width="90" height="60" fill="#2563a8"/></svg>'
)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The link that `tasklaws ui` prints where nothing was tracked yet."""
    root = tmp_path_factory.mktemp("shown")
    write_results(root, PARAMS)
    for task in ("sha256_power-python", "addition-direct"):
        path = root / f"results/nano_mini/figures/{task}-exact_match.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(PICTURE)
    code = "from tasklaws.cli import main; main()"
    command = [sys.executable, "-c", code, "ui", "--port", str(serve.free_port())]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        ladder, _, address = process.stdout.readline().strip().partition(": ")
        assert ladder == "nano_mini"
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        process.stdout.close()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A page that at its end has said no error but MLflow's own."""
    with browsing(tmp_path / "profile") as page:
        page.size(1800, 1200)
        yield page
        assert [error for error in page.errors if not any(theirs in error for theirs in THEIRS)] == []


def test_the_printed_link_opens_on_the_rungs_and_their_scores(link: str, page: Page) -> None:
    page.open(link)
    page.wait(f"document.body.innerText.includes('{TOP}')")
    page.wait("document.body.innerText.includes('score/addition_direct')")
    shown = page.text()
    assert all(rung in shown for rung in PARAMS["models"]["rungs"])
    assert {"n_params", "nano_mini", "fit", "forecast"} <= set(shown.split())
    assert "seed 0" not in shown
    page.open(f"{link}&compareRunsMode=CHART")
    page.wait("document.body.innerText.includes('n_params vs. score/addition_direct')")
    page.wait("document.querySelectorAll('.js-plotly-plot .point').length >= 6")


def test_without_the_view_the_seeds_are_nested_below_rungs_and_these_below_the_ladder(link: str, page: Page) -> None:
    page.open(link.replace("&viewStateShareKey=tasklaws", ""))
    page.wait("document.body.innerText.includes('nano_mini')")
    page.wait("document.body.innerText.includes('9 matching runs')")
    assert TOP not in page.text()
    for name in ("nano_mini", TOP):
        row = f"[...document.querySelectorAll('.ag-row')].find(r => r.innerText.includes('{name}'))"
        page.wait(f"{row} && {row}.querySelector('[role=button], button')")
        page.value(f"{row}.querySelector('[role=button], button').click()")
    page.wait(f"document.body.innerText.includes('{TOP} seed 0')")


def test_a_page_of_the_ladder_has_the_headline_numbers_and_the_figures(link: str, page: Page) -> None:
    page.open(link)
    page.follow("nano_mini")
    for words in (f"What does {TOP} score on each task", "score/addition_direct", "not enough rungs", "mae_repeat"):
        page.wait(f"document.body.innerText.includes('{words}')")
    page.click("Show more")
    page.wait(f"document.body.innerText.includes('tasklaws trace addition_direct@{TOP}')")
    page.wait("[...document.images].filter(i => i.src.includes('figures/') && i.naturalWidth == 90).length == 2")


def test_a_page_of_a_rung_shows_the_figures_and_one_of_a_seed_what_was_said(link: str, page: Page) -> None:
    page.open(link)
    page.follow(TOP)
    page.click("Show more")
    page.wait("[...document.images].filter(i => i.src.includes('figures/') && i.naturalWidth == 90).length == 2")
    page.follow(f"{TOP} seed 0")
    page.wait("document.body.innerText.includes('trained with seed 0')")
    page.click("Artifacts")
    page.click("responses.json")
    page.wait(f"document.body.innerText.includes('{TOP} 0.0')")
    page.open(link.replace("/runs?", "/models?"))
    page.wait(f"document.body.innerText.includes('{TOP}-seed0-step200')")
