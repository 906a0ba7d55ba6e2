"""Runs that are no part of the others' scatter about a law of losses, and the law without those that failed."""

from dataclasses import dataclass, replace

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.batch import HUBER, SQUARE, Batch, Mask, Problem
from tasklaws.laws.curve import FLOOR, Better, Points
from tasklaws.laws.optimise import run, search

FAR = 6.0  # robust standard deviations from the law, beyond which a point is an outlier
MOST_OUTLIERS = 1 / 3  # of the points: where more lie far off, it is the law that is wrong
_SUBSETS = 60  # of points, at which `trimmed` begins: if a third fail, one of six points has none with a chance of 9%
_CONCENTRATIONS = 5
_CLEARER = 0.5  # of the spread about the law: what a law through fewer points must come down to
MANY = 2_000  # points that it looks at, at the most, by taking every k-th


def outliers(residual: Array, n_parameters: int) -> Mask:
    """Which residuals of a log loss (n,) are no part of the others' scatter: those beyond FAR robust standard
    deviations and Huber's delta; none where more than MOST_OUTLIERS of them are.

    Fewer than three points more than parameters tell nothing."""
    far = np.asarray(np.abs(residual) > max(FAR * spread(residual, n_parameters), HUBER))
    return far if far.mean() <= MOST_OUTLIERS else np.zeros(len(residual), dtype=bool)


def spread(residual: Array, n_parameters: int) -> float:
    """The standard deviation of residuals, of which outliers tell little; infinite of fewer than three more points than
    parameters.

    A robust fit passes through about as many points as it has parameters, p; of the others it is 1.4826 times
    (1 + 5 / (n - p)) times the median size (Rousseeuw and Leroy 1987, Robust Regression, sec. 5.1, for points that are
    not passed through)."""
    spare = len(residual) - n_parameters
    if spare < 3:
        return np.inf
    return 1.4826 * (1 + 5 / spare) * float(np.median(np.sort(np.abs(residual))[n_parameters:]))


def without_outliers(
    batch: Batch, curves: list[Points], theta: Array, objective: Array, rested: Mask, weight: Array
) -> tuple[Array, Array, Mask, Array, Mask]:
    """The searches' ends of losses, searched anew without the outliers that are worse than the law, whose weights are
    0; and where all outliers are. A curve with a point farther on the worse side than the farthest of so many normal
    ones usually is, sqrt(2 ln n) standard deviations and one more, is also searched from the law of its best two
    thirds.

    Huber's loss lets a run that failed in a far corner still turn the law: such are the five of few tokens that
    Besiroglu et al. 2024 (arXiv 2404.10102) leave out. A run that is better than the law stays, pulling as Huber has
    it: no accident makes one so good, and the law may bend there."""
    theta, objective, rested, weight = theta.copy(), objective.copy(), rested.copy(), weight.copy()
    far = np.zeros_like(batch.real)
    for table, curve in enumerate(curves):
        one, size = batch.part(slice(table, table + 1), 1), len(curve.value)
        found = Trimmed(one, curve.better, weight[table].copy(), theta[table], objective[table], rested[table])
        if found.away()[:size].max() > max(HUBER, (1 + np.sqrt(2 * np.log(size))) * found.spread()):
            start = np.broadcast_to(trimmed(one, found.weight, theta[table, 0]), found.theta.shape)
            found, other = found.without_failed(), replace(found, theta=start).without_failed()
            found = other if other.spread() < _CLEARER * found.spread() else found
            theta[table], objective[table], rested[table] = found.theta, found.objective, found.rested
        far[table], weight[table] = found.far(), found.weight
    return theta, objective, rested, weight, far


@dataclass(frozen=True, eq=False)
class Trimmed:
    """A search's ends on one curve of losses, with the weights of its points, 0 for runs left out as failed."""

    one: Batch
    better: Better | None
    weight: Array
    theta: Array
    objective: Array
    rested: Mask

    def residual(self) -> Array:
        value = self.one.model(self.theta[:1], np.array([0]))[0][0]
        return np.asarray(np.log(self.one.target[0] / np.maximum(value, FLOOR)))

    def away(self) -> Array:
        """How far each point lies on the worse side of the law, 0 on the better."""
        return np.maximum(self.residual() * {"down": 1, "up": -1, None: 0}[self.better], 0.0)

    def spread(self) -> float:
        return spread(self.residual()[self.one.real[0]], self.theta.shape[1])

    def far(self) -> Mask:
        found = np.zeros(len(self.weight), dtype=bool)
        real = self.one.real[0]
        found[real] = outliers(self.residual()[real], self.theta.shape[1])
        return found

    def without_failed(self) -> "Trimmed":
        """Searched anew without the far points on the worse side, until these stay the same."""
        tried: list[list[bool]] = []
        found = self
        while True:
            failed = found.far() & (found.away() > 0)
            if failed.tolist() in tried:
                return found
            tried.append(failed.tolist())
            weight = np.where(failed, 0.0, self.weight)
            ends = search(self.one, weight[None])
            found = replace(self, weight=weight, theta=ends[0][0], objective=ends[1][0], rested=ends[2][0])


def trimmed(one: Batch, weight: Array, theta: Array) -> Array:
    """The coordinates of a law through the best two thirds of a curve's points, from random subsets just large enough
    to have a law, each drawn towards the points nearest to it (least trimmed squares: Rousseeuw and Van Driessen 2006,
    Data Mining and Knowledge Discovery 12, 29)."""
    stride = -(-len(weight) // MANY)
    one, weight = one.part(slice(None), stride), weight[::stride]
    real = np.flatnonzero(one.real[0] & (weight > 0))
    rng = np.random.default_rng(0)
    kept = np.zeros((_SUBSETS, len(weight)))
    order = rng.permuted(np.tile(real, (_SUBSETS, 1)), axis=1)[:, : len(theta) + 1]
    np.put_along_axis(kept, order, 1.0, axis=1)
    kept[0, real] = 1.0
    count = max(len(real) - int(len(real) * MOST_OUTLIERS), 1)
    own = np.zeros(_SUBSETS, dtype=np.intp)
    target = np.repeat(one.target, _SUBSETS, axis=0)
    ends = np.repeat(theta[None], _SUBSETS, axis=0)
    for _ in range(_CONCENTRATIONS):
        ends, _, _ = run(Problem(one, own, target, kept * weight, SQUARE), ends, iterations=30, tolerance=1e-6)
        size = np.abs(np.log(np.maximum(one.model(ends, own)[0], FLOOR) / target))
        size[:, np.setdiff1d(np.arange(len(weight)), real)] = np.inf
        nearest = np.sort(size, axis=1)[:, count - 1 : count]
        kept = (size <= nearest).astype(float)
    return np.asarray(ends[np.argmin((np.where(kept > 0, size, 0.0) ** 2).sum(axis=1))])
