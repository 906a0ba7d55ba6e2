"""The orders of difficulty beside each other, as a picture."""

import pandas as pd
from matplotlib.figure import Figure

from tasklaws.difficulty.orders import ALL, MEASURED, ORDERS
from tasklaws.difficulty.verdicts import WORDS
from tasklaws.report.style import LIGHT, panel

LABELS = {ALL: "all items", MEASURED: "items that every order measures"}
APART = 0.18
"""Between two sets of items in one row."""


def draw(compared: pd.DataFrame) -> Figure:
    """Log loss of each order with its 90% interval, on all items and on those that every order measures."""
    names = [name for name in ORDERS if name in set(compared["order"])]
    figure, axes = panel("What the next models solve, by order of difficulty", left=1.95)
    for (items, label), colour, shift in zip(
        LABELS.items(), (LIGHT["fit"], LIGHT["forecast"]), (-APART, APART), strict=True
    ):
        rows = compared[compared["items"] == items].set_index("order")
        if rows.empty:
            continue
        shown = [name for name in names if name in rows.index]
        places = [names.index(name) + shift for name in shown]
        rows = rows.loc[shown]
        axes.hlines(places, rows["log_loss_low"], rows["log_loss_high"], color=colour, linewidth=2, alpha=0.5)
        axes.plot(rows["log_loss"], places, "o", color=colour, label=f"{label} ({rows['n_items'].iloc[0]})")
    axes.set_yticks(range(len(names)), [WORDS[name] for name in names])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("log loss, nats (mean score given; 90% interval)")
    axes.legend(loc="best")
    return figure
