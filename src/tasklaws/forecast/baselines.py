"""What needs no science, and what is published: the forecasts that ours has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.axes import chinchilla
from tasklaws.forecast.panel import Forecaster, Panel, Prediction
from tasklaws.laws.fitting import fit_many
from tasklaws.laws.result import Fit

_FEWEST_POINTS = 3  # fewer: no curve is fitted


@dataclass(frozen=True)
class RepeatLast:
    """The largest known model's value; its sd is how far values moved from one rung to the next, a task's own moves
    counting as much as one move of all tasks."""

    name: str = "repeat_last"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction:
        z = known.link.of(known.value, known.n_items)
        last = np.array([row[np.isfinite(row)][-1] if np.isfinite(row).any() else np.nan for row in z])
        moves = np.diff(z, axis=1) ** 2
        seen = np.isfinite(moves)
        usual = float(moves[seen].mean()) if seen.any() else known.link.unit**2
        sd = np.sqrt((np.where(seen, moves, 0.0).sum(axis=1) + usual) / (seen.sum(axis=1) + 1))
        return spread_out(wanted, last, sd)


@dataclass(frozen=True)
class Chance:
    """What a guess scores; nothing of a loss."""

    name: str = "chance"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        if known.loss or not np.isfinite(known.guess).any():
            return None
        return spread_out(wanted, known.link.of(known.guess, np.inf), np.zeros(len(known.tasks)))


@dataclass(frozen=True)
class Curve:
    """One law of each task along compute (or n_params, where compute is unknown): a logistic from chance for scores, a
    power law with floor for losses; the tasks apart, by binomial or Huber fit."""

    name: str

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        law = "power" if known.loss else "logistic"
        axis = "train_flops" if all(np.isfinite(part.train_flops).all() for part in (known, wanted)) else "n_params"
        points = {"train_flops": wanted.train_flops, "n_params": wanted.n_params}[axis]
        return fitted(known, law, {axis: points}, {}, axis)


@dataclass(frozen=True)
class TwoStep:
    """The published two-step method: loss = E + A / N^alpha + B / D^beta, then a logistic of the score in that loss
    (Bhagia et al. 2024, arXiv 2412.04403).

    The loss is the task's own, or the mean of the validation losses where the table has none of its own."""

    name: str = "two_step"

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        if known.loss or not np.isfinite([known.n_params, known.n_tokens]).all() or len(known.models) < _FEWEST_POINTS:
            return None
        losses = known.task_loss
        if not np.isfinite(losses).all():
            whole = np.isfinite(known.validation_loss).all(axis=1)
            if not whole.any():
                return None
            losses = np.repeat(known.validation_loss[whole].mean(axis=0, keepdims=True), len(known.tasks), axis=0)
        rows, inverse = np.unique(losses, axis=0, return_inverse=True)
        told = chinchilla(known, wanted, rows)
        return fitted(known, "logistic_in_loss", {"loss": told[inverse.ravel()]}, {"loss": losses}, None)


BASELINES: tuple[Forecaster, ...] = (RepeatLast(), Chance(), Curve("logistic"), TwoStep())
LOSS_BASELINES: tuple[Forecaster, ...] = (RepeatLast(), Curve("power"))


def baselines(panel: Panel) -> Sequence[Forecaster]:
    return LOSS_BASELINES if panel.loss else BASELINES


def spread_out(wanted: Panel, mean: Array, sd: Array) -> Prediction:
    """The same for every wanted model."""
    count = len(wanted.models)
    return Prediction(np.repeat(mean[:, None], count, axis=1), np.repeat(sd[:, None], count, axis=1))


def fitted(
    known: Panel, law: str, at: dict[str, Array], inputs: dict[str, Array], axis: str | None
) -> Prediction | None:
    """A law fitted to each task with enough points; its sd is that of the residuals."""
    enough = np.isfinite(known.value).sum(axis=1) >= _FEWEST_POINTS
    if not enough.any():
        return None
    rows = np.flatnonzero(enough)
    fits = fit_many([task_table(known, int(row), inputs) for row in rows], law, axis=axis, replicates=0)
    count = next(iter(at.values())).shape[-1]
    mean, sd = np.full((2, len(known.tasks), count), np.nan)
    for row, found in zip(rows, fits, strict=True):
        points = {name: values[row] if values.ndim == 2 else values for name, values in at.items()}
        mean[row] = known.link.of(found.predict(points), np.inf)
        sd[row] = residual_sd(known, found)
    return Prediction(mean, sd)


def task_table(known: Panel, row: int, inputs: dict[str, Array]) -> pd.DataFrame:
    columns = {"n_params": known.n_params, "n_tokens": known.n_tokens, "train_flops": known.train_flops}
    columns |= {"value": known.value[row], "n_items": known.n_items[row]}
    columns |= {name: values[row] for name, values in inputs.items()}
    table = pd.DataFrame({**columns, "metric": "loss" if known.loss else "acc"})
    if np.isfinite(known.guess[row]):
        table["chance"] = known.guess[row]
    return table.dropna(axis=1, how="all").dropna(subset="value")


def residual_sd(known: Panel, found: Fit) -> float:
    """Root mean square of a fit's residuals on the panel's link scale."""
    seen, fitted_ = (known.link.of(found.points[name].to_numpy(dtype=float), np.inf) for name in ("value", "fitted"))
    return float(np.sqrt(np.mean((seen - fitted_) ** 2)))
