"""Figures of a forecast of planned models: all tasks at once, and each task's curve with what comes next."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasklaws.forecast.ahead.text import PLACED_BY, by_model
from tasklaws.forecast.figures import VERDICT_COLOURS
from tasklaws.forecast.panel import place_in_words
from tasklaws.frames.shown import drawn, shown
from tasklaws.plotting import LIGHT, key_below, key_room, panel, short

if TYPE_CHECKING:
    from tasklaws.forecast.ahead.verb import Forecasted

MOST_CURVES = 24  # more are in forecasts.csv
_LONGEST_NAME = 26  # characters of a task's name
_ROW = 0.2  # inches


def figures(found: "Forecasted") -> dict[str, Figure]:
    """`forecast-1` and so on, the tasks of each ladder and planned model, and `curve-1` and so on, a task each."""
    made: dict[str, Figure] = {}
    for number, (_, _, rows) in enumerate(by_model(found.forecasts), 1):
        if number <= MOST_CURVES:
            made[f"forecast-{number}"] = _forest(rows)
    curves = found.forecasts.groupby(["ladder", "task", "metric"], sort=False)  # they are in natural order
    for number, (_, rows) in enumerate(curves, 1):
        if number <= MOST_CURVES:
            made[f"curve-{number}"] = _curve(found.known.merge(rows[["ladder", "task", "metric"]].head(1)), rows)
    return made


def _forest(rows: pd.DataFrame) -> Figure:
    count = rows["verdict"].nunique()
    room = key_room(count)
    height = 1.0 + room["bottom"] - 0.4 + _ROW * len(rows)
    figure, axes = panel(drawn(str(rows["model"].iloc[0])), height=height, left=1.9, bottom=room["bottom"])
    key = draw_forecasts(axes, rows)
    key_below(figure, list(key.values()), list(key))
    return figure


def draw_forecasts(axes: Axes, rows: pd.DataFrame) -> dict[str, object]:
    """A row a forecast: its value and 90% interval by verdict, and the last known value as a stroke; what was drawn by
    verdict."""
    rows = rows.reset_index(drop=True)
    key: dict[str, object] = {}
    axes.plot(rows["last"], rows.index, "|", color=LIGHT["muted"], markersize=8)
    for verdict, part in rows.groupby("verdict"):
        ends = np.maximum([part["predicted"] - part["lower"], part["upper"] - part["predicted"]], 0.0)
        colour = VERDICT_COLOURS.get(str(verdict), LIGHT["muted"])
        key[str(verdict)] = axes.errorbar(part["predicted"], part.index, xerr=ends, fmt="o", color=colour, markersize=4)
    several = {name for name in ("ladder", "metric", "model") if rows[name].nunique() > 1}
    names = [" ".join([row["task"], *(row[name] for name in sorted(several))]) for row in rows.to_dict("records")]
    axes.set_yticks(range(len(rows)), [drawn_name(name) for name in names])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("forecast (90%); | last known")
    return key


def drawn_name(name: str) -> str:
    """A name as matplotlib draws it, cut where it is long."""
    name = shown(name)
    return drawn(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}...")


def _curve(known: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    row = rows.iloc[0]
    figure, axes = panel(drawn_name(row["task"]), height=2.6)
    axes.plot(known["place"], known["value"], "o-", color=LIGHT["fit"], markersize=3.5, linewidth=1.0)
    ends = np.maximum([rows["predicted"] - rows["lower"], rows["upper"] - rows["predicted"]], 0.0)
    axes.errorbar(rows["place"], rows["predicted"], yerr=ends, fmt="D", color=LIGHT["forecast"], markersize=4)
    if np.isfinite(row["threshold"]):
        axes.axhline(row["threshold"], color=LIGHT["muted"], linewidth=0.8, linestyle=":")
    places = np.array([known["place"].min(), known["place"].max(), rows["place"].max()])
    kept = [
        place for number, place in enumerate(places) if number != 1 or (np.diff(places) > 0.15 * np.ptp(places)).all()
    ]
    axes.set_xticks(kept, [_tick(row["placed_by"], place) for place in kept])
    axes.set_xlabel(PLACED_BY[row["placed_by"]])
    axes.set_ylabel(drawn(row["metric"]))
    return figure


def _tick(by: Any, place: float) -> str:
    if by == "train_flops":
        return f"{np.exp(place):.2g}"
    return place_in_words(by, place) if by in ("date", "loss") else short(float(np.exp(place)))
