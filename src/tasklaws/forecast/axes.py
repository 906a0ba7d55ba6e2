"""Axes: what may stand for a model's scale in a forecast, in e-folds of compute.

Each takes the models that are known and those to be forecast (of whom only the sizes are read) and returns the places
of both, (tasks or 1, models); None where the table lacks what the axis needs.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel
from tasklaws.laws.fitting import fit_many
from tasklaws.laws.forms import LAWS
from tasklaws.stats import gaussian_process as mixture
from tasklaws.stats.links import ARCSINE, LOG

Places = tuple[Array, Array]
Axis = Callable[[Panel, Panel], Places | None]
LEAST_MODELS = 5  # fewer: no surface is fitted to their losses
PUBLISHED = np.array([[[0.0, 482.0, 2085.0, 0.348, 0.366]]])  # E (left out), A, B, alpha, beta


def size(known: Panel, wanted: Panel) -> Places | None:
    """ln of training compute, or of parameters where it is unknown."""
    by_compute = all(np.isfinite(part.train_flops).all() for part in (known, wanted))
    places = [np.log(np.maximum(part.train_flops if by_compute else part.n_params, 1.0)) for part in (known, wanted)]
    return places[0][None], places[1][None]


def reducible_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of the reducible loss A / N^alpha + B / D^beta with the published parameters of Chinchilla's law
    (Besiroglu et al. 2024, arXiv 2404.10102): what N and D are worth before any loss of this ladder is known."""
    if not all(np.isfinite([part.n_params, part.n_tokens]).all() for part in (known, wanted)):
        return None
    sizes = [{"n_params": part.n_params, "n_tokens": part.n_tokens} for part in (known, wanted)]
    seen, told = (-np.log(LAWS["chinchilla"].value(PUBLISHED, one)[0]) for one in sizes)
    return rescaled(known, seen, told)


@lru_cache(maxsize=1)  # for the methods that share it
def validation_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of the validation losses, averaged; of wanted models as forecast by a Chinchilla surface for each loss."""
    whole = np.isfinite(known.validation_loss).all(axis=1)
    return loss_places(known, wanted, known.validation_loss[whole], average=True)


@lru_cache(maxsize=1)
def task_loss(known: Panel, wanted: Panel) -> Places | None:
    """-ln of each task's own loss; of wanted models as forecast by a Chinchilla surface."""
    return loss_places(known, wanted, known.task_loss, average=False)


def loss_places(known: Panel, wanted: Panel, losses: Array, average: bool) -> Places | None:
    sizes = [part.n_params for part in (known, wanted)] + [part.n_tokens for part in (known, wanted)]
    if not len(losses) or len(known.models) < LEAST_MODELS or not all(np.isfinite(part).all() for part in sizes):
        return None
    if not np.isfinite(losses).all() or np.any(losses <= 0):
        return None
    seen, told = -np.log(losses), -np.log(chinchilla(known, wanted, losses))
    if average:
        seen, told = seen.mean(axis=0, keepdims=True), told.mean(axis=0, keepdims=True)
    return rescaled(known, seen, told)


def chinchilla(known: Panel, wanted: Panel, losses: Array) -> Array:
    """The losses (rows, wanted models) that a Chinchilla surface fitted to each row of `losses` forecasts."""
    sizes = {"n_params": known.n_params, "n_tokens": known.n_tokens}
    tables = [pd.DataFrame({**sizes, "value": row, "metric": "loss"}) for row in losses]
    at = {"n_params": wanted.n_params, "n_tokens": wanted.n_tokens}
    return np.stack([fit.predict(at) for fit in fit_many(tables, "chinchilla", replicates=0)])


@lru_cache(maxsize=1)
def ability(known: Panel, wanted: Panel) -> Places | None:
    """One ability behind all tasks: the first principal component of what the tasks share (arcsine scale), each task
    weighted by how many items it has; of wanted models as forecast over size (one ability, many benchmarks)."""
    if known.loss or len(known.tasks) < 3 or not np.isfinite(known.value).all():
        return None
    places = reducible_loss(known, wanted) or size(known, wanted)
    assert places is not None
    z = ARCSINE.of(known.value, known.n_items)
    z = (z - z.mean(axis=1, keepdims=True)) * np.sqrt(known.n_items / (known.n_items + 500.0))
    component = np.linalg.svd(z, full_matrices=False)[2][0]
    sign = np.sign(component @ (places[0][0] - places[0][0].mean())) or 1.0
    theta = sign * component[None] * np.std(places[0]) / np.std(component)
    found = mixture.forecast(*places, theta, np.full_like(theta, 1e-4), LOG)
    told = np.einsum("tk,tks->ts", found.weight, found.mean)
    return rescaled(known, theta, told)


def rescaled(known: Panel, seen: Array, told: Array) -> Places | None:
    """Places stretched so that the known models spread as far as in ln size."""
    spread = seen.std(axis=1, keepdims=True)
    if not (spread > 0).all():
        return None
    scale = max(float(known.size.std()), 1e-9) / spread
    return seen * scale, told * scale
