"""Figures of one family and elicitation: against size, with forecast, band and outcome; against tokens."""

import math
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasklaws.forecast.tables import Key
from tasklaws.report.evidence import CORPUS, Evidence, Pair, Row
from tasklaws.report.style import LIGHT, key_below, key_room, log_x, panel, scale_colour, share_y

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
    band = evidence.bands.get(Key(*pair, metric), [])
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
