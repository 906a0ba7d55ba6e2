"""Power laws of one input: with a floor, without, and that of learning-curve theory."""

from dataclasses import replace

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import EXPONENT_STARTS, LOSS_FLOOR, Law, Parameter

SCALE = Parameter("A", "value at input 1", 1e-8, 1e8, log=True, linear=True)
_RISING_STARTS = tuple(-start for start in EXPONENT_STARTS)
EXPONENT = Parameter("a", "1", -4.0, 4.0, EXPONENT_STARTS + _RISING_STARTS, shared=True, role="exponent")
_FALLING = replace(EXPONENT, lower=0.0, starts=EXPONENT_STARTS)


def _power(x: Array, floor: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    log_x = np.log(x)
    share = np.exp(-exponent * log_x)
    part = scale * share
    return floor + part, np.ones_like(part), share, -log_x * part


def _pure_power(x: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    log_x = np.log(x)
    share = np.exp(-exponent * log_x)
    return scale * share, share, -log_x * scale * share


def _saturating(x: Array, ceiling: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    log_x = np.log(x)
    share = np.exp(-exponent * log_x)
    return ceiling - scale * share, np.ones_like(share), -share, log_x * scale * share


def _learning_exponent(zipf: Array) -> Array:
    return np.asarray(zipf / (1 + zipf))


def _learning_curve(x: Array, floor: Array, scale: Array, zipf: Array) -> tuple[Array, ...]:
    *found, by_exponent = _power(x, floor, scale, _learning_exponent(zipf))
    return *found, by_exponent / (1 + zipf) ** 2


POWER = Law(
    name="power",
    formula="E + A x^-a; a is negative where the value rises",
    citation="Kaplan et al. 2020, arXiv 2001.08361, eqs. 1.1-1.3; E: Henighan et al. 2020, arXiv 2010.14701, eq. 1.1",
    inputs=("train_flops",),
    parameters=(LOSS_FLOOR, SCALE, EXPONENT),
    curve=_power,
)
PURE_POWER = Law(
    name="pure_power",
    formula="A x^-a; a is negative where the value rises",
    citation="Kaplan et al. 2020, arXiv 2001.08361, eqs. 1.1-1.3",
    inputs=("train_flops",),
    parameters=(SCALE, EXPONENT),
    curve=_pure_power,
)
SATURATING = Law(
    name="saturating",
    formula="E - A x^-a: rises to the ceiling E",
    citation="none: the power law with a floor, turned round",
    inputs=("train_flops",),
    parameters=(Parameter("E", "value", 0.0, 100.0, linear=True), SCALE, _FALLING),
    curve=_saturating,
    gives="any",
)
LEARNING_CURVE = Law(
    name="learning_curve",
    formula="E + A n^-(a / (1 + a)), features having Zipf frequencies k^-(1 + a)",
    citation="Hutter 2021, arXiv 2102.04074 (Zipf-distributed features; E = 0)",
    inputs=("n_tokens",),
    parameters=(
        LOSS_FLOOR,
        SCALE,
        Parameter("a", "1", 1e-3, 100.0, (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0), log=True, shared=True),
    ),
    curve=_learning_curve,
    exponent=lambda floor, scale, zipf: _learning_exponent(zipf),
)
_SOURCE = "of Alabdulmohsin et al. 2022, arXiv 2209.06640"  # of curves that fall
M1 = replace(
    PURE_POWER,
    name="m1",
    formula="A x^-a",
    citation=f"M1 {_SOURCE}",
    inputs=("n_tokens",),
    parameters=(SCALE, _FALLING),
)
M2 = replace(
    POWER,
    name="m2",
    formula="E + A x^-a",
    citation=f"M2 {_SOURCE}",
    inputs=("n_tokens",),
    parameters=(LOSS_FLOOR, SCALE, _FALLING),
)
