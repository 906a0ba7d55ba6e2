"""The combination: methods weighted, and the interval scaled, by how they did at earlier origins of the same ladder.

At an origin the first rungs are known and later ones forecast. Every pair of an origin and a later rung within the
known rungs is a test that needs no held-out result. Pairs count by how alike their gap in ln size is to that of the
forecast at hand, and by how recent they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm

from tasklaws.core.arrays import Array
from tasklaws.forecast.baselines import RepeatLast, baselines
from tasklaws.forecast.methods import LOSS_METHODS, METHODS, ask, noise_share
from tasklaws.forecast.overlap_width import overlap_sd
from tasklaws.forecast.panel import Forecaster, Panel, Prediction

LEAST_RUNGS = 3  # fewer: only the last rung can be repeated
SHARPNESS = 6.0  # weights go as relative error to the minus this
OWN = 10.0  # a task's own errors count as much as all tasks' once it has this weight of pairs
EVEN = 2.0  # and equal weights as much as errors at this weight of pairs
ALIKE = 0.5  # standard deviation of ln (1 + gap) within which gaps are alike
_FADING = 0.92  # weight of a pair for each rung that it is older
BELIEF = 20.0  # weight of the belief that intervals are right as they are
LEAST_ERROR = 0.002  # two errors this far apart are hardly different


@dataclass(frozen=True, eq=False)
class Forecast:
    """The combined forecast, each (tasks, targets) on the panel's link scale: `mean`, `sd` (without the target's own
    items), `noise` (sd of their sampling), `overlap` (sd by their sharing skills), `scale` by which backtests widen the
    interval; `weights` (methods, tasks, targets) of `methods`; `n_tests` how many pairs stand behind them."""

    mean: Array
    sd: Array
    noise: Array
    overlap: Array
    scale: Array
    weights: Array
    methods: tuple[str, ...]
    n_tests: int

    @property
    def width(self) -> Array:
        """Standard deviation of what will be seen."""
        return np.asarray(self.scale * np.hypot(np.hypot(self.sd, self.noise), self.overlap))

    @property
    def widening(self) -> Array:
        """By what factor overlap makes it wider."""
        return np.asarray(self.width / (self.scale * np.hypot(self.sd, self.noise)))


@dataclass(frozen=True, eq=False)
class History:
    """What every method says of the later models of a panel when only the first so many are known."""

    panel: Panel
    _told: dict[int, dict[str, Prediction]] = field(default_factory=dict)
    _rivals: dict[int, dict[str, Prediction]] = field(default_factory=dict)
    _combined: dict[tuple[int, int], Forecast] = field(default_factory=dict)

    def with_n_eff(self, n_eff: float) -> "History":
        """The same with items worth `n_eff` independent tasks, on which what single methods say does not depend."""
        panel = replace(self.panel, n_eff=np.full_like(self.panel.n_eff, n_eff))
        return History(panel, self._told, self._rivals)

    def parts(self, origin: int) -> tuple[Panel, Panel]:
        """The first `origin` models, and all later ones without their results."""
        models = np.arange(len(self.panel.models))
        return self.panel.select(models[:origin]), self.panel.select(models[origin:]).without_results()

    def at(self, origin: int) -> dict[str, Prediction]:
        """Forecasts of all models from number `origin` on, by each method that the table allows."""
        if origin not in self._told:
            methods = forecasters(self.panel) if origin >= LEAST_RUNGS else (RepeatLast(),)
            self._told[origin] = ask(methods, *self.parts(origin))
        return self._told[origin]

    def rivals(self, origin: int) -> dict[str, Prediction]:
        """The same by each baseline that the table allows; all but repeat_last have no part in the combination."""
        if origin not in self._rivals:
            self._rivals[origin] = ask(baselines(self.panel), *self.parts(origin))
        return self._rivals[origin]

    def combined(self, origin: int, target: int) -> Forecast:
        """The combination before its interval is scaled."""
        if (origin, target) not in self._combined:
            self._combined[origin, target] = combine(self, origin, target)
        return self._combined[origin, target]


def forecasters(panel: Panel) -> Sequence[Forecaster]:
    return (*(LOSS_METHODS if panel.loss else METHODS), RepeatLast())


def sampling(panel: Panel, n_known: int) -> Array:
    """Standard deviation of a new value's sampling on the link scale, by task; as the known models' items say, of which
    the new model answers the same."""
    known = panel.select(np.arange(n_known))
    items = np.where(np.isfinite(known.value), known.n_items, np.nan)
    found = np.full(len(items), np.nan)
    found[known.asked] = 1 / np.sqrt(np.nanmedian(items[known.asked], axis=1))
    return np.asarray(found * np.sqrt(noise_share(known)))


def gap(panel: Panel, origin: int, target: int) -> float:
    """How far a target lies beyond the largest known model, in ln size."""
    return max(float(panel.size[target] - panel.size[:origin].max()), 0.0)


def combine(history: History, origin: int, target: int) -> Forecast:
    """Forecast model number `target` from the first `origin`."""
    panel = history.panel
    told = history.at(origin)
    names = tuple(told)
    place = target - origin
    mean = np.stack([told[name].mean[:, place] for name in names])
    spread = np.stack([told[name].sd[:, place] for name in names])
    weights, tests = method_weights(history, origin, target, names)
    middle = (weights * mean).sum(axis=0)
    sd = np.sqrt((weights * (spread**2 + (mean - middle) ** 2)).sum(axis=0))
    noise, overlap = sampling(panel, origin), overlapping(panel, origin, target, middle, sd)
    return Forecast(middle, sd, noise, overlap, np.ones_like(middle), weights, names, tests)


def overlapping(panel: Panel, origin: int, target: int, mean: Array, sd: Array) -> Array:
    """`overlap_sd` of a target beyond the known models; none of one among them, which both its neighbours pin."""
    if gap(panel, origin, target) == 0:
        return np.zeros_like(mean)
    return overlap_sd(panel.select(np.arange(origin)), mean, sd)


def pairs(panel: Panel, origin: int, target: int) -> list[tuple[int, int, float]]:
    """(earlier origin, later rung, weight) of the tests that the first `origin` models allow."""
    here = np.log1p(gap(panel, origin, target))
    found = []
    for start in range(LEAST_RUNGS, origin):
        for rung in range(start, origin):
            apart = (np.log1p(gap(panel, start, rung)) - here) / ALIKE
            found.append((start, rung, float(np.exp(-0.5 * apart**2)) * _FADING ** (origin - 1 - rung)))
    return found


def method_weights(history: History, origin: int, target: int, names: tuple[str, ...]) -> tuple[Array, int]:
    """Weights (methods, tasks): relative error to the minus SHARPNESS, a task's own shrunk to that of all tasks."""
    panel = history.panel
    total = np.zeros((len(names), len(panel.tasks)))
    count = np.zeros(len(panel.tasks))
    tests = 0
    for start, rung, weight in pairs(panel, origin, target):
        told = history.at(start)
        if weight < 1e-3 or not all(name in told for name in names):
            continue
        value = panel.value[:, rung]
        guess = np.stack([told[name].mean[:, rung - start] for name in names])
        error = (
            np.abs(guess - panel.link.of(value, np.inf)) if panel.loss else np.abs(panel.link.inverse(guess) - value)
        )
        seen = np.isfinite(error).all(axis=0)
        total[:, seen] += weight * error[:, seen]
        count += weight * seen
        tests += bool(seen.any())
    if not tests:
        return np.full_like(total, 1 / len(names)), 0
    error = total / np.maximum(count, 1e-12)
    relative = error / (error.mean(axis=0) + LEAST_ERROR)
    tested = count > 0
    of_all = np.average(relative[:, tested], axis=1, weights=count[tested])[:, None]
    score = (count * relative + OWN * of_all) / (count + OWN)
    score = (count * score + EVEN) / (count + EVEN)
    raw = np.maximum(score, 1e-3) ** -SHARPNESS
    return raw / raw.sum(axis=0), tests


def forecast(history: History, origin: int, target: int) -> Forecast:
    """The combination with its interval scaled so that it would have held 90% of the earlier tests of all tasks."""
    panel = history.panel
    found = history.combined(origin, target)
    sizes = norm.isf((1 - (np.arange(50) + 0.5) / 50) / 2)
    residuals, weights = [sizes], [np.full(50, BELIEF / 50)]
    for start, rung, weight in pairs(panel, origin, target):
        if weight < 1e-3 or rung - start > 2:
            continue
        earlier = history.combined(start, rung)
        off = np.abs(panel.link.of(panel.value[:, rung], panel.n_items[:, rung]) - earlier.mean) / earlier.width
        off = off[np.isfinite(off)]
        residuals.append(off)
        weights.append(np.full(len(off), weight))
    scale = weighted_quantile(np.concatenate(residuals), np.concatenate(weights), 0.9) / norm.isf(0.05)
    return replace(found, scale=np.full_like(found.mean, scale))


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, level)])
