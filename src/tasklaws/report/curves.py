"""Figures of one family and elicitation: against size, with law, forecast and outcome; against tokens."""

import math
from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
    """Every seed against n_params; the chosen law, dashed where it extrapolates; forecast and outcome."""
    forecast = evidence.forecast(pair, metric)
    verdict = f": {forecast['verdict']}" if forecast else ""
    figure, axes = panel(name(pair) + verdict)
    rows = evidence.of(pair, metric, final=True)
    draw_law(axes, evidence, pair, metric)
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


def draw_law(axes: Axes, evidence: Evidence, pair: Pair, metric: str) -> None:
    fit = evidence.fits.get((*pair, metric))
    rows = evidence.of(pair, metric, final=True)
    if fit is None or not rows:
        return
    seen = max((row["n_params"] for row in rows if row["role"] == "fit"), default=0.0)
    sizes = np.geomspace(min(row["n_params"] for row in rows), max(row["n_params"] for row in rows), 80)
    scale = sizes if fit.x == "n_params" else other_scale(rows, fit.x, sizes)
    if len(fit.draws):
        tails = [(1 - fit.level) / 2, (1 + fit.level) / 2]
        low, high = np.quantile(fit.curves(fit.draws, scale), tails, axis=0)
        axes.fill_between(sizes, low, high, color=LIGHT["forecast"], alpha=0.13, linewidth=0, zorder=1)
    values = fit.predict(scale)
    label = f"law: {fit.law.replace('_', ' ')}" + ("" if fit.status == "converged" else f" ({fit.status})")
    for part, style, legend in ((sizes <= seen, "-", label), (sizes >= seen * 0.97, "--", None)):
        axes.plot(sizes[part], values[part], style, color=LIGHT["forecast"], label=legend, zorder=2)


def other_scale(rows: list[Row], x: str, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The law's own x (such as train_flops) at these n_params, between rungs linear in logs."""
    known = sorted({row["n_params"]: row[x] for row in rows}.items())
    n_params, values = (np.log(column) for column in zip(*known, strict=True))
    return np.exp(np.interp(np.log(sizes), n_params, values))


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
