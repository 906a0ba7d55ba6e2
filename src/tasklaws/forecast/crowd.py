"""Many families of models in one ladder, or beside it: their methods, and the tests by which these are weighed.

Of such a crowd any curve in size misses most: what differs is who made a model and when. It is recognised by what it
shows (`is_crowd`). Tests are forecasts of known models from earlier ones, as on any ladder, but origins are spaced, and
where a panel has company those of all its ladders count."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tasklaws.core.arrays import Array
from tasklaws.forecast.naive import BestSoFar, Chance, MedianOfLastFive, RepeatLast
from tasklaws.forecast.panel import Forecaster, Panel, Prediction, size_column, size_gap
from tasklaws.forecast.revealed import Joint
from tasklaws.forecast.skills import Skills, makers
from tasklaws.forecast.weighing import mix, weighted_quantile, weights_by_error
from tasklaws.stats.scores import LEVEL

if TYPE_CHECKING:
    from tasklaws.forecast.combine import History

CROWD: tuple[Forecaster, ...] = (Skills(), BestSoFar())
CROWD_BASELINES: tuple[Forecaster, ...] = (RepeatLast(), Chance(), BestSoFar(), MedianOfLastFive())
_FEWEST_MODELS = 10
_FEWEST_SCATTERED = 16
_SCATTERED = 0.25  # how far neighbours in size differ, as a share of how far any two models do
_MAKERS_NEEDED = 3
_MOST_ORIGINS = 12
_LEAST_ORIGIN = 3
_ALIKE_BY_DATE, _ALIKE_BY_SIZE = 0.2, 0.5  # standard deviation of ln (1 + gap) within which gaps are alike
_AS_FAR, _FURTHER = 12.0, 3.0  # weights go as relative error to the minus this, where tests reach as far, or less
_TEST_FADING = 2.0  # weight of a test goes as the share of the known models that it knew to the power of this
_MOST_LEVEL = 0.97  # that is asked of earlier tests, however few models made them
_WIDTH_BELIEF = 100.0  # weight of the belief that intervals are right as they are
_MOST_COMMON = 0.98  # of an error's variance that tasks have in common
_TIES = tuple(product((1.0, 2.0, 4.0, 8.0), (0.0, 0.2, 0.4, 0.6, 0.8)))
_TIED_TESTS = 40


def is_crowd(known: Panel) -> bool:
    """Whether the known models are of many families: they have company, only dates order them, _MAKERS_NEEDED makers or
    more have two models each and none has most of them, or models next to each other in size differ nearly as much as
    any.

    The last is von Neumann's ratio, the mean of (x_k+1 - x_k)^2 by twice the variance, x being what all tasks share:
    1 of models in random order, 0 of a smooth curve, and above _SCATTERED here of _FEWEST_SCATTERED or more. The
    checkpoints of one run are none."""
    if known.axis in ("n_tokens", "step"):
        return False
    if known.company is not None:
        return True
    if len(known.models) < _FEWEST_MODELS:
        return False
    counts = Counter(makers(known))
    several = sum(count > 1 for maker, count in counts.items() if maker)
    if size_column(known) == "date" or (several >= _MAKERS_NEEDED and 2 * max(counts.values()) < len(known.models)):
        return True
    if len(known.models) < _FEWEST_SCATTERED:
        return False
    z = known.link.of(known.value, np.inf)[known.asked]
    shared = np.linalg.svd(np.where(np.isfinite(z), z - np.nanmean(z, axis=1, keepdims=True), 0.0), full_matrices=False)
    moves = np.diff(shared[2][0])
    return bool((moves**2).mean() > 2 * _SCATTERED * shared[2][0].var())


@dataclass(frozen=True, eq=False)
class Tests:
    """Forecasts of known models from earlier ones, of the tasks of a panel: `mean` and `sd` (methods, tasks, tests),
    the outcomes `z` (tasks, tests) on the link scale, NaN where unknown, `shared` (tasks, tests, factors) as a share
    of the error's sd, and `weight` (tests,)."""

    mean: Array
    sd: Array
    z: Array
    shared: Array
    weight: Array


def crowd_tests(history: "History", origin: int, target: int, names: Sequence[str]) -> Tests:
    """All tests that the first `origin` models allow, of methods `names`; by how alike their gap is to the target's."""
    panel = history.panel
    here = np.log1p(size_gap(panel, origin, target))
    alike = _ALIKE_BY_DATE if size_column(panel) == "date" else _ALIKE_BY_SIZE
    parts: list[Tests] = []
    for other, start, end in _origins(history, origin):
        by_method = other.by_crowd_method(start)
        if not all(name in by_method for name in names):
            continue
        rungs = np.arange(start, end)
        apart = (np.log1p([size_gap(other.panel, start, int(rung)) for rung in rungs]) - here) / alike
        weight = np.exp(-0.5 * apart**2) * (start / max(end, 1)) ** _TEST_FADING
        some = np.flatnonzero(weight >= 1e-3)
        if len(some):
            rows = _places(panel, other.panel)
            parts.append(_tests(other, start, some, rows, weight[some], [by_method[name] for name in names]))
    return _together(parts, len(names), len(panel.tasks))


def beyond_tests(history: "History", origin: int, target: int) -> float:
    """How many times as far as any test the target lies beyond the known models, in ln size; at least 1."""
    gap = size_gap(history.panel, origin, target)
    tested = [size_gap(one.panel, start, end - 1) for one, start, end in _origins(history, origin)]
    return max(1.0, gap / max(tested)) if max(tested, default=0.0) > 0 else 1.0


def _origins(history: "History", origin: int) -> Iterator[tuple["History", int, int]]:
    """Histories, with an origin and how many of their models are known: of all ladders in company, else its own."""
    least = 1 if history.pool else _LEAST_ORIGIN
    for other, end in [(one, len(one.panel.models)) for one in history.pool] or [(history, origin)]:
        allowed = [start for start in range(least, end) if other.panel.is_origin(start)]
        step = 1
        while len(allowed[::step]) > _MOST_ORIGINS:  # a power of two, so that later origins use the same ones
            step *= 2
        yield from ((other, start, end) for start in allowed[::step])


def _places(panel: Panel, other: Panel) -> NDArray[np.intp]:
    """Of each of the panel's tasks its row in another one, -1 where that lacks it."""
    place = {pair: row for row, pair in enumerate(other.tasks)}
    return np.array([place.get(pair, -1) for pair in panel.tasks], dtype=np.intp)


def _tests(
    history: "History",
    start: int,
    places: NDArray[np.intp],
    rows: NDArray[np.intp],
    weight: Array,
    methods: Sequence[Prediction],
) -> Tests:
    """The tests of one origin: of the models `places` behind it, tasks in the order of `rows`."""

    def picked(cells: Array) -> Array:
        return np.where((rows >= 0).reshape(-1, *[1] * (cells.ndim - 1)), cells[rows][:, places], np.nan)

    value = picked(history.panel.value[:, start:])
    mean = np.stack([picked(one.mean) for one in methods])
    sd = np.stack([picked(one.sd) for one in methods])
    shared = next((one for one in methods if one.shared is not None), None)
    share = (
        np.zeros((*value.shape, 1))
        if shared is None or shared.shared is None
        else picked(shared.shared / shared.sd[..., None])
    )
    return Tests(mean, sd, history.panel.link.of(value, np.inf), share, weight)


def _together(parts: Sequence[Tests], n_methods: int, n_tasks: int) -> Tests:
    if not parts:
        empty = np.empty((n_methods, n_tasks, 0))
        return Tests(empty, empty, empty[0], np.empty((n_tasks, 0, 1)), np.empty(0))
    return Tests(
        np.concatenate([part.mean for part in parts], axis=2),
        np.concatenate([part.sd for part in parts], axis=2),
        np.concatenate([part.z for part in parts], axis=1),
        np.concatenate([part.shared for part in parts], axis=1),
        np.concatenate([part.weight for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class Weighed:
    """The mixture of methods, `mean` and `sd` (tasks,), `weights` (methods, tasks), and the interval's `scale`."""

    mean: Array
    sd: Array
    weights: Array
    scale: float


def shared_errors(by_method: dict[str, Prediction], place: int) -> Array:
    """What errors of tasks have in common, as a share of each error's sd, (tasks, factors); 0 where no method says."""
    for one in by_method.values():
        if one.shared is not None:
            return np.asarray(one.shared[:, place] / one.sd[:, place, None])
    return np.zeros((len(next(iter(by_method.values())).mean), 1))


def weigh(panel: Panel, mean: Array, sd: Array, shared: Array, given: Array, tests: Tests) -> Weighed:
    """Mix methods' forecasts `mean` and `sd` (methods, tasks) of one model, after its `given` values z (tasks,), by
    weights that its tests say, with the interval's scale that would have held 90% of what the tests' mixtures forecast.

    Of each test as many tasks as are given are revealed too, the same ones where it has them, so that methods are
    weighed, and intervals scaled, as they stand once so much is known."""
    seen = np.isfinite(given)
    test_mean, test_sd, z = tests.mean, tests.sd, tests.z
    if seen.any():
        ties = [_tie(tests, method) for method in range(len(mean))]
        mean, sd = _after(mean, sd, shared, ties, given)
        test_mean, test_sd, z = _tests_after(tests, ties, seen)
    there = np.isfinite(z) & np.isfinite(test_mean).all(axis=0)
    error = np.abs(_values(panel, test_mean) - _values(panel, z))
    total = np.where(there, error, 0.0) @ tests.weight
    further = size_column(panel) != "date" and panel.company is None
    weights = weights_by_error(total, there @ tests.weight, _FURTHER if further else _AS_FAR)
    middle, spread = mix(weights, mean, sd)
    test_middle, test_spread = mix(weights[:, :, None], test_mean, test_sd)
    off = (np.abs(z - test_middle) / test_spread)[there]
    counted = np.broadcast_to(tests.weight, there.shape)[there]
    believed = -ndtri((1 - (np.arange(50) + 0.5) / 50) / 2)
    off, counted = np.concatenate([believed, off]), np.concatenate([np.full(50, _WIDTH_BELIEF / 50), counted])
    level = _cautious(tests.weight[there.any(axis=0)]) if further else LEVEL
    scale = weighted_quantile(off, counted, level) / -ndtri((1 - LEVEL) / 2)
    return Weighed(np.where(seen, np.nan, middle), np.where(seen, np.nan, spread), weights, scale)


def _cautious(weight: Array) -> float:
    """The share of tests that intervals should have held where the forecast goes further than these did: LEVEL times
    1 + 1 / n, as conformal intervals from n exchangeable ones need (Vovk et al. 2005), n being how many models' worth
    of `weight` there is."""
    models = float(weight.sum()) ** 2 / max(float((weight**2).sum()), 1e-12)
    return min(LEVEL * (1 + 1 / max(models, 1.0)), _MOST_LEVEL)


def _values(panel: Panel, z: Array) -> Array:
    return z if panel.loss else panel.link.inverse(z)


def _tie(tests: Tests, method: int) -> tuple[float, float]:
    """How strongly a method's errors on tasks of one model go together: by what factor more than it says itself, and
    which part of each error's variance all tasks share besides; as likeliest in its heaviest tests."""
    heavy = np.argsort(-tests.weight, kind="stable")[:_TIED_TESTS]
    off = (tests.z - tests.mean[method]) / tests.sd[method]
    best, found = -np.inf, _TIES[0]
    for tie in _TIES:
        total = 0.0
        for index in heavy:
            there = np.isfinite(off[:, index])
            if there.sum() > 1:
                share = _shares(tests.shared[there, index], tie)
                total += tests.weight[index] * _likelihood(off[there, index], share)
        if total > best:
            best, found = total, tie
    return found


def _shares(shared: Array, tie: tuple[float, float]) -> Array:
    """Loadings (tasks, factors + 1) of errors of unit variance: `shared` (tasks, factors) times the first of `tie`,
    and what all tasks share, the second of it."""
    own = np.maximum(1 - (shared**2).sum(axis=1), 1 - _MOST_COMMON)
    stronger = tie[0] * shared
    size = np.sqrt(own + (stronger**2).sum(axis=1))
    both = np.sqrt(1 - tie[1]) * stronger / size[:, None]
    return np.hstack([both, np.full((len(shared), 1), np.sqrt(tie[1]))])


def _likelihood(off: Array, share: Array) -> float:
    """Log density of errors, but for a constant, their common variance being profiled out: with R = S S' + D,
    -(n ln(off' R^-1 off / n) + ln |R|) / 2."""
    own = np.maximum(1 - (share**2).sum(axis=1), 1 - _MOST_COMMON)
    inner = np.eye(share.shape[1]) + share.T @ (share / own[:, None])
    right = share.T @ (off / own)
    square = off @ (off / own) - right @ np.linalg.solve(inner, right)
    return float(
        -0.5 * (len(off) * np.log(max(square, 1e-12) / len(off)) + np.log(own).sum() + np.linalg.slogdet(inner)[1])
    )


def joint(mean: Array, sd: Array, shared: Array, tests: Tests) -> Joint:
    """Forecasts of one model, (tasks,), tied as the first method's errors were in its tests."""
    return _joint(mean, sd, shared, _tie(tests, 0))


def _joint(mean: Array, sd: Array, shared: Array, tie: tuple[float, float]) -> Joint:
    share = _shares(shared, tie)
    own = np.sqrt(np.maximum(1 - (share**2).sum(axis=1), 1 - _MOST_COMMON))
    return Joint(mean, sd * own, sd[:, None] * share)


def _after(
    mean: Array, sd: Array, shared: Array, ties: Sequence[tuple[float, float]], given: Array
) -> tuple[Array, Array]:
    """Methods' forecasts of one model, (methods, tasks), once some values are known."""
    each = zip(mean, sd, ties, strict=True)
    joints = [_joint(middle, width, shared, tie).given(given) for middle, width, tie in each]
    return np.stack([one.mean for one in joints]), np.stack([one.sd for one in joints])


def _tests_after(
    tests: Tests, ties: Sequence[tuple[float, float]], seen: NDArray[np.bool_]
) -> tuple[Array, Array, Array]:
    """The tests' means, sds and outcomes once as many tasks of each are revealed as are `seen`; outcomes that are
    revealed, and those of tests with no more tasks than that, are NaN."""
    mean, sd, z = tests.mean.copy(), tests.sd.copy(), tests.z.copy()
    count = int(seen.sum())
    order = np.argsort(~seen, kind="stable")
    for index in range(z.shape[1]):
        known = [row for row in order if np.isfinite(z[row, index]) and np.isfinite(mean[:, row, index]).all()]
        if len(known) <= count:
            z[:, index] = np.nan
            continue
        given = np.full(len(z), np.nan)
        given[known[:count]] = z[known[:count], index]
        mean[:, :, index], sd[:, :, index] = _after(
            mean[:, :, index], sd[:, :, index], np.nan_to_num(tests.shared[:, index]), ties, given
        )
        z[known[:count], index] = np.nan
    return mean, sd, z
