"""The single methods of forecasting: an axis of scale, and a link on which curves are about straight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.forecast.axes import Axis, ability, reducible_loss, size, task_loss, validation_loss
from tasklaws.forecast.panel import Forecaster, Panel, Prediction
from tasklaws.forecast.priors import kernel_shares
from tasklaws.stats import gaussian_process as mixture
from tasklaws.stats.links import ARCSINE, LOG, LOG_LOG, LOGIT, NODE_WEIGHTS, NODES, Link

_UNSHARED = 0.3  # share of sampling noise that models do not share, where there are no checkpoints
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Method:
    name: str
    axis: Axis
    link: Link

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None:
        """Forecast all tasks of `known` at the models of `wanted`; None where the table lacks what the axis needs."""
        places = self.axis(known, wanted)
        if places is None:
            return None
        z = self.link.of(known.value, known.items)
        noise = sampling_variance(known, self.link)
        found = mixture.predict_targets(*places, z, noise, self.link, kernel_shares(self.link))
        return _to_prediction(found, self.link, known.link)


METHODS = (
    Method("compute_logit", size, LOGIT),
    Method("compute_arcsine", size, ARCSINE),
    Method("compute_log_accuracy", size, LOG_LOG),
    Method("reducible_loss_logit", reducible_loss, LOGIT),
    Method("reducible_loss_arcsine", reducible_loss, ARCSINE),
    Method("validation_loss_logit", validation_loss, LOGIT),
    Method("validation_loss_arcsine", validation_loss, ARCSINE),
    Method("task_loss_logit", task_loss, LOGIT),
    Method("task_loss_arcsine", task_loss, ARCSINE),
    Method("ability_logit", ability, LOGIT),
    Method("ability_arcsine", ability, ARCSINE),
)
LOSS_METHODS = (
    Method("compute", size, LOG),
    Method("reducible_loss", reducible_loss, LOG),
    Method("validation_loss", validation_loss, LOG),
)


def sampling_variance(known: Panel, link: Link) -> Array:
    """Variance of known values on a link's scale by what of the sampling of items differs between models, (tasks,
    models)."""
    return np.asarray(noise_share(known)[:, None] * link.variance(_steadied(known), known.items))


def noise_share(panel: Panel) -> Array:
    """How much of the sampling noise of items differs from one model to the next, by task, shape (tasks,).

    Models answer the same items, so most of it is common to all. Late checkpoints show how much is not: their variance
    as a share of sampling's, averaged over models and two models' worth of the ladder's median."""
    ratio = panel.checkpoint_noise * panel.items
    known = np.isfinite(ratio)
    if not known.any():
        return np.full(len(panel.tasks), _UNSHARED)
    usual = max(float(np.median(ratio[known])), _LEAST_SHARE)
    share = (np.where(known, ratio, 0.0).sum(axis=1) + 2 * usual) / (known.sum(axis=1) + 2)
    return np.asarray(np.maximum(share, _LEAST_SHARE))


def predictions(forecasters: Sequence[Forecaster], known: Panel, wanted: Panel) -> dict[str, Prediction]:
    """Predictions by forecaster, of those that the table allows; NaN for tasks without observations, on which no other
    prediction depends."""
    asked = known.asked
    found: dict[str, Prediction] = {}
    if not asked.any():
        return found
    parts = known.of_tasks(asked), wanted.of_tasks(asked)  # the same for all: axes cache by them
    for forecaster in forecasters:
        some = forecaster(*parts)
        if some is not None:
            found[forecaster.name] = Prediction(
                _of_all(some.mean, asked),
                _of_all(some.sd, asked),
                None if some.shared is None else _of_all(some.shared, asked),
            )
    return found


def _of_all(of_asked: Array, asked: NDArray[np.bool_]) -> Array:
    """Rows of the tasks that were asked, among NaN for the others."""
    found = np.full((len(asked), *of_asked.shape[1:]), np.nan)
    found[asked] = of_asked
    return found


def _steadied(panel: Panel) -> Array:
    """Values at which to compute their sampling noise: shrunk towards the task's mean by 20 items, and half an item
    away from 0 and 1."""
    if panel.loss:
        return panel.value
    count = np.where(np.isfinite(panel.value), panel.items, np.nan)
    mean = (np.nansum(count * panel.value, axis=1, keepdims=True) + 0.5) / (np.nansum(count, 1, keepdims=True) + 1)
    inside = (panel.items * panel.value + 20 * mean) / (panel.items + 20)
    return np.asarray(np.clip(inside, 0.5 / panel.items, 1 - 0.5 / panel.items))


def _to_prediction(found: mixture.Mixture, link: Link, scale: Link) -> Prediction:
    """Mean and standard deviation of the mixture on the panel's own scale (Gauss-Hermite quadrature)."""
    mean, variance = np.empty((2, len(found.mean), found.mean.shape[2]))
    for row, weight in enumerate(found.weight):  # one by one, for the sake of memory
        z = found.mean[row, ..., None] + np.sqrt(found.variance[row])[..., None] * NODES
        value = z if link == scale else scale.of(link.inverse(z), np.inf)
        share = weight[:, None, None] * (NODE_WEIGHTS / NODE_WEIGHTS.sum())
        mean[row] = (share * value).sum(axis=(0, 2))
        variance[row] = (share * (value - mean[row, :, None]) ** 2).sum(axis=(0, 2))
    return Prediction(mean, np.sqrt(variance))
