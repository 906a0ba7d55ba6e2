"""The combination: methods weighted, and the interval scaled, by how they did at earlier origins of the same ladder.

At an origin the first rungs are known and later ones forecast. Every pair of an origin and a later rung within the
known rungs is a test that needs no held-out result. Pairs count by how alike their gap in ln size is to that of the
forecast in question, and by how recent they are."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.forecast.baselines import BASELINES, LOSS_BASELINES
from tasklaws.forecast.calibration import Test, drift, ladder_scale, least_width, predictive, task_scale
from tasklaws.forecast.company import in_company
from tasklaws.forecast.crowd import (
    CROWD,
    CROWD_BASELINES,
    beyond_tests,
    crowd_tests,
    is_crowd,
    joint,
    shared_errors,
    weigh,
)
from tasklaws.forecast.methods import LOSS_METHODS, METHODS, noise_share, predictions
from tasklaws.forecast.naive import RepeatLast
from tasklaws.forecast.panel import LEAST_RUNGS, Forecaster, Panel, Prediction, axis_of, size_gap
from tasklaws.forecast.revealed import Joint
from tasklaws.forecast.weighing import mix, weights_by_error
from tasklaws.stats.links import NODE_WEIGHTS, NODES, Link
from tasklaws.stats.predictive import Predictive
from tasklaws.stats.proportions import next_rung_variance

_ALIKE = 0.5  # standard deviation of ln (1 + gap) within which gaps are alike
_FADING = 0.92  # weight of a pair for each rung that it is older
_AHEAD = 3  # rungs ahead of an origin that count as tests of intervals


@dataclass(frozen=True, eq=False)
class Forecast:
    """The combined forecast of a target, each (tasks,) on the panel's link scale: `mean`, `sd` (without its own items),
    `noise` (sd of their sampling), `overlap` (sd by their sharing skills), `scale` by which calibration widens
    the interval, and `n_tests`, on how many earlier tests of the same ladder that rests; `weights` (methods, tasks) of
    `methods`."""

    mean: Array
    sd: Array
    noise: Array
    overlap: Array
    scale: Array
    weights: Array
    methods: tuple[str, ...]
    n_tests: int = 0

    @property
    def width(self) -> Array:
        """What stands for the standard deviation of the observation: a normal of it has the same 90% interval."""
        return np.asarray(self.scale * np.hypot(np.hypot(self.sd, self.noise), self.overlap))

    @property
    def sampling(self) -> Array:
        """The part of `width` that is the sampling of the target's own items, and their overlap."""
        return np.asarray(self.scale * np.hypot(self.noise, self.overlap))

    @property
    def equivalent_items(self) -> Array:
        """How many items of the task, asked of the wanted model itself, would tell its score as well: on the arcsine
        scale n items have a variance of 1 / n, whatever the score; of a loss, it is (loss / sd)^2."""
        return np.asarray(1 / np.maximum(self.width**2 - (self.scale * self.noise) ** 2, 1e-12))

    @property
    def widening(self) -> Array:
        """By what factor overlap makes it wider."""
        return np.asarray(self.width / np.maximum(self.scale * np.hypot(self.sd, self.noise), 1e-12))

    def predictive(self, link: Link) -> Predictive:
        """The distribution of the observation."""
        return predictive(link, self.mean, self.width)


@dataclass(frozen=True, eq=False)
class History:
    """Predictions of the later models of a panel when only the first so many are known, each computed once.

    `pool` holds histories of all ladders in whose company the panel is, of their known models alone: their tests count
    with its own. `given` (tasks, models) are revealed scores of wanted models, NaN of the others: they say more of the
    model's other tasks, and are not forecast."""

    panel: Panel
    _predicted: dict[tuple[str, int], dict[str, Prediction]] = field(default_factory=dict)
    _combined: dict[tuple[int, int], Forecast] = field(default_factory=dict)
    _settled: dict[tuple[int, int], Forecast] = field(default_factory=dict)
    pool: tuple["History", ...] = ()
    given: Array | None = None
    _crowds: dict[int, bool] = field(default_factory=dict)
    _final: dict[tuple[int, int], Forecast] = field(default_factory=dict)

    def with_n_eff(self, n_eff: float) -> "History":
        """The same with items worth `n_eff` independent tasks, on which predictions of single methods do not depend."""
        panel = replace(self.panel, n_eff=np.full_like(self.panel.n_eff, n_eff))
        return replace(self, panel=panel, _combined={}, _settled={}, _final={})

    def arranged(self, panel: Panel, until: int) -> "History":
        """The same of a panel that holds some of these models, in another order behind the first `until`, which have
        the same results in both: predictions from no more than these stay."""
        place = {model: number for number, model in enumerate(self.panel.models)}
        kept = {}
        for (kind, origin), found in self._predicted.items():
            if origin <= until:
                columns = [place[model] - origin for model in panel.models[origin:]]
                kept[kind, origin] = {name: one.of(columns) for name, one in found.items()}
        return History(panel, kept)

    def known(self, origin: int) -> Panel:
        """The first `origin` models."""
        return self.panel.select(np.arange(origin))

    def by_method(self, origin: int) -> dict[str, Prediction]:
        """Predictions of all models from number `origin` on, by each method that the table allows."""
        return self._predict("methods", origin, forecasters(self.panel) if origin >= LEAST_RUNGS else (RepeatLast(),))

    def by_crowd_method(self, origin: int) -> dict[str, Prediction]:
        """The same by the methods for models of many families; where the panel has company, by its own curves too."""
        own = self.by_method(origin) if self.panel.company is not None and origin >= LEAST_RUNGS else {}
        return self._predict("crowd", origin, CROWD) | own

    def in_use(self, origin: int) -> dict[str, Prediction]:
        """Predictions by the methods that `combined_forecast` combines."""
        return self.by_crowd_method(origin) if self.is_crowd(origin) else self.by_method(origin)

    def is_crowd(self, origin: int) -> bool:
        """Whether the first `origin` models are of many families, or some scores of wanted models are revealed."""
        if origin not in self._crowds:
            self._crowds[origin] = self.given is not None or is_crowd(self.known(origin))
        return self._crowds[origin]

    def by_baseline(self, origin: int) -> dict[str, Prediction]:
        """The same by each baseline that the table allows; all but repeat_last have no part in the combination."""
        usual = LOSS_BASELINES if self.panel.loss else BASELINES
        return self._predict("baselines", origin, CROWD_BASELINES if self.is_crowd(origin) else usual)

    def _predict(self, kind: str, origin: int, of: Sequence[Forecaster]) -> dict[str, Prediction]:
        """From the first `origin` models and the later ones' sizes."""
        if (kind, origin) not in self._predicted:
            later = self.panel.select(np.arange(origin, len(self.panel.models))).without_results()
            self._predicted[kind, origin] = predictions(of, self.known(origin), later)
        return self._predicted[kind, origin]

    def combined(self, origin: int, target: int) -> Forecast:
        """The combination before its interval is scaled."""
        if (origin, target) not in self._combined:
            self._combined[origin, target] = combine(self, origin, target)
        return self._combined[origin, target]

    def settled(self, origin: int, target: int) -> Forecast:
        """The combination as other ladders would have it calibrated."""
        if (origin, target) not in self._settled:
            self._settled[origin, target] = settled_forecast(self, origin, target)
        return self._settled[origin, target]

    def final(self, origin: int, target: int) -> Forecast:
        """The combination as `combined_forecast` gives it."""
        if (origin, target) not in self._final:
            self._final[origin, target] = _calibrated(self, origin, target)
        return self._final[origin, target]

    def joint(self, origin: int, target: int) -> Joint:
        """Of many families, what is said of all tasks of a model at once (`joint_forecast`)."""
        return joint_forecast(self, origin, target)

    def residual(self, target: int, found: Forecast) -> Array:
        """How far the target's known values lie above a forecast of it, on the link scale."""
        return np.asarray(self.panel.link.of(self.panel.value[:, target], np.inf) - found.mean)


def histories(panels: Sequence[tuple[Panel, int]]) -> list[History]:
    """A history of each panel of a table, of which so many first models are known, those of few sizes in the company
    of the other ladders' known models (`in_company`)."""
    by_size = all(axis_of(panel) == "size" for panel, _ in panels)  # by date, others' known models may be later ones
    beside = in_company(panels) if by_size else [panel for panel, _ in panels]
    known = [
        History(panel.select(np.arange(count)))
        for panel, (_, count) in zip(beside, panels, strict=True)
        if panel.company is not None
    ]
    pools = {loss: tuple(one for one in known if one.panel.loss == loss) for loss in (False, True)}
    return [History(panel, pool=pools[panel.loss] if panel.company is not None else ()) for panel in beside]


def forecasters(panel: Panel) -> Sequence[Forecaster]:
    return (*(LOSS_METHODS if panel.loss else METHODS), RepeatLast())


def sampling(known: Panel) -> Array:
    """Standard deviation of a new value's sampling on the link scale, by task; as the known models' items say, of which
    the new model answers the same. Where their number is bounded by how models scatter, which shows but what differs
    between them, that is all of it."""
    items = np.where(np.isfinite(known.value), known.items, np.nan)
    found = np.full(len(items), np.nan)
    found[known.asked] = 1 / np.sqrt(np.nanmedian(items[known.asked], axis=1))
    bounded = ~np.isfinite(known.n_items).any(axis=1) & ~np.isfinite(known.checkpoint_noise).any(axis=1)
    return np.where(bounded & (not known.loss), found, found * np.sqrt(noise_share(known)))


def _latest(cells: Array) -> Array:
    """Of each task the entry of the largest model that has one, shape (tasks,); NaN where none has."""
    last = cells.shape[1] - 1 - np.argmax(np.isfinite(cells)[:, ::-1], axis=1)
    return np.asarray(cells[np.arange(len(cells)), last])


def panel_design_effect(known: Panel) -> Array:
    """Items by the number of independent tasks that they are worth (Kish 1965), of each task, as the largest known
    model that says one has it; 1, independent items, where none does."""
    found = _latest(known.items / known.n_eff)
    return np.where(np.isfinite(found), np.maximum(found, 1.0), 1.0)


def overlap_sd(known: Panel, mean: Array, sd: Array) -> Array:
    """Standard deviation that overlap adds to forecasts N(mean, sd^2) of the next rung, (tasks,), on the link scale.

    Which tasks are learned next is drawn from n_eff of them and not from n_items: `next_rung_variance` at n_eff less
    that at n_items, given that the same items had the last known value. It is averaged over what the forecast holds
    possible: at the predicted value alone it would be 0 where that repeats the last one, as if nothing could change. A
    standard deviation s at a value p goes to the link by the chord from p - s to p + s inside [0, 1], as the link's
    slope has no bound at 0 and 1."""
    effect = panel_design_effect(known)
    if (effect == 1).all():
        return np.zeros(len(mean))
    last = _latest(known.value)[:, None]
    spare = (effect - 1) / _latest(known.items)  # 1 / n_eff - 1 / n_items
    value = known.link.inverse(mean[:, None] + sd[:, None] * NODES)
    spread = np.sqrt(next_rung_variance(last, value, 1.0) * spare[:, None])
    low, high = np.clip(value - spread, 0, 1), np.clip(value + spread, 0, 1)
    chord = (known.link.of(high, np.inf) - known.link.of(low, np.inf)) / np.where(high > low, high - low, 1.0)
    return np.asarray(np.sqrt((spread * chord) ** 2 @ (NODE_WEIGHTS / NODE_WEIGHTS.sum())))


def combine(history: History, origin: int, target: int) -> Forecast:
    """Forecast model number `target` from the first `origin`."""
    by_method = history.by_method(origin)
    names, place = tuple(by_method), target - origin
    mean = np.stack([by_method[name].mean[:, place] for name in names])
    spread = np.stack([by_method[name].sd[:, place] for name in names])
    weights = _method_weights(history, origin, target, names)
    middle, sd = mix(weights, mean, spread)
    known = history.known(origin)
    # A target among the known models is pinned by both its neighbours: overlap adds nothing.
    beyond = size_gap(history.panel, origin, target) > 0
    overlap = overlap_sd(known, middle, sd) if beyond else np.zeros_like(middle)
    return Forecast(middle, sd, sampling(known), overlap, np.ones_like(middle), weights, names)


def _pairs(panel: Panel, origin: int, target: int) -> Iterator[tuple[int, int, float]]:
    """(earlier origin, later rung, weight) of the tests that the first `origin` models allow, less the lightest."""
    here = np.log1p(size_gap(panel, origin, target))
    for start in filter(panel.is_origin, range(LEAST_RUNGS, origin)):
        for rung in range(start, origin):
            apart = (np.log1p(size_gap(panel, start, rung)) - here) / _ALIKE
            weight = float(np.exp(-0.5 * apart**2)) * _FADING ** (origin - 1 - rung)
            if weight >= 1e-3:
                yield start, rung, weight


def _method_weights(history: History, origin: int, target: int, names: tuple[str, ...]) -> Array:
    """Weights (methods, tasks): relative error to the minus _SHARPNESS, a task's own shrunk to that of all tasks."""
    panel = history.panel
    total = np.zeros((len(names), len(panel.tasks)))
    count = np.zeros(len(panel.tasks))
    for start, rung, weight in _pairs(panel, origin, target):
        by_method = history.by_method(start)
        if not all(name in by_method for name in names):
            continue
        value = panel.value[:, rung]
        guess = np.stack([by_method[name].mean[:, rung - start] for name in names])
        error = np.abs(guess - panel.link.of(value, np.inf) if panel.loss else panel.link.inverse(guess) - value)
        known = np.isfinite(error).all(axis=0)
        total[:, known] += weight * error[:, known]
        count += weight * known
    return weights_by_error(total, count)


def combined_forecast(history: History, origin: int, target: int) -> Forecast:
    """The combination with its mean moved by the ladder's drift, and its interval scaled task by task and so that it
    would have held 90% of the earlier tests of all tasks (`calibration`), but no narrower than a task's items allow."""
    return history.final(origin, target)


def _calibrated(history: History, origin: int, target: int) -> Forecast:
    if history.is_crowd(origin):
        found = _crowd_forecast(history, origin, target)
    else:
        settled = history.settled(origin, target)
        tests = interval_tests(history, origin, target, history.settled)
        found = replace(settled, scale=settled.scale * ladder_scale(tests), n_tests=len(tests))
    wider = least_width(history.known(origin)) / np.maximum(found.width, 1e-12)
    return replace(found, scale=found.scale * np.maximum(wider, 1.0))


def settled_forecast(history: History, origin: int, target: int) -> Forecast:
    """The combination with its mean moved by the ladder's drift and each task's interval scaled as other ladders say,
    before the factor of this ladder. Of losses other ladders say nothing; of fewer than LEAST_RUNGS models the last
    value is repeated, as surely as it is known over the known models' median stride, and less in proportion beyond."""
    found = history.combined(origin, target)
    if origin < LEAST_RUNGS:
        strides = np.diff(np.unique(history.panel.size[:origin]))
        stride = float(np.median(strides)) if len(strides) else 1.0
        return replace(found, scale=found.scale * max(1.0, size_gap(history.panel, origin, target) / stride))
    if history.panel.loss:
        return found
    tests = interval_tests(history, origin, target, history.combined)
    gap = size_gap(history.panel, origin, target)
    scale = task_scale(history.known(origin), found.sd, found.noise, gap, tests)
    return replace(found, mean=found.mean + drift(tests), scale=scale)


def interval_tests(
    history: History, origin: int, target: int, forecast_of: Callable[[int, int], Forecast]
) -> list[Test]:
    """What earlier forecasts of the next rungs, as `forecast_of` an origin and a rung gives them, were worth."""
    found = []
    for start, rung, weight in _pairs(history.panel, origin, target):
        if rung - start < _AHEAD:
            earlier = forecast_of(start, rung)
            found.append(Test(weight, history.residual(rung, earlier), earlier.width))
    return found


def _crowd_forecast(history: History, origin: int, target: int) -> Forecast:
    """The combination where models are of many families: methods weighed and intervals scaled by spaced tests, after
    the target's revealed scores. What scatters from model to model is in the methods' sd, the sampling of items too.
    Further than any test the interval widens in proportion: skills say that all tasks are solved by then, and how
    surely no known model shows."""
    by_method = history.by_crowd_method(origin)
    names, place = tuple(by_method), target - origin
    mean, sd = (np.stack([getattr(one, what)[:, place] for one in by_method.values()]) for what in ("mean", "sd"))
    given = np.full(len(history.panel.tasks), np.nan) if history.given is None else history.given[:, target]
    tests = crowd_tests(history, origin, target, names)
    found = weigh(history.panel, mean, sd, shared_errors(by_method, place), history.panel.link.of(given, np.inf), tests)
    none = np.zeros_like(found.mean)
    scale = np.full_like(none, found.scale * beyond_tests(history, origin, target))
    return Forecast(found.mean, found.sd, none, none, scale, found.weights, names, len(tests.weight))


def joint_forecast(history: History, origin: int, target: int) -> Joint:
    """The combination of all tasks of one model with what their errors have in common, for `Joint.given` and
    `Joint.ask_first`."""
    found = combined_forecast(history, origin, target)
    by_method = history.by_crowd_method(origin)
    shared = shared_errors(by_method, target - origin)
    return joint(found.mean, found.width, shared, crowd_tests(history, origin, target, tuple(by_method)))


def without(method: str, found: Forecast, history: History, known: int, target: int) -> Forecast:
    """The combination less one method, unless there is no other: the last rung says nothing of smaller models."""
    kept = [place for place, name in enumerate(found.methods) if name != method]
    if not kept:
        return found
    others = [history.in_use(known)[found.methods[place]] for place in kept]
    mean, sd = (np.stack([getattr(one, name)[:, target - known] for one in others]) for name in ("mean", "sd"))
    middle, spread = mix(found.weights[kept] / found.weights[kept].sum(axis=0), mean, sd)
    return replace(found, mean=middle, sd=spread)
