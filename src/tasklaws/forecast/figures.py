"""Figures of a backtest: predicted against observed, the combination against every other method, and coverage."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from tasklaws.frames.shown import drawn as as_drawn
from tasklaws.plotting import LIGHT, house_style, key_below, key_room, panel, save, short
from tasklaws.stats.scores import LEVEL, is_inside
from tasklaws.tables import BACKTEST_FORECASTS

VERDICT_COLOURS = {  # of the verdicts, in the order of the key
    "lawful": LIGHT["outcome"],
    "discontinuous": LIGHT["forecast"],
    "non-monotone": LIGHT["scale6"],
    "not enough rungs": LIGHT["fit"],
    "too few items": LIGHT["scale3"],
    "too far": LIGHT["scale1"],
    "noisy": LIGHT["error"],
    "at the floor": LIGHT["wrong"],
    "no signal": LIGHT["chance"],
}


def draw_figures(directory: Path, forecasts: pd.DataFrame, methods: pd.DataFrame) -> None:
    """Write predicted.svg, errors.svg and coverage.svg (byte-stable) from the two tables of a backtest."""
    known = forecasts.dropna(subset="observed")
    with house_style():
        figure, axes = panel("Predicted and observed, 90% intervals", **key_room(known["verdict"].nunique()))
        drawn = draw_predicted(axes, known)
        key_below(figure, list(drawn.values()), list(drawn))
        save(figure, directory / "predicted.svg")
        _draw_errors(directory / "errors.svg", known, methods)
        _draw_coverage(directory / "coverage.svg", known)


def draw_predicted(axes: Axes, known: pd.DataFrame) -> dict[str, ErrorbarContainer]:
    """Predicted values with their intervals against observed ones, coloured by verdict; what was drawn by verdict."""
    ends = known[["observed", "predicted"]].to_numpy(dtype=float)
    axes.axline((ends.min(), ends.min()), slope=1, color=LIGHT["muted"], linewidth=0.8)
    drawn: dict[str, ErrorbarContainer] = {}
    for name in [name for name in VERDICT_COLOURS if (known["verdict"] == name).any()]:
        part = known[known["verdict"] == name]
        drawn[name] = axes.errorbar(
            part["observed"],
            part["predicted"],
            yerr=np.maximum([part["predicted"] - part["lower"], part["upper"] - part["predicted"]], 0.0),
            fmt="o",
            color=VERDICT_COLOURS[name],
            markersize=2.5,
            elinewidth=0.6,
            alpha=0.7,
            zorder=3 - 0.1 * len(drawn),
        )
    axes.set_xlabel("observed")
    axes.set_ylabel("predicted")
    return drawn


def _draw_errors(path: Path, known: pd.DataFrame, methods: pd.DataFrame) -> None:
    """Mean absolute error by ladder, the combination first; a method that makes fewer forecasts is compared with the
    combination's error on the same ones."""
    keys = BACKTEST_FORECASTS.keys
    own = known.assign(method="combination", error=(known["predicted"] - known["observed"]).abs())
    single = methods.merge(own[[*keys, "observed", "error"]].rename(columns={"error": "error_own"}), on=keys)
    single["error"] = (single["predicted"] - single["observed"]).abs()
    means = single.groupby(["method", "ladder"])[["error", "error_own"]].mean().reset_index()
    means["ratio"] = means["error"] / np.maximum(means["error_own"], 1e-12)
    ratio = means.pivot(index="method", columns="ladder", values="ratio").sort_index()
    figure, axes = panel("Error relative to ours", height=1.1 + 0.22 * len(ratio), left=2.05)
    handles = []
    for place, ladder in enumerate(ratio.columns):
        colour = LIGHT[f"scale{(2 * place + 2) % 7}"]
        handles += axes.plot(ratio[ladder], range(len(ratio)), "o", color=colour, markersize=4)
    axes.axvline(1.0, color=LIGHT["outcome"])
    axes.set_yticks(range(len(ratio)), list(ratio.index))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    errors = own.groupby("ladder")["error"].mean()
    axes.legend(handles, [f"{as_drawn(name)} (1 = {errors[name]:.3g})" for name in ratio.columns], fontsize=6.5)
    save(figure, path)


def _draw_coverage(path: Path, known: pd.DataFrame) -> None:
    """Share of outcomes inside the 90% interval by ladder, with two standard errors of independent forecasts."""
    share = is_inside(known).groupby(known["ladder"]).agg(["mean", "size"])
    figure, axes = panel("Inside the 90% interval", height=1.1 + 0.3 * len(share), left=2.3)
    spread = 2 * np.sqrt(LEVEL * (1 - LEVEL) / share["size"])
    ends = [np.minimum(spread, share["mean"]), np.minimum(spread, 1 - share["mean"])]
    axes.errorbar(share["mean"], range(len(share)), xerr=ends, fmt="o", color=LIGHT["fit"], markersize=4)
    axes.axvline(LEVEL, color=LIGHT["muted"], linewidth=0.8)
    axes.set_yticks(range(len(share)), [f"{as_drawn(str(name))} ({size})" for name, size in share["size"].items()])
    axes.set_ylim(len(share) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    save(figure, path)
