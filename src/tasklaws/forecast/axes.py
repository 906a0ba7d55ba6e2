"""Axes: what may stand for a model's scale in a forecast, in e-folds of compute.

Each takes the known models and the wanted ones (of which only the sizes are read) and returns the places of both,
(tasks or 1, models); None where the table lacks what the axis needs."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel, size_column
from tasklaws.laws.fitting import fit_many
from tasklaws.laws.forms import LAWS
from tasklaws.laws.result import Fit
from tasklaws.stats import gaussian_process as mixture
from tasklaws.stats.links import ARCSINE, LOG

Places = tuple[Array, Array]
Axis = Callable[[Panel, Panel], Places | None]
_LEAST_MODELS = 5  # fewer: no surface is fitted to their losses
_PUBLISHED = np.array([[[0.0, 482.0, 2085.0, 0.348, 0.366]]])  # E (left out), A, B, alpha, beta


def size(known: Panel, wanted: Panel) -> Places | None:
    """ln of training compute, or of parameters where it is unknown; where both are, the date (`Panel.scale`)."""
    column = size_column(known, wanted)
    first, second = (np.log(np.maximum(part.scale(column), 1.0))[None] for part in (known, wanted))
    return first, second


def reducible_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of the reducible loss A / N^alpha + B / D^beta with the published parameters of Chinchilla's law
    (Besiroglu et al. 2024, arXiv 2404.10102): what N and D are worth before any loss of this ladder is known."""
    if not _sizes_known(known, wanted):
        return None
    value = LAWS["chinchilla"].value
    return _rescaled(known, *(-np.log(value(_PUBLISHED, _sizes(part))[0]) for part in (known, wanted)))


@lru_cache(maxsize=1)  # for the methods that share it
def validation_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of the validation losses, averaged; of wanted models as forecast by a Chinchilla surface for each loss."""
    whole = np.isfinite(known.validation_loss).all(axis=1)
    places = _loss_places(known, wanted, known.validation_loss[whole])
    return places and _rescaled(known, *(part.mean(axis=0, keepdims=True) for part in places))


@lru_cache(maxsize=1)
def task_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of each task's own loss; of wanted models as forecast by a Chinchilla surface."""
    places = _loss_places(known, wanted, known.task_loss)
    return places and _rescaled(known, *places)


def _sizes(panel: Panel) -> dict[str, Array]:
    return {"n_params": panel.n_params, "n_tokens": panel.n_tokens}


def _sizes_known(*panels: Panel) -> bool:
    return all(np.isfinite([panel.n_params, panel.n_tokens]).all() for panel in panels)


def _loss_places(known: Panel, wanted: Panel, losses: Array) -> Places | None:
    if not len(losses) or len(known.models) < _LEAST_MODELS or not _sizes_known(known, wanted):
        return None
    if not np.isfinite(losses).all() or np.any(losses <= 0):
        return None
    return -np.log(losses), -np.log(chinchilla(known, wanted, losses))


def chinchilla(known: Panel, wanted: Panel, losses: Array) -> Array:
    """The losses (rows, wanted models) that a Chinchilla surface fitted to each row of `losses` forecasts."""
    fits = _surfaces(losses.tobytes(), len(losses), known.n_params.tobytes(), known.n_tokens.tobytes())
    return np.stack([fit.predict(_sizes(wanted)) for fit in fits])


@lru_cache(maxsize=32)  # by content: the draws of one hypothetical rung share its losses
def _surfaces(losses: bytes, count: int, n_params: bytes, n_tokens: bytes) -> list[Fit]:
    """A Chinchilla surface for each of `count` rows of losses of models of these sizes, all as the bytes of floats."""
    sizes = {"n_params": np.frombuffer(n_params), "n_tokens": np.frombuffer(n_tokens)}
    rows = np.frombuffer(losses).reshape(count, -1)
    tables = [pd.DataFrame({**sizes, "value": row, "metric": "loss"}) for row in rows]
    return fit_many(tables, "chinchilla", replicates=0)


@lru_cache(maxsize=1)
def ability(known: Panel, wanted: Panel) -> Places | None:
    """One ability behind all tasks: the first principal component of what the tasks share (arcsine scale), each task
    weighted by how many items it has; of wanted models as forecast over size (one ability, many benchmarks)."""
    if known.loss or len(known.tasks) < 3 or not np.isfinite(known.value).all():
        return None
    places = reducible_loss(known, wanted) or size(known, wanted)
    assert places is not None
    z = ARCSINE.of(known.value, known.items)
    z = (z - z.mean(axis=1, keepdims=True)) * np.sqrt(known.items / (known.items + 500.0))
    component = np.linalg.svd(z, full_matrices=False)[2][0]
    sign = np.sign(component @ (places[0][0] - places[0][0].mean())) or 1.0
    theta = sign * component[None] * np.std(places[0]) / np.std(component)
    found = mixture.predict_targets(*places, theta, np.full_like(theta, 1e-4), LOG)
    return _rescaled(known, theta, np.einsum("tk,tks->ts", found.weight, found.mean))


def _rescaled(known: Panel, of_known: Array, of_wanted: Array) -> Places | None:
    """Places stretched so that the known models spread as far as in ln size."""
    spread = of_known.std(axis=1, keepdims=True)
    if not (spread > 0).all():
        return None
    scale = max(float(known.size.std()), 1e-9) / spread
    return of_known * scale, of_wanted * scale
