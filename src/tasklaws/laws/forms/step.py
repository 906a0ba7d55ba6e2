"""Shapes that no smooth rise explains: a step, and a turn."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import FIRST_LEVEL, LAST_LEVEL, Law, Parameter


def _step(x: Array, start: Array, end: Array, threshold: Array) -> tuple[Array, ...]:
    above = (x > threshold).astype(float)
    return start + (end - start) * above, 1 - above, above, np.zeros_like(above)


def _u_shape(x: Array, turn: Array, bend: Array, middle: Array) -> tuple[Array, ...]:
    away = np.log(x) - np.log(middle)
    return turn + bend * away**2, np.ones_like(away), away**2, -2 * bend * away / middle


STEP = Law(
    name="step",
    formula="start where x <= threshold, end where x > threshold; start is chance where that is known",
    citation="the claim that who can do one n can do all; discontinuity: Wei et al. 2022, arXiv 2206.07682",
    inputs=("train_flops",),
    parameters=(
        FIRST_LEVEL,
        LAST_LEVEL,
        Parameter("threshold", "input", 1.0, 1.0, tuple(np.linspace(0, 1, 62)[1:-1].tolist()), log=True, place=True),
    ),
    curve=_step,
    gives="any",
)
U_SHAPE = Law(
    name="u_shape",
    formula="turn + k ln(x / m)^2",
    citation="U-shaped scaling: Wei et al. 2023, arXiv 2211.02011 (without a formula: a parabola is the least)",
    inputs=("train_flops",),
    parameters=(
        Parameter("turn", "value", 0.0, 1.0, linear=True, edge=(True, True)),
        Parameter("k", "value / ln(input)^2", -10.0, 10.0, linear=True, signed=True),
        Parameter("m", "input", 0.1, 10.0, (0.0, 0.25, 0.5, 0.75, 1.0), log=True, place=True),
    ),
    curve=_u_shape,
    gives="any",
)
