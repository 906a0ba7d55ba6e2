"""Baselines without a fit: the last rung, the best one, the median of the last, chance."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel, Prediction

_LAST_FEW = 5


@dataclass(frozen=True)
class RepeatLast:
    """The largest known model's value; its sd is how far values moved from one rung to the next, a task's own moves
    counting as much as one move of all tasks."""

    name: str = "repeat_last"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        z = known.link.of(known.value, known.items)
        last = np.array([row[np.isfinite(row)][-1] if np.isfinite(row).any() else np.nan for row in z])
        moves = np.diff(z, axis=1) ** 2
        there = np.isfinite(moves)
        usual = float(moves[there].mean()) if there.any() else known.link.unit**2
        sd = np.sqrt((np.where(there, moves, 0.0).sum(axis=1) + usual) / (there.sum(axis=1) + 1))
        return _same_for_all(wanted, last, sd)


@dataclass(frozen=True)
class BestSoFar:
    """The best value of any known model; its sd is how far each known model was from the best before it."""

    name: str = "best_so_far"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        return _by_task(known, wanted, np.minimum.accumulate if known.loss else np.maximum.accumulate)


@dataclass(frozen=True)
class MedianOfLastFive:
    """The median of the five last known models that were asked the task; its sd is how far each known model was from
    that of the five before it."""

    name: str = "median_of_last_five"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        return _by_task(known, wanted, _running_median)


def _running_median(z: Array) -> Array:
    """At each place the median of the last five values up to there."""
    ragged = [float(np.median(z[: end + 1])) for end in range(min(len(z), _LAST_FEW - 1))]
    return np.array([*ragged, *np.median(sliding_window_view(z, _LAST_FEW), axis=1)] if len(z) >= _LAST_FEW else ragged)


def _by_task(known: Panel, wanted: Panel, running: Callable[[Array], Array]) -> Prediction:
    """The last place of what runs along each task's known values; its sd is the root mean square of what came next
    less it, a task's own counting as much as two of all tasks'."""
    z = known.link.of(known.value, known.items)
    each = [row[np.isfinite(row)] for row in z]
    said = [running(row) for row in each]
    squares = [(row[1:] - place[:-1]) ** 2 for row, place in zip(each, said, strict=True)]
    together = np.concatenate(squares)
    usual = float(together.mean()) if len(together) else known.link.unit**2
    sd = np.array([np.sqrt((own.sum() + 2 * usual) / (len(own) + 2)) for own in squares])
    return _same_for_all(wanted, np.array([place[-1] if len(place) else np.nan for place in said]), sd)


@dataclass(frozen=True)
class Chance:
    """What a guess scores; nothing of a loss."""

    name: str = "chance"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        if known.loss or not np.isfinite(known.guess).any():
            return None
        return _same_for_all(wanted, known.link.of(known.guess, np.inf), np.zeros(len(known.tasks)))


def _same_for_all(wanted: Panel, mean: Array, sd: Array) -> Prediction:
    count = len(wanted.models)
    return Prediction(np.repeat(mean[:, None], count, axis=1), np.repeat(sd[:, None], count, axis=1))
