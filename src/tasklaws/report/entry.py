"""reports/index.html, which leads to the pages of every ladder."""

from pathlib import Path

from tasklaws.core.files import write_text
from tasklaws.report.template import template

ENTRY = "reports/index.html"


def list_of_pages(root: Path) -> tuple[str, list[str]]:
    """The text of `root`/reports/index.html, with a link to each ladder that has a page; and these ladders."""
    ladders = sorted(page.parent.name for page in (root / "reports").glob("*/index.html"))
    return template("entry.html.jinja").render(ladder="all ladders", ladders=ladders, letters=""), ladders


def write_entry(root: Path) -> tuple[Path, list[str]]:
    """Write `root`/reports/index.html; the file, and the ladders that it leads to.

    It is no output of a stage: which ladders have a page on this disk is nothing that one of them could know.
    """
    path, (text, ladders) = root / ENTRY, list_of_pages(root)
    write_text(path, text)
    return path, ladders
