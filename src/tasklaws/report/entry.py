"""reports/index.html, which leads to the pages of every ladder."""

from pathlib import Path

from tasklaws.core.files import write_text
from tasklaws.report.template import template


def write_entry(root: Path) -> tuple[Path, list[str]]:
    """Write `root`/reports/index.html, with a link to each ladder that has a page; the file, and these ladders.

    It is no output of a stage: which ladders have a page on this disk is nothing that one of them could know.
    """
    path = root / "reports/index.html"
    ladders = sorted(page.parent.name for page in path.parent.glob("*/index.html"))
    write_text(path, template("entry.html.jinja").render(ladder="all ladders", ladders=ladders, letters=""))
    return path, ladders
