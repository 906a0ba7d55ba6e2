"""What needs no science, and what is published: the forecasts that ours has to beat."""

from dataclasses import dataclass

import numpy as np

from tasklaws.forecast.methods import Prediction
from tasklaws.forecast.panel import Panel


@dataclass(frozen=True)
class RepeatLast:
    """The largest known model's value; its sd is how far values moved from one rung to the next."""

    name: str = "repeat_last"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        z = known.link.of(known.value, known.n_items)
        count = wanted.n_params.size
        last = np.array([row[np.isfinite(row)][-1] if np.isfinite(row).any() else np.nan for row in z])
        moves = np.diff(z, axis=1)
        usual = float(np.sqrt(np.nanmean(moves**2))) if np.isfinite(moves).any() else known.link.unit
        seen = np.isfinite(moves)
        sd = np.sqrt((np.nansum(moves**2, axis=1) + usual**2) / (seen.sum(axis=1) + 1))
        return Prediction(np.repeat(last[:, None], count, 1), np.repeat(sd[:, None], count, 1))


@dataclass(frozen=True)
class Chance:
    """What a guess scores; none of a metric without chance level."""

    name: str = "chance"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        if known.loss or not np.isfinite(known.chance).any():
            return None
        count = wanted.n_params.size
        mean = np.repeat(known.link.of(known.chance, np.inf)[:, None], count, 1)
        return Prediction(mean, np.zeros_like(mean))
