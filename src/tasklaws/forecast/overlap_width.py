"""What overlap adds to a forecast's interval: items that share skills are worth fewer tasks than they are."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.panel import Panel
from tasklaws.overlap.widening import next_rung_variance
from tasklaws.stats.links import NODE_WEIGHTS, NODES


def latest(cells: Array) -> Array:
    """Of each task the entry of the largest model that has one, shape (tasks,); NaN where none has."""
    seen = np.isfinite(cells)
    last = seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)
    return np.asarray(cells[np.arange(len(cells)), last])


def design_effect(known: Panel) -> Array:
    """Items by the number of independent tasks that they are worth (Kish 1965), of each task, as the largest known
    model that says one has it; 1, independent items, where none does."""
    found = latest(known.n_items / known.n_eff)
    return np.where(np.isfinite(found), np.maximum(found, 1.0), 1.0)


def overlap_sd(known: Panel, mean: Array, sd: Array) -> Array:
    """Standard deviation that overlap adds to forecasts N(mean, sd^2) of the next rung, (tasks,), on the link scale.

    Which tasks are learned next is drawn from n_eff of them and not from n_items: `next_rung_variance` at n_eff less
    that at n_items, given that the same items had the last known value. It is averaged over what the forecast holds
    possible: at the predicted value alone it would be 0 where that repeats the last one, as if nothing could change. A
    standard deviation s at a value p goes to the link by the chord from p - s to p + s inside [0, 1], as the link's
    slope has no bound at 0 and 1.
    """
    effect = design_effect(known)
    if (effect == 1).all():
        return np.zeros(len(mean))
    last = latest(known.value)[:, None]
    spare = (effect - 1) / latest(known.n_items)  # 1 / n_eff - 1 / n_items
    value = known.link.inverse(mean[:, None] + sd[:, None] * NODES)
    spread = np.sqrt(next_rung_variance(last, value, 1.0) * spare[:, None])
    low, high = np.clip(value - spread, 0, 1), np.clip(value + spread, 0, 1)
    chord = (known.link.of(high, np.inf) - known.link.of(low, np.inf)) / np.where(high > low, high - low, 1.0)
    return np.asarray(np.sqrt((spread * chord) ** 2 @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())))
