"""The broken power law: power laws joined smoothly; its signs are free, so inverse and U shapes fit."""

import numpy as np
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Law, Parameter


def _joined(x: Array, floor: Array, scale: Array, first: Array, *breaks: Array) -> tuple[Array, ...]:
    log_x = np.log(x)
    log_share = -first * log_x
    slopes = []
    for change, place, width in zip(breaks[0::3], breaks[1::3], breaks[2::3], strict=True):
        away = (log_x - np.log(place)) / width
        bend = np.logaddexp(0, away)
        log_share = log_share - change * width * bend
        after = expit(away)
        slopes += [-width * bend, change * after / place, change * (away * after - bend)]
    share = np.exp(np.clip(log_share, -300, 300))
    part = scale * share
    return floor + part, np.ones_like(part), share, -log_x * part, *(slope * part for slope in slopes)


def broken_power(n_breaks: int) -> Law:
    """The law with `n_breaks` breaks."""
    breaks: list[Parameter] = []
    for number in range(1, n_breaks + 1):
        middle = number / (n_breaks + 1)
        breaks += [
            Parameter(f"c{number}", "1", -5.0, 5.0, (-0.3, 0.3), shared=True),
            Parameter(f"d{number}", "input", 0.1, 10.0, (middle - 0.2, middle + 0.2), log=True, place=True),
            Parameter(f"f{number}", "ln input", 0.02, 4.0, (0.3,), log=True, shared=True),
        ]
    return Law(
        name="broken_power" + f"_{n_breaks}" * (n_breaks > 1),
        formula="a + b x^-c0 prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i)",
        citation="Caballero et al. 2023, arXiv 2210.14891 (BNSL)",
        inputs=("train_flops",),
        parameters=(
            Parameter("a", "value", 0.0, 1.0, linear=True, edge=(True, True)),
            Parameter("b", "value at input 1", -1e4, 1e4, linear=True),
            Parameter("c0", "1", -5.0, 5.0, (-0.2, 0.05, 0.2, 0.6), shared=True),
            *breaks,
        ),
        curve=_joined,
        gives="any",
        exponent=lambda *theta: theta[2],
    )


BROKEN_POWER = broken_power(1)
BROKEN_POWER_2 = broken_power(2)
