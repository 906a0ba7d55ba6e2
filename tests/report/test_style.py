"""tasklaws.plotting: what every figure shares."""

from pathlib import Path

from tasklaws.core.marks import marked
from tasklaws.plotting import COLOURS, house_style, inline, letters, panel, save, short


def drawn(path: Path) -> str:
    with house_style():
        figure, axes = panel("a title")
        axes.plot([1, 2], [3, 4], color=COLOURS["fit"][0])
        save(figure, path)
    return path.read_text(encoding="utf-8")


def test_equal_figures_are_equal_bytes(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.svg") == drawn(tmp_path / "b.svg")


def test_no_date_and_no_host(tmp_path: Path) -> None:
    text = drawn(tmp_path / "a.svg")
    assert "dc:date" not in text
    assert "matplotlib.org" not in text


def test_colours_can_be_told_apart() -> None:
    assert len({light for light, _ in COLOURS.values()}) == len(COLOURS)


def test_a_part_of_a_page_takes_the_page_s_colours_and_letters(tmp_path: Path) -> None:
    text = drawn(tmp_path / "a.svg")
    part = inline(text, "mine", "A &amp; B")
    assert "var(--fit)" in part
    assert COLOURS["fit"][0] not in part
    assert '<path id="DejaVu' not in part
    assert 'href="#DejaVu' in part
    assert '<title id="mine-title">A &amp; B</title>' in part
    assert letters([text, text]).count("<path") == letters([text]).count("<path") > 3


def test_a_digest_stands_in_the_figure_and_its_metadata(tmp_path: Path) -> None:
    text = dict.fromkeys(("ab" * 32, "cd" * 32), "")
    for digest in text:
        with house_style():
            save(panel("a title")[0], tmp_path / "a.svg", digest)
        text[digest] = (tmp_path / "a.svg").read_text()
        assert marked(text[digest].encode()) == digest
    one, other = (each.replace(name, "") for name, each in text.items())
    assert one != other  # it is drawn too
    assert marked(drawn(tmp_path / "b.svg").encode()) is None


def test_short() -> None:
    assert [short(value) for value in (0.5, 999.9, 1300, 2e6, 11.3e9)] == ["0.5", "1k", "1.3k", "2M", "11.3B"]
