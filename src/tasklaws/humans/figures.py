"""How many people it takes, as pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from tasklaws.humans.people import ODDS_RATIOS, WIDTHS, easier_rate, people_for_width, people_to_tell_apart
from tasklaws.report.style import key_below, key_room, log_x, panel, scale_colour

SHARES = np.geomspace(0.001, 0.5, 40)


def width_figure() -> Figure:
    """People for a 90% interval of each of WIDTHS, against the solve rate."""
    return _lines("People for an interval of a given width", WIDTHS, "width {:g}", people_for_width)


def apart_figure() -> Figure:
    """People to tell an item from one of ODDS_RATIOS times its odds (90% level, 80% power), against the solve rate."""

    def people(rate: float, odds_ratio: float) -> int:
        return people_to_tell_apart(rate, easier_rate(rate, odds_ratio))

    return _lines("People to tell two items apart", ODDS_RATIOS, "odds × {:g}", people)


def _lines(title: str, values: Sequence[float], label: str, people: Callable[[float, float], int]) -> Figure:
    figure, axes = panel(title, **key_room(len(values)))
    for position, value in enumerate(values):
        needed = [people(float(rate), value) for rate in SHARES]
        axes.plot(SHARES, needed, color=scale_colour(position, len(values)), label=label.format(value))
    axes.set_yscale("log")
    axes.set_ylabel("people at each item")
    log_x(axes, "share of people who solve the item")
    key_below(figure, *axes.get_legend_handles_labels())
    return figure
