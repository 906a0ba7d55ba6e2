"""reports/index.html leads to the pages of every ladder on the disk."""

from pathlib import Path

from tasklaws.report.entry import write_entry


def test_it_leads_to_every_ladder_that_has_a_page_and_to_no_other(tmp_path: Path) -> None:
    path, ladders = write_entry(tmp_path)
    assert ladders == []
    assert "make repro" in path.read_text()
    for name in ("b", "a&b", "not a ladder"):
        (tmp_path / "reports" / name).mkdir()
    for name in ("b", "a&b"):
        (tmp_path / "reports" / name / "index.html").touch()
    assert write_entry(tmp_path) == (path, ["a&b", "b"])
    page = path.read_text()
    assert page.index('href="a%26b/index.html">a&amp;b</a>') < page.index('href="b/index.html">b</a>')
    assert "not a ladder" not in page
    write_entry(tmp_path)
    assert path.read_text() == page
