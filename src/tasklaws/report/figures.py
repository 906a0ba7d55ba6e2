"""Figures of one family and elicitation: against size, with forecast, band and outcome; against tokens."""

import math
from collections.abc import Callable
from itertools import pairwise
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tasklaws.core.schema import Item
from tasklaws.plotting import LIGHT, key_below, key_room, log_x, panel, scale_colour, share_y
from tasklaws.report.load import CORPUS, Evidence, Pair, Row, size_of
from tasklaws.tables import CurveKey

LABELS = {
    "exact_match": "solved (exact match)",
    "partial_credit": "partial credit",
    "brier": "Brier score (less is better)",
    "target_bits_per_byte": "target bits per byte (less is better)",
    "loss_nats": "held-out loss, nats per token",
    "bits_per_byte": "held-out loss, bits per byte",
}
SHARES = ("exact_match", "partial_credit")
N_PARAMS = "non-embedding parameters"


def name(pair: Pair) -> str:
    """The pair as titles have it."""
    return "held-out loss" if pair == CORPUS else " · ".join(pair)


def size_curve(evidence: Evidence, pair: Pair, metric: str) -> Figure:
    """Every seed against n_params; what the engine says of any size, dashed where it extrapolates; the outcome."""
    forecast = evidence.forecast(pair, metric)
    verdict = f": {forecast['verdict']}" if forecast else ""
    figure, axes = panel(name(pair) + verdict)
    rows = evidence.of(pair, metric, final=True)
    draw_band(axes, evidence, pair, metric)
    if forecast:
        draw_forecast(axes, forecast)
    for role, colour, marker, label in (
        ("fit", LIGHT["fit"], "o", "fit rungs, each seed"),
        ("holdout", LIGHT["outcome"], "D", "what the holdout did"),
    ):
        points = [(row["n_params"], row["value"]) for row in rows if row["role"] == role]
        if points:
            draw_points(axes, points, colour, marker, label)
    chances = [row["chance"] for row in rows if row.get("chance")]
    if chances:
        axes.axhline(fmean(chances), color=LIGHT["chance"], linestyle=":", linewidth=1.4, label="chance")
    axes.margins(x=0.07)
    log_x(axes, N_PARAMS)
    y_axis(axes, metric)
    axes.legend(loc="best")
    return figure


def y_axis(axes: Axes, metric: str) -> None:
    if metric in SHARES:
        share_y(axes, LABELS[metric])
    else:
        axes.set_ylabel(LABELS[metric])
        axes.set_ylim(bottom=min(axes.get_ylim()[0], 0.0) if metric != "loss_nats" else None)


def draw_points(
    axes: Axes, points: list[tuple[float, float]], colour: str, marker: str, label: str, markersize: float = 6.5
) -> None:
    axes.plot(
        *zip(*points, strict=True),
        linestyle="none",
        marker=marker,
        markersize=markersize,
        color=colour,
        markeredgecolor=LIGHT["paper"],
        markeredgewidth=0.7,
        label=label,
        zorder=4,
    )


def draw_forecast(axes: Axes, forecast: Row) -> None:
    x, y = forecast["n_params"], forecast["predicted"]
    if "lower" in forecast and "upper" in forecast:
        axes.vlines(
            x,
            forecast["lower"],
            forecast["upper"],
            color=LIGHT["forecast"],
            linewidth=6,
            alpha=0.35,
            zorder=3,
        )
    draw_points(axes, [(x, y)], LIGHT["forecast"], "s", "forecast, 90% interval", markersize=9.5)


def draw_band(axes: Axes, evidence: Evidence, pair: Pair, metric: str) -> None:
    band = evidence.bands.get(CurveKey(*pair, metric), [])
    seen = [row["n_params"] for row in evidence.of(pair, metric, final=True) if row["role"] == "fit"]
    if not band or not seen:
        return
    x, lower, upper, middle = ([row[name] for row in band] for name in ("n_params", "lower", "upper", "predicted"))
    last = max(index for index, size in enumerate(x) if size <= max(seen))
    axes.fill_between(x[last:], lower[last:], upper[last:], color=LIGHT["forecast"], alpha=0.13, linewidth=0, zorder=1)
    axes.plot(x[: last + 1], middle[: last + 1], "-", color=LIGHT["forecast"], label="what the methods say", zorder=2)
    axes.plot(x[last:], middle[last:], "--", color=LIGHT["forecast"], zorder=2)


def token_curve(evidence: Evidence, pair: Pair, metric: str) -> Figure | None:
    """The mean over seeds against tokens seen, a line a rung; None unless some rung has two checkpoints."""
    figure, axes = panel(
        f"{'held-out loss' if pair == CORPUS else name(pair)}: in training", **key_room(len(evidence.rungs))
    )
    drawn = False
    for index, rung in enumerate(evidence.rungs):
        rows = [row for row in evidence.of(pair, metric) if row["rung"] == rung]
        means = mean_by(rows, "n_tokens")
        drawn |= len(means) > 1
        if means:
            axes.plot(
                *zip(*sorted(means.items()), strict=True),
                marker="o",
                markersize=3.5,
                linewidth=1.5,
                color=rung_colour(evidence, index),
                label=rung,
            )
    if not drawn:
        return None
    log_x(axes, "training tokens seen")
    y_axis(axes, metric)
    key_below(figure, *axes.get_legend_handles_labels())
    return figure


def mean_by(rows: list[Row], key: str) -> dict[float, float]:
    """The mean value of the rows for each value of `key`."""
    groups: dict[float, list[float]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row["value"])
    return {value: math.fsum(group) / len(group) for value, group in groups.items()}


def rung_colour(evidence: Evidence, index: int) -> str:
    """Pale for the smallest rung, strong for the largest; the holdout in the colour of outcomes."""
    if list(evidence.rungs.values())[index] == "holdout":
        return LIGHT["outcome"]
    return scale_colour(index, len(evidence.rungs))


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
