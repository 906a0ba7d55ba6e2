"""The null law: scale does not matter."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Inputs, Law, Parameter


class Constant(Law):
    """level."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        value = theta[..., 0] + np.zeros_like(x[self.inputs[0]])
        return value, np.ones_like(value)[..., None]


CONSTANT = Constant(
    name="constant",
    formula="level",
    citation="none: the null hypothesis",
    inputs=("train_flops",),
    parameters=(Parameter("level", "value", 0.0, 1.0, linear=True, edge=(True, True)),),
    gives="any",
)
