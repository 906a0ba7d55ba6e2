"""How long an item takes people, when not all of them finish."""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf


@dataclass(frozen=True)
class Median:
    """A median completion time and its limits in seconds; None where the data do not bound it.

    Where fewer than half finish, `seconds` is None, as the median lies above the timeout; so does the whole interval
    where `low` is the timeout (of several, the longest that enough people had).
    """

    seconds: float | None
    low: float | None
    high: float | None


def median_seconds(attempts: pd.DataFrame, level: float) -> Median:
    """The time by which half of all people have solved the item (Kaplan-Meier), with Brookmeyer-Crowley limits.

    `attempts` are those at one item. A solved one is an event at `seconds`; one that was not solved is censored at its
    `timeout`, also when the person gave up or handed in a wrong answer before: people stop because the item is hard
    for them, and to censor them when they stop would take them for people who would have gone on like the others (the
    competing event stays in the risk set, as in Fine and Gray 1999). The limits are the times at which the log-log band
    of the curve crosses one half (Brookmeyer and Crowley 1982); where its lower end does not, `low` is as far as enough
    people were watched to exclude, by the sign test, that half would have finished.
    """
    seconds, timeout = attempts["seconds"].to_numpy(float), attempts["timeout"].to_numpy(float)
    event = attempts["solved"].to_numpy() == 1
    times = np.where(event, seconds, timeout)
    enough = math.ceil(math.log2(2 / (1 - level)))
    # Fewer people may all lie above the median.
    watched = None if len(times) < enough else float(np.sort(times)[-enough])
    if not event.any():
        return Median(None, watched, None)
    curve = ecdf(CensoredData.right_censored(times, ~event)).sf
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # undefined where the curve is 0 or 1
        band: Any = curve.confidence_interval(level, method="log-log")
    middle, low, high = (_crossing(each) for each in (curve, band.low, band.high))
    return Median(middle, None if watched is None else low or max(watched, float(times[event].max())), high)


def _crossing(survival: Any) -> float | None:
    """The first time at which a curve (SciPy's EmpiricalDistributionFunction) is at one half or below."""
    below = np.flatnonzero(survival.probabilities <= 0.5)
    return float(survival.quantiles[below[0]]) if below.size else None
