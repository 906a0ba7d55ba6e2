"""Scoring rules: how good probabilities and intervals were, given what happened."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array

LEVEL = 0.9  # of the intervals of forecasts
_SMALLEST = 1e-9  # probabilities are kept this far from 0 and 1, so that one surprise costs at most 21 nats


def cross_entropy(scores: Array, probabilities: Array) -> Array:
    """Nats of each score in [0, 1]: -s ln p - (1 - s) ln(1 - p)."""
    p = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(-(scores * np.log(p) + (1 - scores) * np.log1p(-p)))


def log_loss(scores: Array, probabilities: Array) -> float:
    """Mean cross entropy in nats."""
    return float(cross_entropy(scores, probabilities).mean())


def concordance(scores: Array, probabilities: Array) -> tuple[float, int]:
    """Pairs of a solved and an unsolved item in which the solved has the higher probability (ties half), and all
    pairs."""
    solved: NDArray[np.bool_] = scores >= 0.5
    high, low = probabilities[solved][:, None], probabilities[~solved][None]
    return float((high > low).sum() + (high == low).sum() / 2), int(high.size * low.size)


def is_inside(table: pd.DataFrame) -> pd.Series:
    """Whether `observed` lies in the interval, ends included."""
    return table["observed"].between(table["lower"] - 1e-9, table["upper"] + 1e-9)


def interval_figures(table: pd.DataFrame) -> dict[str, float]:
    """The share of outcomes inside the intervals, how wide these are, and the mean log score (nats)."""
    width = table["upper"] - table["lower"]
    figures = {"coverage": is_inside(table), "interval_width": width, "log_score": table["log_score"]}
    return rounded({name: values.mean() for name, values in figures.items()})


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Figures to six digits, without those that could not be computed."""
    return {name: round(float(value), 6) for name, value in figures.items() if np.isfinite(value)}
