"""The report's section on the overlap experiment, where it was run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from tasklaws.core.settings import Settings
from tasklaws.overlap.set_summary import Facts
from tasklaws.paths import Paths
from tasklaws.plotting import LIGHT, key_below, key_room, log_x, panel, scale_colour
from tasklaws.tables import SET_FORECASTS, SET_SUMMARY, ZIPF_EXPONENTS, ZIPF_RUNS


@dataclass(frozen=True, eq=False)
class OverlapResults:
    """The experiment's tables and `facts`; `gains` is by how much the mean absolute error of repeating the last rung
    exceeds the forecast's, by number of rungs known."""

    summary: pd.DataFrame
    gains: pd.Series
    facts: Facts
    exponents: pd.DataFrame
    runs: pd.DataFrame


def load_experiment(root: Path, settings: Settings) -> OverlapResults | None:
    """Read what the experiment wrote, None where the settings ask for none; a malformed file raises TasklawsError."""
    ladder = settings.models.name
    if ladder not in settings.experiment.ladders:
        return None
    folder = Paths(ladder, root).overlap
    forecasts = SET_FORECASTS.read(folder / "forecasts.csv")
    naive, own = ((forecasts[name] - forecasts["observed"]).abs() for name in ("repeat_last", "predicted"))
    return OverlapResults(
        summary=SET_SUMMARY.read(folder / "summary.csv").sort_values("n_eff"),
        gains=(naive - own).groupby(forecasts["n_fit"]).mean(),
        facts=Facts.read(folder / "summary.json"),
        exponents=ZIPF_EXPONENTS.read(folder / "zipf.csv"),
        runs=ZIPF_RUNS.read(folder / "zipf_runs.csv"),
    )


def experiment_figures(experiment: OverlapResults | None) -> dict[str, Figure]:
    """The section's figures by name; none without an experiment."""
    if experiment is None:
        return {}
    summary = experiment.summary
    return {
        "overlap-forecast": naive_figure(summary),
        "overlap-theory": theory_figure(summary),
        "overlap-coverage": coverage_figure(summary),
        "overlap-zipf": zipf_figure(experiment),
    }


def naive_figure(summary: pd.DataFrame) -> Figure:
    """Mean absolute error of forecast and naive against n_eff, with intervals."""
    figure, axes = panel("error of the next rung's forecast", **key_room(2))
    _with_limits(axes, summary, "mae", LIGHT["forecast"], "forecast")
    _with_limits(axes, summary, "mae_repeat_last", LIGHT["chance"], "naive: the last rung's value")
    axes.set_ylim(bottom=0)
    return _finished(figure, axes, "mean absolute error, points")


def theory_figure(summary: pd.DataFrame) -> Figure:
    """How far sets of one overlap differ in their error, with the line of independent thresholds."""
    figure, axes = panel("independent thresholds: no free parameter", **key_room(4))
    _with_limits(axes, summary, "spread", LIGHT["outcome"], "between sets")
    _with_limits(axes, summary, "rmse", LIGHT["forecast"], "whole error")
    lines = (("theory", "-", "theory: $\\propto n_{eff}^{-1/2}$"), ("theory_repeat_last", ":", "theory, naive"))
    for name, style, label in lines:
        axes.plot(summary["n_eff"], 100 * summary[name], style, color=LIGHT["ink"], linewidth=1.3, label=label)
    _log_y(axes, [2, 5, 10, 20, 50])
    return _finished(figure, axes, "root mean square, points")


def coverage_figure(summary: pd.DataFrame) -> Figure:
    """The share of outcomes within the 90% intervals, as they are and widened."""
    figure, axes = panel("outcomes within the 90% interval", **key_room(3))
    x, as_made, widened = summary["n_eff"], 100 * summary["coverage"], 100 * summary["coverage_widened"]
    axes.plot(x, as_made, "o-", color=LIGHT["forecast"], label="as they are")
    axes.plot(x, widened, "o-", color=LIGHT["fit"], label="widened by n_eff")
    axes.axhline(90, color=LIGHT["chance"], linestyle=":", label="90%")
    axes.set_ylim(0, 104)
    return _finished(figure, axes, "outcomes within, %")


def zipf_figure(experiment: OverlapResults) -> Figure:
    """Held-out loss of every run against tokens, with the fitted laws."""
    exponents = experiment.exponents
    figure, axes = panel("held-out loss by Zipf exponent of the corpus", **key_room(len(exponents)))
    for place, row in enumerate(exponents.itertuples()):
        own = experiment.runs[experiment.runs["zipf"] == row.zipf]
        colour = scale_colour(place + 1, len(exponents) + 1)
        axes.plot(own["n_tokens"], own["loss_nats"], "o", color=colour, label=f"Zipf {row.zipf:g}")
        means = own.groupby("n_tokens")["loss_nats"].mean()
        tokens = means.index.to_numpy(dtype=float)
        axes.plot(tokens, means, "-", color=colour, linewidth=1.0)
        slope = means.iloc[-1] * (tokens / tokens[-1]) ** -float(str(row.predicted))
        axes.plot(tokens, slope, ":", color=colour, linewidth=1.3)
    _log_y(axes, [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2])
    return _finished(figure, axes, "loss, nats (dotted: predicted slope)", "training tokens")


def _with_limits(axes: Axes, summary: pd.DataFrame, name: str, colour: str, label: str) -> None:
    value, low, high = (100 * summary[f"{name}{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
    reach = np.maximum([value - low, high - value], 0)
    axes.errorbar(summary["n_eff"], value, reach, fmt="o-", color=colour, label=label, markersize=4, capsize=2)


def _log_y(axes: Axes, ticks: list[float]) -> None:
    axes.set_yscale("log")
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _finished(figure: Figure, axes: Axes, y: str, x: str = "effective number of tasks, as designed") -> Figure:
    axes.set_ylabel(y)
    log_x(axes, x)
    key_below(figure, *axes.get_legend_handles_labels())
    return figure
