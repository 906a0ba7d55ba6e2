"""Figures of a backtest: predicted against observed, the combination beside every rival, and coverage."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.forecast.engine import LEVEL
from tasklaws.plotting import LIGHT, house_style, key_below, key_room, panel, save, short
from tasklaws.tables import BACKTEST_FORECASTS

VERDICTS = {  # in the order of the key
    "lawful": LIGHT["outcome"],
    "not enough rungs": LIGHT["fit"],
    "discontinuous": LIGHT["forecast"],
    "non-monotone": LIGHT["scale6"],
    "no signal": LIGHT["chance"],
}
COMBINATION = "combination"


def draw_figures(directory: Path, forecasts: pd.DataFrame, methods: pd.DataFrame) -> None:
    """Write predicted.svg, errors.svg and coverage.svg (byte-stable) from the two tables of a backtest."""
    seen = forecasts.dropna(subset="observed")
    with house_style():
        draw_predicted(directory / "predicted.svg", seen)
        draw_errors(
            directory / "errors.svg",
            seen,
            methods.merge(seen[[*BACKTEST_FORECASTS.keys, "observed"]], on=BACKTEST_FORECASTS.keys),
        )
        draw_coverage(directory / "coverage.svg", seen)


def draw_predicted(path: Path, seen: pd.DataFrame) -> None:
    found = [name for name in VERDICTS if (seen["verdict"] == name).any()]
    figure, axes = panel("Predicted and observed, 90% intervals", **key_room(len(found)))
    ends = seen[["observed", "predicted"]].to_numpy(dtype=float)
    axes.axline((ends.min(), ends.min()), slope=1, color=LIGHT["muted"], linewidth=0.8)
    handles = []
    for place, name in enumerate(found):
        part = seen[seen["verdict"] == name]
        below, above = part["predicted"] - part["lower"], part["upper"] - part["predicted"]
        bars = axes.errorbar(
            part["observed"],
            part["predicted"],
            yerr=np.maximum([below, above], 0.0),
            fmt="o",
            color=VERDICTS[name],
            markersize=2.5,
            elinewidth=0.6,
            alpha=0.7,
            zorder=3 - 0.1 * place,
        )
        handles.append(bars)
    axes.set_xlabel("observed")
    axes.set_ylabel("predicted")
    key_below(figure, handles, found)
    save(figure, path)


def draw_errors(path: Path, seen: pd.DataFrame, told: pd.DataFrame) -> None:
    """Mean absolute error by ladder, the combination first; a rival that speaks of fewer forecasts is set against the
    combination's error on the same ones."""
    own = seen.assign(method=COMBINATION, error=(seen["predicted"] - seen["observed"]).abs())
    rivals = told.assign(error=(told["predicted"] - told["observed"]).abs())
    rivals = rivals.merge(own[[*BACKTEST_FORECASTS.keys, "error"]], on=BACKTEST_FORECASTS.keys, suffixes=("", "_own"))
    means = rivals.groupby(["method", "ladder"])[["error", "error_own"]].mean().reset_index()
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
    axes.legend(handles, [f"{name} (1 = {errors[name]:.3g})" for name in ratio.columns], fontsize=6.5)
    save(figure, path)


def draw_coverage(path: Path, seen: pd.DataFrame) -> None:
    """Share of outcomes inside the 90% interval by ladder, with two standard errors of independent forecasts."""
    inside = seen["observed"].between(seen["lower"] - 1e-9, seen["upper"] + 1e-9)
    share = inside.groupby(seen["ladder"]).agg(["mean", "size"])
    figure, axes = panel("Inside the 90% interval", height=1.1 + 0.3 * len(share), left=2.3)
    spread = 2 * np.sqrt(LEVEL * (1 - LEVEL) / share["size"])
    ends = [np.minimum(spread, share["mean"]), np.minimum(spread, 1 - share["mean"])]
    axes.errorbar(share["mean"], range(len(share)), xerr=ends, fmt="o", color=LIGHT["fit"], markersize=4)
    axes.axvline(LEVEL, color=LIGHT["muted"], linewidth=0.8)
    axes.set_yticks(range(len(share)), [f"{name} ({size})" for name, size in share["size"].items()])
    axes.set_ylim(len(share) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    save(figure, path)
