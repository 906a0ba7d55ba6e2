"""A law: a formula with a citation, its parameters, its value and its gradient."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError

Inputs = Mapping[str, Array]
Gives = Literal["loss", "accuracy", "any"]
Role = Literal["", "chance", "above chance", "below chance", "exponent"]
AXES = ("train_flops", "n_params", "n_tokens")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law, and where it is searched. `Law.natural` says which units it knows.

    Bounds and starts hold where every input is divided by its geometric mean over the points and every loss by the
    largest one, so exponents and shares stay what they are and levels are shares of that loss. Those of a `place` (a
    value of that input) are factors of the smallest and largest input, and its starts are shares of the way between,
    in logs. A `linear` parameter has no starts: it is solved for. At a natural `edge` (lower, upper) the formula
    itself ends, so that a fit may lie there. `shared` parameters are the same for all ladders of one fit. `role` ties
    the bounds of a level to a task's chance, and keeps an exponent of an accuracy's error at 0 or above. The shape
    turns with the sign of a `signed` parameter, so that points which fit either sign do not determine it."""

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
    signed: bool = False


# An exponent of 0 is no edge: the input does not matter there, and the law says nothing of points that rise.
EXPONENT_STARTS = (0.01, 0.03, 0.1, 0.2, 0.35, 0.55, 0.8, 1.2, 1.8, 2.6)
# Parameters that several forms have: the loss that remains at any scale, and the levels between which a score rises.
LOSS_FLOOR = Parameter("E", "value", 0.0, 1.0, linear=True, edge=(True, True))
FIRST_LEVEL = Parameter("start", "value", 0.0, 1.0, linear=True, edge=(True, True), role="chance")
LAST_LEVEL = Parameter("end", "value", 0.0, 1.0, linear=True, edge=(True, True), role="above chance")


@dataclass(frozen=True)
class Law:
    """One functional form, vectorised over a leading axis of searches.

    Its `curve` takes the `inputs` and then the `parameters`, in their order, each of a shape that broadcasts to (m, n):
    m searches, n points. It returns the value and then the value's derivative by each parameter. A law `gives` a loss
    (any positive quantity), an accuracy, or either; a law of losses serves for accuracies by way of the error:
    accuracy = 1 - min(law, 1 - chance)."""

    name: str
    formula: str
    citation: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    curve: Callable[..., tuple[Array, ...]]
    gives: Gives = "loss"
    exponent: Callable[..., Array] = lambda *theta: theta[-1]
    """Of the parameters, that of 1 / input beside one that is a level "at input 1"."""
    to_units: Callable[..., tuple[Array, ...]] | None = None
    """What `natural` does where parameters do not change units one by one: of level, inputs' scales, parameters."""

    @property
    def one_axis(self) -> bool:
        """Whether the law is of any one axis."""
        return len(self.inputs) == 1 and self.inputs[0] in AXES

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        """Values (m, n) and their gradient (m, n, p) for parameters `theta` (m, 1 or n, p), each of whose n points
        may have its own, at inputs of shape (n) or (m, n)."""
        curve = self.curve(*(x[name] for name in self.inputs), *np.moveaxis(theta, -1, 0))
        value, *slopes = np.broadcast_arrays(*curve)
        return value, np.stack(slopes, axis=-1)

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        """The parameters `theta` (..., p) that hold where inputs are divided by `scale` and values by `level`, in the
        units of the inputs and values themselves: here by each parameter's unit, for laws of one input."""
        scales, parts = [scale[name] for name in self.inputs], [*np.moveaxis(theta, -1, 0)]
        if self.to_units is not None:
            return np.stack(np.broadcast_arrays(*self.to_units(level, *scales, *parts)), axis=-1)
        axis, exponent = scales[0], self.exponent(*parts)
        for index, parameter in enumerate(self.parameters):
            match parameter.unit:
                case "value" | "value / ln(input)^2":
                    parts[index] = parts[index] * level
                case "value at input 1" | "1 at input 1":
                    parts[index] = parts[index] * level * axis**exponent
                case "input" | "loss":
                    parts[index] = parts[index] * axis
                case "1 / input" | "1 / loss":
                    parts[index] = parts[index] / axis
                case "1" | "1 / ln input" | "ln input" | "accuracy" | "error":
                    pass
                case unit:
                    raise TasklawsError(f"law {self.name}: {parameter.name} has the unit {unit!r}: say what it becomes")
        return np.stack(np.broadcast_arrays(*parts), axis=-1)

    def on(self, axis: str) -> Self:
        """The same law of another axis; a law that is not of one axis alone raises TasklawsError."""
        if axis not in AXES:
            raise TasklawsError(f"axis {axis!r}: choose one of {', '.join(AXES)}")
        if not self.one_axis:
            raise TasklawsError(f"law {self.name} is of {', '.join(self.inputs)}: it takes no axis")
        return replace(self, inputs=(axis,))
