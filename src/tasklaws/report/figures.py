"""Figures of one task: against size, with forecast, band and outcome; against tokens; by kind of item."""

import math
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import setp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tasklaws.frames.shown import drawn as as_drawn
from tasklaws.plotting import LIGHT, beside, key_below, key_room, log_x, panel, scale_colour, share_y, short
from tasklaws.report.load import CORPUS, Results, Task, of_task, program_outcomes
from tasklaws.report.template import counted, is_share, metric_label

N_PARAMS = "non-embedding parameters"
OUTCOME_COLOURS = {
    "solved": LIGHT["outcome"],
    "out of fuel": LIGHT["forecast"],
    "wrong answer": LIGHT["wrong"],
    "program failed": LIGHT["error"],
}
"""What became of an answer that is a program, in the order in which bars are stacked."""
ROOM = {"left": 0.85, "bottom": 0.85}
"""Inches for the names of rungs on the left, and for the key below."""


def task_title(task: Task) -> str:
    """The task as titles have it."""
    return "held-out loss" if task == CORPUS else " · ".join(task)


def size_curve(results: Results, task: Task, metric: str) -> Figure:
    """Every seed against n_params; what the engine says of any size, dashed where it extrapolates; the outcome."""
    forecast = of_task(results.forecasts, task, metric)
    figure, axes = panel(": ".join([task_title(task), *forecast["verdict"].unique()]))
    rows = results.observed(task, metric)
    fitted, holdout = (rows[rows["role"] == role] for role in ("fit", "holdout"))
    _draw_band(axes, of_task(results.bands, task, metric), fitted["n_params"])
    for _, row in forecast.iterrows():
        axes.vlines(
            row["n_params"], row["lower"], row["upper"], color=LIGHT["forecast"], linewidth=6, alpha=0.35, zorder=3
        )
    for points, column, colour, marker, size, label in (
        (forecast, "predicted", LIGHT["forecast"], "s", 9.5, "forecast, 90% interval"),
        (fitted, "value", LIGHT["fit"], "o", 6.5, "fit rungs, each seed"),
        (holdout, "value", LIGHT["outcome"], "D", 6.5, "what the holdouts did"),
    ):
        if len(points):
            x, y = points["n_params"], points[column]
            (drawn,) = axes.plot(x, y, marker, markersize=size, color=colour, label=label, zorder=4)
            setp(drawn, markeredgecolor=LIGHT["paper"], markeredgewidth=0.7)
    chances = rows.loc[rows["chance"] > 0, "chance"]
    if len(chances):
        axes.axhline(chances.mean(), color=LIGHT["chance"], linestyle=":", linewidth=1.4, label="chance")
    axes.margins(x=0.07)
    log_x(axes, N_PARAMS)
    _metric_y(axes, metric)
    _draw_real(figure, axes, results, task, metric)
    axes.legend(loc="best")
    return figure


def _draw_real(figure: Figure, axes: Axes, results: Results, task: Task, metric: str) -> None:
    """A real model as a point of its own, beyond a break of the axis, with its 90% interval; under exact match a hollow
    one too, where its answers are worth more read as people would."""
    real = of_task(results.real[results.real["drawn"]], task)
    rows = real[real["metric"] == metric]
    if rows.empty:
        return
    row = rows.iloc[0]
    style: dict[str, Any] = {"marker": "*", "markersize": 13, "color": LIGHT["other"], "linestyle": "none"}
    far = beside(figure, axes)
    far.set_xlim(-1, 1)
    far.set_xticks([0], [short(row["n_params"])])
    name, shots = row["model"].partition("-")[0], counted(int(row["num_fewshot"]), "shot")
    far.set_xlabel(f"{name}, {shots}", fontsize=6.5, color=LIGHT["other"])
    read = real[(real["metric"] == f"{metric}_flexible") & (real["value"] != row["value"])]
    for one in read.itertuples():
        far.vlines(0.4, one.lower, one.upper, color=LIGHT["other"], linewidth=1.0, zorder=3)
        far.plot([0.4], [one.value], markerfacecolor=LIGHT["paper"], zorder=4, **style)
        axes.plot([], [], markerfacecolor=LIGHT["paper"], label=f"{name}, read as people would", **style)
    x = -0.4 if len(read) else 0
    far.vlines(x, row["lower"], row["upper"], color=LIGHT["other"], linewidth=1.6, zorder=3)
    far.plot([x], [row["value"]], markeredgecolor=LIGHT["paper"], markeredgewidth=0.7, zorder=4, **style)


def _metric_y(axes: Axes, metric: str) -> None:
    if is_share(metric):
        share_y(axes, metric_label(metric))
    else:
        axes.set_ylabel(metric_label(metric))
        axes.set_ylim(bottom=min(axes.get_ylim()[0], 0.0) if metric != "loss_nats" else None)


def _draw_band(axes: Axes, band: pd.DataFrame, fitted_sizes: "pd.Series[float]") -> None:
    if band.empty or fitted_sizes.empty:
        return
    colour = LIGHT["forecast"]
    within = band[band["n_params"] <= fitted_sizes.max()]
    beyond = band.iloc[len(within) - 1 :]
    x, lower, upper = (beyond[name] for name in ("n_params", "lower", "upper"))
    axes.fill_between(x, lower, upper, color=colour, alpha=0.13, linewidth=0, zorder=1)
    axes.plot(within["n_params"], within["predicted"], "-", color=colour, label="what the methods say", zorder=2)
    axes.plot(x, beyond["predicted"], "--", color=colour, zorder=2)


def token_curve(results: Results, task: Task, metric: str) -> Figure | None:
    """The mean over seeds against tokens seen, a line a rung; None unless some rung has two checkpoints."""
    figure, axes = panel(f"{task_title(task)}: in training", **key_room(len(results.rungs)))
    means = results.observed(task, metric, final=False).groupby(["rung", "n_tokens"])["value"].mean()
    if not means.groupby("rung").size().gt(1).any():
        return None
    for rung in results.rungs:
        if rung in means:
            own, colour = means[rung], _rung_colour(results, rung)
            axes.plot(own.index, own, marker="o", markersize=3.5, linewidth=1.5, color=colour, label=as_drawn(rung))
    log_x(axes, "training tokens seen")
    _metric_y(axes, metric)
    key_below(figure, *axes.get_legend_handles_labels())
    return figure


def _rung_colour(results: Results, rung: str) -> str:
    """Pale for the smallest rung, strong for the largest; the holdout in the colour of outcomes."""
    if results.rungs[rung] == "holdout":
        return LIGHT["outcome"]
    return scale_colour(list(results.rungs).index(rung), len(results.rungs))


def sharded_figure(runs: pd.DataFrame) -> Figure:
    """Held-out loss of every seed against the number of workers that trained it, with the mean."""
    figure, axes = panel("held-out loss by number of workers")
    losses = runs[runs["metric"] == "loss_nats"]
    means = losses.groupby("n_workers")["value"].mean()
    axes.plot(losses["n_workers"], losses["value"], "o", color=LIGHT["fit"], label="each seed")
    axes.plot(means.index, means, "-", color=LIGHT["ink"], linewidth=1.0, label="mean")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(means.index), [f"{count:g}" for count in means.index])
    axes.margins(y=0.5)
    axes.set_xlabel("workers (the same compute)")
    _metric_y(axes, "loss_nats")
    axes.legend(loc="best")
    return figure


def group_curves(results: Results, task: Task, group: str, unit: str, title: str) -> Figure:
    """The share solved against n_params, a line for each value of the scores' column `group`, a count of `unit`s."""
    figure, axes = panel(title)
    scores = of_task(results.scores, task)
    groups = scores.groupby(group)
    for index, (count, own) in enumerate(groups):
        shares = own.groupby("rung", sort=False)["exact_match"].mean()
        sizes = [results.n_params[str(rung)] for rung in shares.index]
        colour = scale_colour(index + 1, len(groups) + 1)
        axes.plot(sizes, shares, marker="o", markersize=4.5, color=colour, label=counted(int(str(count)), unit))
    log_x(axes, N_PARAMS)
    share_y(axes, metric_label("exact_match"))
    axes.legend(loc="best")
    return figure


def item_size_curves(results: Results, task: Task, limit: float | None) -> Figure:
    """The share solved against the size of the item, in bins of a decade, a line for each rung."""
    figure, axes = panel(f"{task_title(task)}: which n pass", **key_room(len(results.rungs)))
    scores = of_task(results.scores, task)
    for rung, own in scores.groupby("rung", sort=False):
        shares = own.groupby("n_digits")["exact_match"].mean()
        middles = 10 ** (shares.index.to_numpy(dtype=float) - 0.5)
        axes.plot(
            middles, shares, marker="o", markersize=4, color=_rung_colour(results, str(rung)), label=as_drawn(str(rung))
        )
    _mark_limit(axes, limit)
    log_x(axes, "n, in bins of one decade")
    share_y(axes, metric_label("exact_match"))
    key_below(figure, *axes.get_legend_handles_labels())
    return figure


def _mark_limit(axes: Axes, limit: float | None) -> None:
    if limit is not None:
        axes.axvline(limit, color=LIGHT["muted"], linestyle="--", linewidth=1)


def outcome_map(results: Results, task: Task, limit: float | None) -> Figure:
    """One row a rung and seed, one mark an item in order of size, coloured by what became of its program."""
    scores = of_task(results.scores, task)
    strips = list(scores.assign(outcome=program_outcomes(scores)).groupby(["rung", "seed"], sort=False))
    rungs = [str(rung) for (rung, _), _ in strips]
    labels = [rung if place == 0 or rungs[place - 1] != rung else "" for place, rung in enumerate(rungs)]
    figure, axes = _outcome_panel(f"{task_title(task)}: what became of each n", 0.17, labels)
    for index, (_, own) in enumerate(strips):
        own = own.sort_values("size", kind="stable")
        for start, end, outcome in _merged_neighbours(own["size"].tolist(), own["outcome"].tolist()):
            axes.fill_betweenx([index - 0.4, index + 0.4], start, end, color=OUTCOME_COLOURS[outcome], linewidth=0)
    _mark_limit(axes, limit)
    log_x(axes, "n")
    axes.grid(False)
    return figure


def _outcome_panel(title: str, row_height: float, labels: list[str]) -> tuple[Figure, Axes]:
    """A panel with a labelled row for each rung (or model) of `row_height` inches, and the key of outcomes."""
    figure, axes = panel(title, 1.35 + row_height * len(labels), **ROOM)
    axes.set_yticks(range(len(labels)), labels)
    key_below(figure, [Patch(color=colour) for colour in OUTCOME_COLOURS.values()], list(OUTCOME_COLOURS))
    return figure, axes


def _merged_neighbours(sizes: list[int], outcomes: list[str]) -> Iterator[tuple[float, float, str]]:
    """Neighbours of one outcome as one strip, whose ends lie half-way (in log) to the next item."""
    edges = [sizes[0] * 0.9, *(math.sqrt(a * b) for a, b in pairwise(sizes)), sizes[-1] * 1.1]
    for outcome, places in groupby(range(len(outcomes)), key=outcomes.__getitem__):
        first, *rest = places
        yield edges[first], edges[first + len(rest) + 1], outcome


def outcome_bars(results: Results, task: Task) -> Figure:
    """For each rung the shares of its programs that solved, ran out of fuel, were wrong, or failed."""
    scores = of_task(results.scores, task)
    rungs = scores["rung"].unique()
    counts = pd.crosstab(scores["rung"], program_outcomes(scores)).reindex(rungs)
    shares = counts.div(counts.sum(axis=1), axis=0).reindex(columns=list(OUTCOME_COLOURS), fill_value=0.0)
    figure, axes = _outcome_panel(f"{task_title(task)}: how programs end", 0.28, list(rungs))
    for index, own in enumerate(shares.to_numpy()):
        lefts = np.cumsum([0.0, *own[:-1]])
        for left, share, colour in zip(lefts, own, OUTCOME_COLOURS.values(), strict=True):
            axes.barh(index, share, left=left, color=colour, height=0.72, linewidth=0)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.grid(False, axis="y")
    axes.set_xlabel("share of items")
    return figure
