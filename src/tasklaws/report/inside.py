"""Figures that look inside a family: which of its items are solved, and how the others fail."""

import math
from collections.abc import Callable
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tasklaws.report.curves import N_PARAMS, name, rung_colour
from tasklaws.report.evidence import Evidence, Pair, Row, size_of
from tasklaws.report.style import LIGHT, key_below, key_room, log_x, panel, scale_colour, share_y
from tasklaws.schema import Item

# What became of an answer that is a program, in the order in which bars are stacked.
FATES = {
    "solved": LIGHT["outcome"],
    "out of fuel": LIGHT["forecast"],
    "wrong answer": LIGHT["wrong"],
    "program failed": LIGHT["error"],
}

# Inches for the names of rungs on the left, and for the key below.
ROOM = {"left": 0.85, "bottom": 0.85}


def fate(row: Row) -> str:
    """What became of one program."""
    if row["exact_match"] == 1:
        return "solved"
    if row.get("status") == "out_of_fuel":
        return "out of fuel"
    return "wrong answer" if row.get("status") == "ok" else "program failed"


def solved_share(rows: list[Row]) -> float:
    return math.fsum(row["exact_match"] for row in rows) / len(rows)


def by_rung(evidence: Evidence, rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each rung that has some, from the smallest up."""
    groups = {rung: [row for row in rows if row["rung"] == rung] for rung in evidence.rungs}
    return {rung: group for rung, group in groups.items() if group}


def n_params(evidence: Evidence) -> dict[str, float]:
    return {row["rung"]: row["n_params"] for row in evidence.observations}


def digits(item: Item) -> str:
    count = len(str(size_of(item)))
    return f"{count} digit{'s' if count > 1 else ''}"


def steps(item: Item) -> str:
    count = size_of(item)
    return f"{count} step{'s' if count > 1 else ''}"


def group_curves(evidence: Evidence, pair: Pair, group: Callable[[Item], str], title: str) -> Figure:
    """The share solved against n_params, a line for each group of items."""
    figure, axes = panel(title)
    size = n_params(evidence)
    rungs = by_rung(evidence, evidence.scores_of(pair))
    labels = sorted({group(evidence.items[row["item"]]) for rows in rungs.values() for row in rows})
    for index, label in enumerate(labels):
        points = [
            (size[rung], solved_share(chosen))
            for rung, rows in rungs.items()
            if (chosen := [row for row in rows if group(evidence.items[row["item"]]) == label])
        ]
        colour = scale_colour(index + 1, len(labels) + 1)
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4.5, color=colour, label=label)
    log_x(axes, N_PARAMS)
    share_y(axes, "solved (exact match)")
    axes.legend(loc="best")
    return figure


def size_lines(evidence: Evidence, pair: Pair, limit: float | None) -> Figure:
    """The share solved against the size of the item, in bins of a decade, a line for each rung."""
    figure, axes = panel(f"{name(pair)}: which n pass", **key_room(len(evidence.rungs)))
    for index, rung in enumerate(evidence.rungs):
        decades: dict[int, list[Row]] = {}
        for row in evidence.scores_of(pair):
            if row["rung"] == rung:
                decades.setdefault(len(str(size_of(evidence.items[row["item"]]))), []).append(row)
        points = [(10 ** (decade - 0.5), solved_share(rows)) for decade, rows in sorted(decades.items())]
        if points:
            colour = rung_colour(evidence, index)
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=rung)
    mark_limit(axes, limit)
    log_x(axes, "n, in bins of one decade")
    share_y(axes, "solved (exact match)")
    key_below(figure, *axes.get_legend_handles_labels())
    return figure


def mark_limit(axes: Axes, limit: float | None) -> None:
    if limit is not None:
        axes.axvline(limit, color=LIGHT["muted"], linestyle="--", linewidth=1)


def fate_map(evidence: Evidence, pair: Pair, limit: float | None) -> Figure:
    """One row a rung and seed, one mark an item in order of size, coloured by what became of its program."""
    strips = [
        (f"{rung}" if first else "", seed_rows)
        for rung, rows in by_rung(evidence, evidence.scores_of(pair)).items()
        for first, seed_rows in seed_strips(rows)
    ]
    figure, axes = panel(f"{name(pair)}: what became of each n", 1.35 + 0.17 * len(strips), **ROOM)
    for index, (_, rows) in enumerate(strips):
        ordered = sorted(rows, key=lambda row: size_of(evidence.items[row["item"]]))
        sizes = [size_of(evidence.items[row["item"]]) for row in ordered]
        for start, end, what in merged(sizes, [fate(row) for row in ordered]):
            axes.fill_betweenx([index - 0.4, index + 0.4], start, end, color=FATES[what], linewidth=0)
    mark_limit(axes, limit)
    log_x(axes, "n")
    axes.set_yticks(range(len(strips)), [label for label, _ in strips])
    axes.grid(False)
    key_below(figure, [Patch(color=colour) for colour in FATES.values()], list(FATES))
    return figure


def seed_strips(rows: list[Row]) -> list[tuple[bool, list[Row]]]:
    """The rows of one rung, seed by seed, with a mark on the first."""
    seeds = sorted({row["seed"] for row in rows})
    return [(seed == seeds[0], [row for row in rows if row["seed"] == seed]) for seed in seeds]


def merged(sizes: list[int], fates: list[str]) -> list[tuple[float, float, str]]:
    """Neighbours of one fate as one strip, whose ends lie half-way (in log) to the next item."""
    edges = [sizes[0] * 0.9, *(math.sqrt(a * b) for a, b in pairwise(sizes)), sizes[-1] * 1.1]
    strips: list[tuple[float, float, str]] = []
    for index, what in enumerate(fates):
        if strips and strips[-1][2] == what:
            strips[-1] = (strips[-1][0], edges[index + 1], what)
        else:
            strips.append((edges[index], edges[index + 1], what))
    return strips


def fate_bars(evidence: Evidence, pair: Pair) -> Figure:
    """For each rung the shares of its programs that solved, ran out of fuel, were wrong, or failed."""
    rungs = by_rung(evidence, evidence.scores_of(pair))
    figure, axes = panel(f"{name(pair)}: how programs end", 1.35 + 0.28 * len(rungs), **ROOM)
    for index, rows in enumerate(rungs.values()):
        left = 0.0
        for what, colour in FATES.items():
            share = sum(fate(row) == what for row in rows) / len(rows)
            axes.barh(index, share, left=left, color=colour, height=0.72, linewidth=0)
            left += share
    axes.set_yticks(range(len(rungs)), list(rungs))
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.grid(False, axis="y")
    axes.set_xlabel("share of items")
    key_below(figure, [Patch(color=colour) for colour in FATES.values()], list(FATES))
    return figure
