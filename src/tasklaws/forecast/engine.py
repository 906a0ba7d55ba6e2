"""Forecasts as tables: one row a task and wanted model, and one for each method behind it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from tasklaws.core.arrays import Array
from tasklaws.forecast.combine import LEAST_RUNGS, Forecast, History, forecast, sampling
from tasklaws.forecast.overlap_width import design_effect
from tasklaws.forecast.panel import SIZES
from tasklaws.forecast.verdict import judge
from tasklaws.stats.links import Link
from tasklaws.tables import BACKTEST_FORECASTS, BACKTEST_METHODS

# Of each row also: the forecast on the scale on which it is normal, and what overlap of the items did to it.
ON_LINK = ["link_mean", "link_sd", "design_effect", "widening"]
LEVEL = 0.9
_REACH = float(norm.isf((1 - LEVEL) / 2))
BACKWARD = "; smaller than the largest known model: weights and interval rest on tests that look ahead"


def forecast_rows(
    history: History, origin: int, targets: Sequence[int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Forecasts of the models `targets` from the first `origin` of the history's panel (BACKTEST_FORECASTS, and
    ON_LINK), and what each method and baseline says of them (BACKTEST_METHODS).

    `observed` is what the panel holds, empty where unknown; nothing else of a row depends on it, but for `log_score`
    (nats, on the link scale). A task that no known model was asked has no row. `evidence` ends in BACKWARD where the
    wanted model is smaller than the largest known one.
    """
    rows: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for target in targets:
        enough = len(np.unique(history.panel.size[:origin])) >= LEAST_RUNGS
        found = forecast(history, origin, target)
        lower, predicted, upper = interval(history.panel.link, found.mean, found.width)
        half = (upper - lower) / 2 / (predicted if history.panel.loss else 1.0)
        known = history.panel.select(np.arange(origin))
        judgements = judge(known, half)
        on_link = np.column_stack([found.mean, found.width, design_effect(known), found.widening])
        key = common(history, origin, target)
        backward = BACKWARD if history.panel.size[target] < history.panel.size[:origin].max() else ""
        score = log_score(history, target, found.mean, found.width)
        items = equivalent_items(history.panel.link, predicted, found)
        for row, judgement in enumerate(judgements):
            if not np.isfinite(predicted[row]):
                continue
            rows.append(
                {
                    **key[row],
                    "predicted": predicted[row],
                    "lower": lower[row],
                    "upper": upper[row],
                    "observed": history.panel.value[row, target],
                    "verdict": judgement.verdict,
                    "method": "combination" if origin >= LEAST_RUNGS else "repeat_last",
                    "fit_status": "converged" if enough else "unidentified",
                    "equivalent_items": items[row],
                    "log_score": score[row],
                    "evidence": judgement.evidence + backward,
                    **dict(zip(ON_LINK, on_link[row], strict=True)),
                }
            )
        parts += method_rows(history, origin, target, found, key)
    return rows, parts


def common(history: History, origin: int, target: int) -> list[dict[str, Any]]:
    panel = history.panel
    sizes = {name: getattr(panel, name)[target] for name in SIZES}
    place = {"ladder": panel.ladder, "model": panel.models[target], "n_fit": origin}
    return [{**place, "task": task, "metric": metric, **sizes} for task, metric in panel.tasks]


def method_rows(
    history: History, origin: int, target: int, found: Forecast, key: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """What every single method and baseline says by itself, its interval not scaled by backtest."""
    told = history.rivals(origin) | history.at(origin)
    noise = sampling(history.panel, origin)
    weights = dict(zip(found.methods, found.weights, strict=True))
    rows = []
    place = target - origin
    for name, prediction in told.items():
        mean, width = prediction.mean[:, place], np.hypot(prediction.sd[:, place], noise)
        lower, predicted, upper = interval(history.panel.link, mean, width)
        score = log_score(history, target, mean, width)
        for row in np.flatnonzero(np.isfinite(predicted)):
            rows.append(
                {
                    **{column: key[row][column] for column in BACKTEST_FORECASTS.keys},
                    "method": name,
                    "weight": weights[name][row] if name in weights else 0.0,
                    "predicted": predicted[row],
                    "lower": lower[row],
                    "upper": upper[row],
                    "log_score": score[row],
                }
            )
    return rows


def interval(link: Link, mean: Array, width: Array) -> tuple[Array, Array, Array]:
    """Lower end, prediction and upper end on the scale of values."""
    return link.inverse(mean - _REACH * width), link.inverse(mean), link.inverse(mean + _REACH * width)


def log_score(history: History, target: int, mean: Array, width: Array) -> Array:
    """Log density of what was observed, normal on the link scale."""
    panel = history.panel
    seen = panel.link.of(panel.value[:, target], panel.n_items[:, target])
    return np.asarray(norm.logpdf(seen, mean, np.maximum(width, 1e-6)))


def equivalent_items(link: Link, predicted: Array, found: Forecast) -> Array:
    """How many items of the task, asked of the wanted model itself, would tell its score as well as the forecast does:
    on the arcsine scale n items have a variance of 1 / n, whatever the score; of a loss, (loss / sd)^2."""
    variance = found.width**2 - found.noise**2
    return np.asarray(1 / np.maximum(variance, 1e-12))


def to_tables(rows: list[dict[str, Any]], parts: list[dict[str, Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return BACKTEST_FORECASTS.frame(rows), BACKTEST_METHODS.frame(parts)
