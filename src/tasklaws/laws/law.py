"""A law: a formula with a citation, its parameters, its value and its gradient."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError

Inputs = Mapping[str, Array]
Gives = Literal["loss", "accuracy", "any"]
Role = Literal["", "chance", "above chance", "below chance"]
AXES = ("train_flops", "n_params", "n_tokens")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law, and where it is searched. `Law.natural` says which units it knows.

    Bounds and starts hold where every input is divided by its geometric mean over the points and every loss by the
    largest one, so exponents and shares stay what they are and levels are shares of that loss. Those of a `place` (a
    value of that input) are factors of the smallest and largest input, and its starts are shares of the way between,
    in logs. A `linear` parameter has no starts: it is solved for. At a natural `edge` (lower, upper) the formula
    itself ends, so that a fit may lie there. `shared` parameters are the same for all ladders of one fit. `role` ties
    the bounds of a level to a task's chance."""

    name: str
    unit: str
    lower: float
    upper: float
    starts: tuple[float, ...] = ()
    log: bool = False
    linear: bool = False
    shared: bool = False
    place: bool = False
    edge: tuple[bool, bool] = (False, False)
    role: Role = ""


EXPONENT_STARTS = (0.01, 0.03, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 2.6)
# Parameters that several forms have: the loss that remains at any scale, and the levels between which a score rises.
LOSS_FLOOR = Parameter("E", "value", 0.0, 1.0, linear=True, edge=(True, True))
FIRST_LEVEL = Parameter("start", "value", 0.0, 1.0, linear=True, edge=(True, True), role="chance")
LAST_LEVEL = Parameter("end", "value", 0.0, 1.0, linear=True, edge=(True, True), role="above chance")


@dataclass(frozen=True)
class Law(ABC):
    """One functional form, vectorised over a leading axis of searches.

    It `gives` a loss (any positive quantity), an accuracy, or either. A law of losses serves for accuracies by way of
    the error: accuracy = 1 - min(law, 1 - chance)."""

    name: str
    formula: str
    citation: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    gives: Gives = "loss"

    one_axis: ClassVar[bool] = True

    @abstractmethod
    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        """Values (m, n) and their gradient (m, n, p) for parameters `theta` (m, 1 or n, p), each of whose n points
        may have its own, at inputs of shape (n) or (m, n)."""

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        """The parameters `theta` (..., p) that hold where inputs are divided by `scale` and values by `level`, in the
        units of the inputs and values themselves: here by each parameter's unit, for laws of one input."""
        axis = scale[self.inputs[0]]
        parts = columns(theta)
        for index, parameter in enumerate(self.parameters):
            match parameter.unit:
                case "value" | "value / ln(input)^2":
                    parts[index] = parts[index] * level
                case "value at input 1" | "1 at input 1":
                    parts[index] = parts[index] * level * axis ** self.exponent(theta)
                case "input" | "loss":
                    parts[index] = parts[index] * axis
                case "1 / input" | "1 / loss":
                    parts[index] = parts[index] / axis
        return stack(*parts)

    def exponent(self, theta: Array) -> Array:
        """The exponent of 1 / input beside a parameter that is a level "at input 1": most laws' last parameter."""
        return theta[..., -1]

    def on(self, axis: str) -> Self:
        """The same law of another axis; a law that is not of one axis alone raises TasklawsError."""
        if axis not in AXES:
            raise TasklawsError(f"axis {axis!r}: choose one of {', '.join(AXES)}")
        if not self.one_axis:
            raise TasklawsError(f"law {self.name} is of {', '.join(self.inputs)}: it takes no axis")
        return replace(self, inputs=(axis,))


def columns(theta: Array) -> list[Array]:
    """The parameters one by one, each of shape (m, 1 or n)."""
    return [theta[..., index] for index in range(theta.shape[-1])]


def stack(*parts: Array) -> Array:
    """A gradient (m, n, p) from its parts, each broadcastable to (m, n)."""
    return np.stack(np.broadcast_arrays(*parts), axis=-1)
