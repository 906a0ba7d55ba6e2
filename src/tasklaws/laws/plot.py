"""The picture of a Fit: along its axis, or, of a law of several inputs, value against fitted."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasklaws.laws.result import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEYOND = 0.5  # the curve goes on past the largest point by this share of the range of log x


def plot(fit: Fit, ax: "Axes | None" = None) -> "Axes":
    """Draw points and, for a law of one input, the curve with the interval of its parameters."""
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(layout="constrained")[1]
    for number, ladder in enumerate(fit.ladders):
        points = fit.points[fit.points["ladder"] == ladder]
        look: dict[str, Any] = {"label": ladder or "points", "color": f"C{number}", "markersize": 3}
        if len(fit.law.inputs) > 1:
            ax.plot(points["fitted"], points["value"], "o", **look)
            continue
        ax.plot(points[fit.law.inputs[0]], points["value"], "o", **look)
        draw_curve(fit, ax, ladder, f"C{number}")
    if len(fit.law.inputs) > 1:
        ends = [fit.points["value"].min(), fit.points["value"].max()]
        ax.plot(ends, ends, color="0.5", linewidth=1)
        ax.set_xlabel(f"fitted by {fit.law.name}")
    else:
        ax.set_xlabel(fit.law.inputs[0])
    ax.set_ylabel(fit.kind)
    ax.set_title(f"{fit.law.name}: {fit.law.formula}\n{fit.status} {fit.reason}", fontsize="small")
    ax.legend(fontsize="small")
    return ax


def draw_curve(fit: Fit, ax: "Axes", ladder: str, color: str) -> None:
    axis = fit.law.inputs[0]
    low, high = fit.points[axis].min(), fit.points[axis].max()
    straight = axis == "loss"
    if straight:
        x = np.linspace(max(low - BEYOND * (high - low), low / 2), high, 200)
    else:
        ax.set_xscale("log")
        x = np.geomspace(low, high * max((high / low) ** BEYOND, 2.0), 200)
    ax.plot(x, fit.predict(x, ladder), color=color, linewidth=1)
    if len(fit.draws) > 1:
        ax.fill_between(x, *fit.predict_interval(x, ladder), color=color, alpha=0.2, linewidth=0)
