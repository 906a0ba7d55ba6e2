"""Power laws of one input: with a floor, without, and that of learning-curve theory."""

from dataclasses import replace

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import EXPONENT_STARTS, LOSS_FLOOR, Inputs, Law, Parameter, columns, stack

SCALE = Parameter("A", "value at input 1", 1e-8, 1e8, log=True, linear=True)
EXPONENT = Parameter("a", "1", 0.0, 4.0, EXPONENT_STARTS, shared=True, edge=(True, False))


class Power(Law):
    """E + A x^-a."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        floor, scale, exponent = columns(theta)
        log_x = np.log(x[self.inputs[0]])
        share = np.exp(-exponent * log_x)
        part = scale * share
        return floor + part, stack(np.ones_like(part), share, -log_x * part)


class PurePower(Law):
    """A x^-a."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        scale, exponent = columns(theta)
        log_x = np.log(x[self.inputs[0]])
        share = np.exp(-exponent * log_x)
        return scale * share, stack(share, -log_x * scale * share)


class LearningCurve(Law):
    """E + A n^-(a / (1 + a))."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        floor, scale, zipf = columns(theta)
        log_x = np.log(x[self.inputs[0]])
        share = np.exp(-self.exponent(theta) * log_x)
        part = scale * share
        return floor + part, stack(np.ones_like(part), share, -log_x * part / (1 + zipf) ** 2)

    def exponent(self, theta: Array) -> Array:
        zipf = theta[..., -1]
        return np.asarray(zipf / (1 + zipf))


POWER = Power(
    name="power",
    formula="E + A x^-a",
    citation="Kaplan et al. 2020, arXiv 2001.08361, eqs. 1.1-1.3; E: Henighan et al. 2020, arXiv 2010.14701, eq. 1.1",
    inputs=("train_flops",),
    parameters=(LOSS_FLOOR, SCALE, EXPONENT),
)
PURE_POWER = PurePower(
    name="pure_power",
    formula="A x^-a",
    citation="Kaplan et al. 2020, arXiv 2001.08361, eqs. 1.1-1.3",
    inputs=("train_flops",),
    parameters=(SCALE, EXPONENT),
)
LEARNING_CURVE = LearningCurve(
    name="learning_curve",
    formula="E + A n^-(a / (1 + a)), features having Zipf frequencies k^-(1 + a)",
    citation="Hutter 2021, arXiv 2102.04074 (Zipf-distributed features; E = 0)",
    inputs=("n_tokens",),
    parameters=(
        LOSS_FLOOR,
        SCALE,
        Parameter("a", "1", 1e-3, 100.0, (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0), log=True, shared=True),
    ),
)
M1 = replace(PURE_POWER, name="m1", citation="M1 of Alabdulmohsin et al. 2022, arXiv 2209.06640", inputs=("n_tokens",))
M2 = replace(POWER, name="m2", citation="M2 of Alabdulmohsin et al. 2022, arXiv 2209.06640", inputs=("n_tokens",))
