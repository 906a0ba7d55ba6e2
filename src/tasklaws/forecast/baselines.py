"""Baselines: the last rung, chance, and published methods, which the combination has to beat."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.axes import chinchilla
from tasklaws.forecast.naive import Chance, RepeatLast
from tasklaws.forecast.panel import Forecaster, Panel, Prediction, size_column
from tasklaws.laws.fitting import fit_many
from tasklaws.tables import SIZES

_FEWEST_POINTS = 3  # fewer: no curve is fitted


@dataclass(frozen=True)
class Curve:
    """One law of each task along compute (or n_params, where compute is unknown, or what stands for compute on another
    axis: `Panel.scale`): a logistic from chance for scores, a power law with floor for losses; the tasks apart, by
    binomial or Huber fit."""

    name: str

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        column = size_column(known, wanted)
        axis = column if column in SIZES else "train_flops"
        inputs = {axis: np.broadcast_to(known.scale(column), known.value.shape)}
        return _fitted(known, "power" if known.loss else "logistic", {axis: wanted.scale(column)}, inputs, axis)


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
        expected = chinchilla(known, wanted, rows)[inverse.ravel()]
        return _fitted(known, "logistic_in_loss", {"loss": expected}, {"loss": losses}, None)


BASELINES: tuple[Forecaster, ...] = (RepeatLast(), Chance(), Curve("logistic"), TwoStep())
LOSS_BASELINES: tuple[Forecaster, ...] = (RepeatLast(), Curve("power"))


def _fitted(
    known: Panel, law: str, at: dict[str, Array], inputs: dict[str, Array], axis: str | None
) -> Prediction | None:
    """A law fitted to each task with enough points; its sd is the root mean square of the residuals on the link."""
    rows = np.flatnonzero(np.isfinite(known.value).sum(axis=1) >= _FEWEST_POINTS)
    if not len(rows):
        return None
    fits = fit_many([_task_table(known, int(row), inputs) for row in rows], law, axis=axis, replicates=0)
    mean, sd = np.full((2, len(known.tasks), next(iter(at.values())).shape[-1]), np.nan)
    for row, found in zip(rows, fits, strict=True):
        points = {name: values[row] if values.ndim == 2 else values for name, values in at.items()}
        value, curve = (known.link.of(found.points[name].to_numpy(dtype=float), np.inf) for name in ("value", "fitted"))
        mean[row] = known.link.of(found.predict(points), np.inf)
        sd[row] = np.sqrt(np.mean((value - curve) ** 2))
    return Prediction(mean, sd)


def _task_table(known: Panel, row: int, inputs: dict[str, Array]) -> pd.DataFrame:
    columns = {"n_params": known.n_params, "n_tokens": known.n_tokens, "train_flops": known.train_flops}
    columns |= {"value": known.value[row], "n_items": known.n_items[row]}
    columns |= {name: values[row] for name, values in inputs.items()}
    table = pd.DataFrame({**columns, "metric": "loss" if known.loss else "acc"})
    if np.isfinite(known.guess[row]):
        table["chance"] = known.guess[row]
    return table.dropna(axis=1, how="all").dropna(subset="value")
