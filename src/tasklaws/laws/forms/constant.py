"""The null law: scale does not matter."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Inputs, Law, Parameter


@dataclass(frozen=True)
class Constant(Law):
    """level."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        value = theta[..., 0] + np.zeros_like(x[self.inputs[0]])
        return value, np.ones_like(value)[..., None]

    def natural(self, theta: Array, scale: Mapping[str, Array], level: Array) -> Array:
        return theta * np.asarray(level)[..., None]


CONSTANT = Constant(
    name="constant",
    formula="level",
    citation="none: the null hypothesis",
    inputs=("train_flops",),
    parameters=(Parameter("level", "value", 0.0, 1.0, linear=True, edge=(True, True)),),
    gives="any",
)
