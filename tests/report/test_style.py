"""tasklaws.plotting: what every figure shares."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

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


# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB: what a person without L, M or S cones sees.
SEEN_WITHOUT = {
    "L": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "M": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "S": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen(colour: str, without: str) -> np.ndarray:
    """A colour as CIE L*a*b* to a person without one kind of cones."""
    encoded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(SEEN_WITHOUT[without]) @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("without", SEEN_WITHOUT)
@pytest.mark.parametrize("page", [0, 1])
def test_fit_forecast_and_outcome_are_apart_for_the_colour_blind(page: int, without: str) -> None:
    colours = [seen(COLOURS[name][page], without) for name in ("fit", "forecast", "outcome")]
    apart = [float(np.linalg.norm(one - other)) for one, other in combinations(colours, 2)]
    assert min(apart) > 12  # 2.3 can just be noticed; the marks differ in shape besides
    assert min(apart[0], apart[2]) > 30  # of the forecast from what is known


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
