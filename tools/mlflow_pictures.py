"""Write docs/mlflow/*.png: what `make ui` shows of the nano ladder, taken in a browser from this repository's store.

    python tools/mlflow_pictures.py

It needs Debian's chromium and a finished nano ladder.
"""

import tempfile
from pathlib import Path

from browser import Page, browsing
from tasklaws.tracking.rebuild import rebuild_all
from tasklaws.tracking.serve import free_port, links, serving

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "mlflow"
LADDER, RUNG = "nano_ladder", "nano-234k"
CLOSE = "document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]')"
PICTURES = "[...document.images].filter(i => i.src.includes('figures/'))"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    rebuild_all(ROOT)
    port = free_port()
    with serving(ROOT, port), tempfile.TemporaryDirectory() as profile, browsing(Path(profile)) as page:
        take(page, links(ROOT, [LADDER], port)[LADDER])


def take(page: Page, link: str) -> None:
    """Take every picture, from the page that the link opens on."""
    page.size(1500, 900)
    page.open(link)
    page.wait(f"document.body.innerText.includes('{RUNG}')")
    # MLflow's own helper takes a third of the page.
    page.wait(CLOSE)
    page.value(f"{CLOSE}.click()")
    page.picture(OUT / "runs.png", 1500, 820)
    page.follow(LADDER)
    page.click("Show more")
    page.wait(f"{PICTURES}.length && {PICTURES}.every(i => i.naturalWidth)")
    page.picture(OUT / "ladder.png", 1500, 1100)
    page.open(link)
    page.follow(RUNG)
    page.click("Show more")
    page.wait(f"{PICTURES}.length && {PICTURES}.every(i => i.naturalWidth)")
    page.picture(OUT / "rung.png", 1500, 1100)


if __name__ == "__main__":
    main()
