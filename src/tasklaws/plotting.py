"""One visual style for every figure: colours that a page can swap for its dark ones, and byte-stable SVG."""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tasklaws.core.files import replacing, write_text
from tasklaws.core.marks import SHOWN, mark
from tasklaws.core.result import Result

# Every colour a figure may use, by role: (on a light page, on a dark page). No two light ones are equal, so
# that the page can find each again in the SVG and put a CSS variable in its place.
COLOURS = {
    "paper": ("#ffffff", "#14181d"),
    "ink": ("#1f2328", "#e6e8eb"),
    "muted": ("#656d76", "#9aa4af"),
    "grid": ("#e3e6ea", "#2b323a"),
    "fit": ("#2563a8", "#74b0f4"),
    "forecast": ("#c2570c", "#f6a04d"),
    "outcome": ("#1a7f5a", "#5fd3a5"),
    "chance": ("#8a8f98", "#7d8590"),
    "wrong": ("#c9ced6", "#3d4650"),
    "error": ("#7a8290", "#6b7582"),
    "other": ("#8d3fa8", "#d79be8"),
    "scale0": ("#a9c7ea", "#34506f"),
    "scale1": ("#86aedd", "#426a96"),
    "scale2": ("#6496cf", "#5286bd"),
    "scale3": ("#447dbe", "#69a2de"),
    "scale4": ("#2d66a6", "#8bbcef"),
    "scale5": ("#1c4f8a", "#aed2f7"),
    "scale6": ("#0f3a6c", "#d3e7fc"),
}
LIGHT = {name: pair[0] for name, pair in COLOURS.items()}
_N_SCALE = 7
_LETTER = re.compile(r'<path id="(?P<id>DejaVu[^"]*)"[^>]*/>\n?')
_WIDTH = 4.7

_RC: dict[Any, Any] = {
    "svg.hashsalt": "tasklaws",
    "svg.fonttype": "path",
    "path.simplify": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.5,
    **dict.fromkeys(("axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), LIGHT["muted"]),
    "axes.linewidth": 0.8,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.8,
    "text.color": LIGHT["ink"],
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "legend.facecolor"), LIGHT["paper"]),
    "legend.frameon": True,
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
}


def house_style() -> AbstractContextManager[None]:
    """In this context figures are drawn and saved."""
    return matplotlib.rc_context(_RC)


def panel(title: str, height: float = 3.3, left: float = 0.68, bottom: float = 0.56) -> tuple[Figure, Axes]:
    """One figure with one pair of axes; its height and the margins `left` and `bottom` are in inches."""
    figure = Figure(figsize=(_WIDTH, height))
    # Margins in inches; a layout engine would draw everything twice to find them.
    right, top = 0.22, 0.36
    axes = figure.add_axes((left / _WIDTH, bottom / height, 1 - (left + right) / _WIDTH, 1 - (bottom + top) / height))
    axes.set_title(title)
    return figure, axes


def beside(figure: Figure, axes: Axes, width: float = 0.62) -> Axes:
    """Room of `width` inches to the right of the axes, on the same y axis, for what lies far off along x.

    Two strokes on either side of the gap say that the x axis is broken there.
    """
    box, share, gap = axes.get_position(), width / _WIDTH, 0.1 / _WIDTH
    axes.set_position((box.x0, box.y0, box.width - share - gap, box.height))
    far = figure.add_axes((box.x1 - share, box.y0, share, box.height), sharey=axes)
    far.spines["left"].set_visible(False)
    far.tick_params(left=False, labelleft=False)
    stroke: dict[str, Any] = {
        "marker": [(-0.5, -1), (0.5, 1)],
        "markersize": 7,
        "color": LIGHT["muted"],
        "clip_on": False,
    }
    axes.plot([1], [0], transform=axes.transAxes, linestyle="none", markeredgewidth=0.8, **stroke)
    far.plot([0], [0], transform=far.transAxes, linestyle="none", markeredgewidth=0.8, **stroke)
    return far


def scale_colour(position: int, count: int) -> str:
    """The colour of the rung at `position` of `count`, from small (pale) to large (strong)."""
    return LIGHT[f"scale{round(position * (_N_SCALE - 1) / max(count - 1, 1))}"]


def short(number: float) -> str:
    """A number as an axis writes it: 1300 -> `1.3k`, 2e6 -> `2M`; a dash where it is unknown."""
    if number != number:
        return "–"
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size * 0.9995:
            return f"{number / size:.3g}{suffix}"
    return f"{number:.3g}"


def log_x(axes: Axes, label: str) -> None:
    """Make the x axis logarithmic, with labels such as `10k` at the decades (1, 2, 5 in a narrow range)."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high / low < 30:
        ticks = [digit * 10.0**power for power in range(-3, 16) for digit in (1, 2, 5)]
        axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel(label)


def share_y(axes: Axes, label: str) -> None:
    """A y axis from 0 to 1, written in per cent."""
    axes.set_ylim(-0.04, 1.06)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    axes.set_ylabel(label)


def key_room(count: int) -> dict[str, float]:
    """The height and bottom margin of a panel with a key of `count` entries below it."""
    extra = 0.08 + 0.19 * math.ceil(count / 4)
    return {"height": 3.3 + extra, "bottom": 0.56 + extra}


def key_below(figure: Figure, handles: list[Any], labels: list[str]) -> None:
    """A key under the axes, in rows of four."""
    figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=7.5, handlelength=1.2, columnspacing=1.2)


def save(figure: Figure, path: Path, digest: str | None = None) -> None:
    """Write the figure as SVG whose bytes depend on the figure alone: text as paths, no date, ids salted.

    The `digest` of its provenance record stands in its metadata, and begins in the lower right corner.
    """
    metadata: dict[str, str | None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    if digest is not None:
        metadata["Description"] = mark(digest)
        small: dict[str, Any] = {"fontsize": 5, "color": LIGHT["muted"], "ha": "right", "va": "bottom", "zorder": 10}
        figure.text(1 - 0.03 / _WIDTH, 0.02 / figure.get_figheight(), f"provenance {digest[:SHOWN]}", **small)
    buffer = io.StringIO()
    with _boxes_for_letters():
        figure.savefig(buffer, format="svg", metadata=metadata)
    text = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())
    write_text(path, text + "\n")


def save_result(result: Result, path: Path) -> None:
    """Draw a verb's result as .svg, .png or .pdf, the same bytes each time."""
    kind = path.suffix.lstrip(".").lower()
    with matplotlib.rc_context({"svg.hashsalt": "tasklaws"}), _boxes_for_letters():
        figure = Figure(layout="constrained")
        result.plot(figure.subplots())
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
        with replacing(path) as file:
            figure.savefig(file, format=kind, metadata=metadata)


@contextmanager
def _boxes_for_letters() -> Iterator[None]:
    """In this context a letter that the font lacks is drawn as a box without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def inline(svg: str, name: str, title: str) -> str:
    """The SVG as part of a page: ids of its own, a title for who cannot see it, colours as CSS variables.

    Letters keep the ids that they have in every figure, and are left out: the page defines them once (`letters`).
    """
    svg = _LETTER.sub("", svg[svg.index("<svg") :])
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#(?!DejaVu)', f'href="#{name}-', svg).replace("url(#", f"url(#{name}-")
    head = re.compile(r'<svg\b([^>]*?) width="[^"]*" height="[^"]*"([^>]*)>')
    label = rf'<svg\1\2 role="img" aria-labelledby="{name}-title"><title id="{name}-title">{title}</title>'
    svg = head.sub(label, svg, count=1)
    for role, (light, _) in COLOURS.items():
        svg = svg.replace(light, f"var(--{role})")
    return svg


def repeated(svg: str, name: str, title: str) -> str:
    """The same figure once more, as a reference to the one that is in the page already."""
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None, name
    return f'<svg {box[0]} role="img" aria-label="{title}"><use href="#{name}-figure_1"/></svg>'


def letters(svgs: list[str]) -> str:
    """The definitions of every letter in the figures, each once, as an SVG that takes no room."""
    found = {match["id"]: match[0].strip() for svg in svgs for match in _LETTER.finditer(svg)}
    paths = "\n".join(found[identity] for identity in sorted(found))
    return f'<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>\n{paths}\n</defs></svg>'


def css_variables() -> tuple[str, str]:
    """The colours as CSS declarations: for a light and for a dark page."""
    light, dark = (" ".join(f"--{name}: {pair[page]};" for name, pair in COLOURS.items()) for page in (0, 1))
    return light, dark
