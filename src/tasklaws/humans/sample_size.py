"""How many people it takes for an interval of a given width, and to tell two items apart (see docs/humans.md)."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from tasklaws.core.errors import TasklawsError
from tasklaws.plotting import key_below, key_room, log_x, panel, scale_colour
from tasklaws.stats.proportions import Mean

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5)
WIDTHS = (0.02, 0.05, 0.1, 0.2)
ODDS_RATIOS = (1.25, 1.5, 2.0, 4.0)
MOST = 10**9


def people_for_width(rate: float, width: float, level: float = 0.9) -> int:
    """The fewest people whose Jeffreys interval is at most `width` wide where the share `rate` of them solve the item.

    About 4 z^2 rate (1 - rate) / width^2 with z = Phi^-1((1 + level) / 2), and more where rate is near 0 or 1. A rate
    outside [0, 1], or a width or level outside (0, 1), raises TasklawsError."""
    _refuse(rate=rate, width=width, level=level)

    def narrow(n: int) -> bool:
        low, high = Mean.of(n, n * rate, n * rate).interval(level)
        return float(high - low) <= width

    found = bisect_left(range(1, MOST + 1), True, key=narrow) + 1
    if found > MOST:
        raise TasklawsError(f"more than {MOST} people: give a wider interval")
    return found


def people_to_tell_apart(
    first: float, second: float, level: float = 0.9, power: float = 0.8, correlation: float = 0.0
) -> int:
    """The people who must each attempt two items of these solve rates for a two-sided test to tell them apart.

    n = (z_level sqrt(D) + z_power sqrt(D - d^2))^2 / d^2 with d = first - second and D the share who solve just one of
    the two, D = p(1 - q) + q(1 - p) - 2 c sqrt(p(1 - p) q(1 - q)): McNemar's test at level 1 - `level`, won with
    probability `power` (Connor 1987). `correlation` c is that between solving one and the other: people who differ
    in ability make it positive, and so fewer suffice. Equal rates, or a correlation that the two rates do not allow,
    raise TasklawsError."""
    _refuse(first=first, second=second, level=level, power=power)
    if first == second:
        raise TasklawsError(f"rates {first} and {second} are equal: no number of people tells them apart")
    variances = first * (1 - first) * second * (1 - second)
    both = first * second + correlation * math.sqrt(variances)
    if not max(0.0, first + second - 1) - 1e-12 <= both <= min(first, second) + 1e-12:
        raise TasklawsError(f"rates {first} and {second} cannot correlate by {correlation}: give a value nearer to 0")
    difference = first - second
    differing = first + second - 2 * both
    root = float(norm.ppf((1 + level) / 2)) * math.sqrt(differing)
    root += float(norm.ppf(power)) * math.sqrt(max(differing - difference**2, 0))
    return math.ceil(root**2 / difference**2 - 1e-9)


def width_table(level: float = 0.9) -> pd.DataFrame:
    """`people_for_width` at RATES and WIDTHS; columns rate, width, n_people."""
    rows = [(rate, width, people_for_width(rate, width, level)) for rate in RATES for width in WIDTHS]
    return pd.DataFrame(rows, columns=["rate", "width", "n_people"])


def apart_table(level: float = 0.9, power: float = 0.8) -> pd.DataFrame:
    """`people_to_tell_apart` for a rate and the easier one of ODDS_RATIOS times its odds.

    Columns: rate, odds_ratio, easier_rate, n_people."""
    cells = [(rate, ratio, easier_rate(rate, ratio)) for rate in RATES for ratio in ODDS_RATIOS]
    rows = [(*cell, people_to_tell_apart(cell[0], cell[2], level, power)) for cell in cells]
    return pd.DataFrame(rows, columns=["rate", "odds_ratio", "easier_rate", "n_people"])


def easier_rate(rate: float, odds_ratio: float) -> float:
    """The rate whose odds, p / (1 - p), are `odds_ratio` times those of `rate`."""
    return odds_ratio * rate / (1 + (odds_ratio - 1) * rate)


def _refuse(**shares: float) -> None:
    for name, value in shares.items():
        if not (0 <= value <= 1 if name == "rate" else 0 < value < 1):
            raise TasklawsError(f"{name} is {value}: give a number between 0 and 1")


_SHARES = np.geomspace(0.001, 0.5, 40)


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
        needed = [people(float(rate), value) for rate in _SHARES]
        axes.plot(_SHARES, needed, color=scale_colour(position, len(values)), label=label.format(value))
    axes.set_yscale("log")
    axes.set_ylabel("people at each item")
    log_x(axes, "share of people who solve the item")
    key_below(figure, *axes.get_legend_handles_labels())
    return figure
