"""Many curves under one law, in the coordinates that a search moves."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.curve import FLOOR, Kind, Points
from tasklaws.laws.law import Law
from tasklaws.laws.status import LossFunction
from tasklaws.stats.links import half_item_away

SQUARE = 1e6  # a Huber delta that no residual reaches
UNDERTUNED = 0.3  # of a run's weight that one worse than the law has in a one-sided fit
HUBER = 1e-3  # where Huber's loss of log losses turns from square to linear: Hoffmann et al. 2022, sec. 3.3
Evaluation = tuple[Array, Array, Array]  # objective (m), its gradient (m, p), its approximate curvature (m, p, p)


def deviance(
    value: Array, gradient: Array, target: Array, weight: Array, n_items: Array, curved: bool = True
) -> Evaluation:
    """Binomial deviance / 2, summed over points: 0 for a perfect fit; fractional successes are weighted ones.

    Both sides are half an item away from 0 and 1, as n items cannot show a probability of 0 or 1 (Jeffreys)."""
    shrink = n_items / (n_items + 1)
    seen, model = half_item_away(target, n_items), half_item_away(value, n_items)
    terms = xlogy(seen, seen / model) + xlogy(1 - seen, (1 - seen) / (1 - model))
    precision = weight * n_items / (model * (1 - model))
    return assemble(
        weight * n_items * terms, precision * shrink * (model - seen), precision * shrink**2, gradient, curved
    )


Sides = tuple[float, float]  # the weights of a point above the law, and of one below it


def huber_log(
    value: Array,
    gradient: Array,
    target: Array,
    weight: Array,
    delta: float,
    curved: bool = True,
    sides: Sides = (1.0, 1.0),
) -> Evaluation:
    """Huber loss of ln(value / target), summed over points: a mean would be so small that optimisers stop early
    (Besiroglu et al. 2024, arXiv 2404.10102, appendix). Unequal `sides` make it an expectile's near 0 and a quantile's
    beyond `delta`, of rank below / (above + below) (Newey and Powell 1987, Econometrica 55, 819)."""
    inside = np.maximum(value, FLOOR)
    residual = np.log(inside / target)
    if sides[0] != sides[1]:
        weight = weight * np.where(residual < 0, *sides)
    bounded = np.clip(residual, -delta, delta)
    terms = weight * bounded * (residual - bounded / 2)
    slope = (value > FLOOR) / inside
    stiffness = weight * (delta / np.maximum(np.abs(residual), delta)) * slope**2 if curved else slope
    return assemble(terms, weight * bounded * slope, stiffness, gradient, curved)


def assemble(terms: Array, first: Array, second: Array, gradient: Array, curved: bool) -> Evaluation:
    """The sums over points; the curvature is left empty where it is not wanted."""
    pull = np.matmul(first[:, None, :], gradient)[:, 0]
    if not curved:
        return terms.sum(axis=1), pull, np.empty((len(pull), 0, 0))
    scaled = gradient * second[..., None]
    return terms.sum(axis=1), pull, np.matmul(scaled.transpose(0, 2, 1), gradient)


Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Batch:
    """T curves of one law, kind and number of ladders, padded to n points of which `real` marks the true ones.

    Inputs are divided by their geometric mean and losses by the largest, curve by curve (`scale`, `level`). Search
    coordinates are the law's parameters in those units, logged where the parameter says so; ladders share some and
    have their own of the others: `place[g, k]` is the coordinate of ladder g's parameter k, of P in all. `bounds`
    have shape (T, 2, P)."""

    law: Law
    kind: Kind
    n_ladders: int
    x: dict[str, Array]
    target: Array
    n_items: Array
    real: Mask
    ladder: Rows
    chance: tuple[float | None, ...]
    scale: dict[str, Array]
    level: Array
    bounds: Array
    delta: float = HUBER
    sides: Sides = (1.0, 1.0)

    @classmethod
    def of(cls, law: Law, curves: list[Points], loss_function: LossFunction = "huber") -> "Batch":
        """The batch of curves that all have the same kind, number of ladders and better side; `one_sided` lets points
        on the worse side of a law of losses count UNDERTUNED."""
        kind, n_ladders = curves[0].kind, len(curves[0].ladders)
        scale = {name: np.array([np.exp(np.log(curve.x[name]).mean()) for curve in curves]) for name in law.inputs}
        level = np.array([curve.value.max() if kind == "loss" else 1.0 for curve in curves])
        own = {name: [curve.x[name] / size for curve, size in zip(curves, scale[name], strict=True)] for name in scale}
        first = own[law.inputs[0]]
        bounds = np.array([curve_bounds(law, kind, curve.chance, x) for curve, x in zip(curves, first, strict=True)])
        return cls(
            law=law,
            kind=kind,
            n_ladders=n_ladders,
            x={name: pad(values, 1.0) for name, values in own.items()},
            target=pad([curve.value / top for curve, top in zip(curves, level, strict=True)], 1.0),
            n_items=pad([curve.n_items for curve in curves], 1.0),
            real=pad([np.ones(len(curve.value)) for curve in curves], 0.0) > 0,
            ladder=pad([curve.ladder.astype(float) for curve in curves], 0.0).astype(np.intp),
            chance=tuple(curve.chance for curve in curves),
            scale=scale,
            level=level,
            bounds=bounds[:, :, places(law, n_ladders)[1]],
            delta=SQUARE if loss_function == "squares" else HUBER,
            sides=worse_side(curves[0]) if loss_function == "one_sided" else (1.0, 1.0),
        )

    def part(self, one: slice, stride: int) -> "Batch":
        """Some of the curves, of every `stride`-th point."""
        points = slice(None, None, stride)
        by_point = {name: getattr(self, name)[one, points] for name in ("target", "n_items", "real", "ladder")}
        by_curve = {name: getattr(self, name)[one] for name in ("chance", "level", "bounds")}
        x = {name: values[one, points] for name, values in self.x.items()}
        scale = {name: values[one] for name, values in self.scale.items()}
        return replace(self, x=x, scale=scale, **by_point, **by_curve)

    def problem(self, tables: Rows, weight: Array) -> "Problem":
        """The objective of searches on the own values of the curves `tables`, points weighted by `weight` (T, n)."""
        return Problem(self, tables, self.target[tables], (weight * self.real)[tables], self.delta)

    def parameters(self, theta: Array) -> Array:
        """Search coordinates (..., P) without their logs."""
        return np.where(self.logged, np.exp(np.where(self.logged, theta, 0.0)), theta)

    @cached_property
    def place(self) -> Rows:
        return places(self.law, self.n_ladders)[0]

    @cached_property
    def owner(self) -> Rows:
        """The parameter that each coordinate is of."""
        return places(self.law, self.n_ladders)[1]

    @cached_property
    def logged(self) -> Mask:
        return np.array([self.law.parameters[owner].log for owner in self.owner])

    @cached_property
    def linear(self) -> Mask:
        return np.array([self.law.parameters[owner].linear for owner in self.owner])

    @cached_property
    def by_error(self) -> bool:
        """Whether the law gives the error of what is an accuracy."""
        return self.kind == "accuracy" and self.law.gives == "loss"

    @property
    def law_target(self) -> Array:
        return 1 - self.target if self.by_error else self.target

    def law_value(self, theta: Array, tables: Rows) -> tuple[Array, Array]:
        """What the formula gives, before it is turned into the metric: (m, n), and its gradient (m, n, P)."""
        parameters = self.parameters(theta)
        single = len(self.level) == 1
        x = {name: values[0] if single else values[tables] for name, values in self.x.items()}
        if self.n_ladders == 1:
            value, gradient = self.law.value(parameters[:, None, :], x)
        else:
            ladder = self.ladder[tables]
            own = np.take_along_axis(parameters[:, None, :], self.place[ladder], axis=2)
            value, by_parameter = self.law.value(own, x)
            gradient = np.zeros((*value.shape, len(self.owner)))
            np.put_along_axis(gradient, self.place[ladder], by_parameter, axis=2)
        gradient *= np.where(self.logged, parameters, 1.0)[:, None, :]
        return value, gradient

    def model(self, theta: Array, tables: Rows) -> tuple[Array, Array]:
        """The metric's value (m, n) and its gradient (m, n, P)."""
        value, gradient = self.law_value(theta, tables)
        if self.kind == "loss":
            return value, gradient
        if self.by_error:
            top = np.array([[1.0 - (chance or 0.0)] for chance in self.chance])[tables]  # the error of a guess
            return 1 - np.minimum(value, top), -gradient * (value < top)[..., None]
        return np.clip(value, 0.0, 1.0), gradient * ((value > 0) & (value < 1))[..., None]

    def natural(self, theta: Array, table: int) -> Array:
        """The law's parameters (..., ladders, p) in the units of the table."""
        scale = {name: values[table] for name, values in self.scale.items()}
        return self.law.natural(self.parameters(theta)[..., self.place], scale, self.level[table])


@dataclass(frozen=True, eq=False)
class Problem:
    """The objective of M searches: each of one curve of a batch, with targets and weights of its own."""

    batch: Batch
    tables: Rows
    target: Array
    weight: Array
    delta: float = HUBER

    def __call__(self, theta: Array, rows: Rows, curved: bool = True) -> Evaluation:
        value, gradient = self.batch.model(theta, self.tables[rows])
        target, weight = self.target[rows], self.weight[rows]
        if self.batch.kind == "loss":
            return huber_log(value, gradient, target, weight, self.delta, curved, self.batch.sides)
        return deviance(value, gradient, target, weight, self.batch.n_items[self.tables[rows]], curved)

    def part(self, rows: Rows) -> "Problem":
        return Problem(self.batch, self.tables[rows], self.target[rows], self.weight[rows], self.delta)


def worse_side(curve: Points) -> Sides:
    """The weights of a one-sided fit; of accuracies, and where nothing says which side is worse, raises
    TasklawsError."""
    if curve.kind == "accuracy":
        raise TasklawsError("a one-sided fit is of losses, and this is an accuracy: choose another loss function")
    if curve.better is None:
        raise TasklawsError(
            "which side of the law is undertuned? give the column higher_is_better (True or False), or a metric whose "
            "name says it, such as loss"
        )
    return (UNDERTUNED, 1.0) if curve.better == "down" else (1.0, UNDERTUNED)


def places(law: Law, n_ladders: int) -> tuple[Rows, Rows]:
    """The coordinate of each ladder's parameters (g, p), and the parameter of each coordinate (P)."""
    place = np.empty((n_ladders, len(law.parameters)), dtype=np.intp)
    owner: list[int] = []
    for index, parameter in enumerate(law.parameters):
        copies = 1 if parameter.shared else n_ladders
        place[:, index] = np.arange(len(owner), len(owner) + copies)
        owner += [index] * copies
    return place, np.array(owner, dtype=np.intp)


def curve_bounds(law: Law, kind: Kind, chance: float | None, x: Array) -> Array:
    """Bounds (2, p) of one curve's parameters, in search coordinates; `x` are its points in the law's first input."""
    found = []
    for parameter in law.parameters:
        low, high = parameter.lower, parameter.upper
        if parameter.place:
            low, high = low * x.min(), high * x.max()
        if parameter.role == "chance":
            low, high = (chance, chance) if chance is not None else (low, high if kind == "accuracy" else 3 * high)
        elif parameter.role == "exponent" and kind == "accuracy":
            low = 0.0  # an error that rises is inverse scaling, which has a law of its own
        elif parameter.role == "above chance" and chance is not None:
            low = chance
        elif parameter.role == "below chance" and chance is not None:
            high = chance
        found.append((np.log(low), np.log(high)) if parameter.log else (low, high))
    return np.array(found).T


def pad(parts: list[Array], filler: float) -> Array:
    width = max(map(len, parts))
    return np.array([np.concatenate([part, np.full(width - len(part), filler)]) for part in parts])
