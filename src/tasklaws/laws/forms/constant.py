"""The null law: scale does not matter."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Law, Parameter


def _level_at(x: Array, level: Array) -> tuple[Array, ...]:
    value = level + np.zeros_like(x)
    return value, np.ones_like(value)


CONSTANT = Law(
    name="constant",
    formula="level",
    citation="none: the null hypothesis",
    inputs=("train_flops",),
    parameters=(Parameter("level", "value", 0.0, 1.0, linear=True, edge=(True, True)),),
    curve=_level_at,
    gives="any",
)
