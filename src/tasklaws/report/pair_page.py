"""The page of two ladders side by side: one file with its figures and tables."""

from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasklaws.core.arrays import Array
from tasklaws.core.files import write_json, write_text
from tasklaws.frames.shown import drawn as as_drawn
from tasklaws.plotting import LIGHT, house_style, inline, key_below, key_room, letters, log_x, panel, save, share_y
from tasklaws.report.figures import task_title
from tasklaws.report.ladder_pair import LadderPair
from tasklaws.report.load import CORPUS, Task, of_task
from tasklaws.report.pair_sides import Side
from tasklaws.report.shapes import levels
from tasklaws.report.template import is_share, metric_label, template
from tasklaws.stats.proportions import Mean
from tasklaws.stats.scores import LEVEL

# Told apart by colour, marker and line, so that neither colour-blind readers nor print lose one.
_LOOKS = (("fit", "o", "-", 8), ("forecast", "s", "--", 4))
_NORMAL_90 = 1.6449
_N_PARAMS = "non-embedding parameters"


def write_pair(directory: Path, pair: LadderPair) -> None:
    """Write index.html, which needs no other file, and summary.json into a directory."""
    names = {task: f"curve-{'-'.join(task)}" for task, _ in pair.curves}
    with house_style():
        for task, metric in pair.curves:
            save(_curves(pair, task, metric), directory / f"{names[task]}.svg")
    files = {name: directory / f"{name}.svg" for name in names.values()}
    svgs = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    for file in files.values():
        file.unlink()
    page = template("pair.html.jinja").render(
        ladder=f"{pair.one.ladder} beside {pair.other.ladder}",
        pair=pair,
        figures={
            task: Markup(inline(svgs[name], name, escape(name.replace("-", " ")))) for task, name in names.items()
        },
        letters=Markup(letters(list(svgs.values()))),
        forecasts=[rows for task, metric in pair.curves if (rows := _forecasts(pair, task, metric))],
        corpus=CORPUS,
    )
    write_text(directory / "index.html", page)
    write_json(directory / "summary.json", pair.to_dict())


def _forecasts(pair: LadderPair, task: Task, metric: str) -> list[tuple[str, pd.DataFrame]]:
    """The forecasts of a curve with their outcomes, by ladder; nothing where neither forecast it."""
    found = [
        (side.ladder, of_task(side.validation, task, metric).sort_values("n_params")) for side in (pair.one, pair.other)
    ]
    return found if any(len(rows) for _, rows in found) else []


def _curves(pair: LadderPair, task: Task, metric: str) -> Figure:
    """Scores of both ladders against size with 90% intervals; what was forecast of the held-out rungs as broad bars."""
    figure, axes = panel(task_title(task), **key_room(2))
    for side, look in zip((pair.one, pair.other), _LOOKS, strict=True):
        _draw(axes, side, task, metric, look)
    log_x(axes, _N_PARAMS)
    if is_share(metric):
        share_y(axes, metric_label(metric))
    else:
        axes.set_ylabel(metric_label(metric))
    key_below(figure, *axes.get_legend_handles_labels())
    return figure


def _draw(axes: Axes, side: Side, task: Task, metric: str, look: tuple[str, str, str, int]) -> None:
    colour, (marker, line, width) = LIGHT[look[0]], look[1:]
    found = levels(of_task(side.observations, task, metric), metric).sort_values("n_params")
    x, y = (found[name].to_numpy(dtype=float) for name in ("n_params", "value"))
    lower, upper = level_intervals(found, metric)
    label = as_drawn(side.ladder)
    axes.vlines(x, lower, upper, color=colour, linewidth=1.1, alpha=0.7, zorder=2)
    axes.plot(
        x, y, line, marker=marker, markersize=5.5, color=colour, label=label, markeredgecolor=LIGHT["paper"], zorder=4
    )
    forecast = of_task(side.validation, task, metric)
    axes.vlines(
        forecast["n_params"], forecast["lower"], forecast["upper"], color=colour, linewidth=width, alpha=0.3, zorder=1
    )
    axes.plot(
        forecast["n_params"],
        forecast["predicted"],
        marker,
        markersize=8,
        color=colour,
        markerfacecolor="none",
        zorder=3,
    )


def level_intervals(found: pd.DataFrame, metric: str) -> tuple[Array, Array]:
    """90% intervals of `levels`: of a share Jeffreys' of its items, of which a mean over seeds has no more than one
    seed; of anything else by its standard error."""
    value, n_items, stderr = (found[name].to_numpy(dtype=float) for name in ("value", "n_items", "stderr"))
    if is_share(metric):
        return Mean.of(np.maximum(n_items, 1), value * n_items, value * n_items).interval(LEVEL)
    return value - _NORMAL_90 * stderr, value + _NORMAL_90 * stderr
