"""M3 and M4 (M1 and M2 are the power laws): learning curves that bend at their start."""

import numpy as np
from scipy.special import expit, log_expit

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Law, Parameter

NEWTON_STEPS = 60
_LEAST_LOSS = 1e-100  # share of the way between the ends: keeps the gradient finite


def _m3(x: Array, scale: Array, bend: Array, exponent: Array) -> tuple[Array, ...]:
    inside = 1 / x + bend
    share = inside**exponent
    value = scale * share
    return value, share, exponent * value / inside, np.log(inside) * value


def _m4(x: Array, floor: Array, gap: Array, bend: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    """The L between e_inf and e_0 that solves the formula."""
    log_x = np.log(x)
    wanted = np.log(scale) - exponent * log_x - (1 - bend) * np.log(gap)
    share = logit_root(wanted, bend)
    low, high = (gap * np.maximum(expit(sign * share), _LEAST_LOSS) for sign in (1, -1))  # L - e_inf and e_0 - L
    steep = 1 / low + bend / high
    by_floor = np.ones_like(low)  # both ends move together
    by_gap = (bend / high) / steep
    return floor + low, by_floor, by_gap, np.log(high) / steep, 1 / (scale * steep), -log_x / steep


def _m4_to_units(
    level: Array, axis: Array, floor: Array, gap: Array, bend: Array, scale: Array, exponent: Array
) -> tuple[Array, ...]:
    return floor * level, gap * level, bend, scale * axis**exponent * level ** (1 - bend), exponent


def logit_root(wanted: Array, bend: Array) -> Array:
    """The t with ln sigmoid(t) - bend ln sigmoid(-t) = wanted.

    The left side rises with a slope between 1 and `bend`, which turns one way only: Newton's steps from the side
    where it is the steeper never overshoot."""
    wanted, bend = np.broadcast_arrays(wanted, bend)
    left = np.minimum(wanted, wanted / bend) - 1
    right = np.maximum(wanted, wanted / bend) + 1
    at = np.where(bend < 1, np.minimum(left, -1.0), np.maximum(right, 1.0))
    for _ in range(NEWTON_STEPS):
        step = (log_expit(at) - bend * log_expit(-at) - wanted) / (expit(-at) + bend * expit(at))
        at = at - step
        if np.abs(step).max(initial=0) < 1e-13:
            break
    return np.asarray(at)


M3_LAW = Law(
    name="m3",
    formula="b (1/x + g)^c",
    citation="M3 of Alabdulmohsin et al. 2022, arXiv 2209.06640",
    inputs=("n_tokens",),
    parameters=(
        Parameter("b", "value at input 1", 1e-8, 1e8, log=True, linear=True),
        Parameter("g", "1 / input", 0.0, 10.0, (0.0, 0.05, 0.3, 1.0), edge=(True, False)),
        Parameter("c", "1", 0.0, 5.0, (0.05, 0.2, 0.5, 1.0, 2.0), shared=True),
    ),
    curve=_m3,
)
M4_LAW = Law(
    name="m4",
    formula="(L - e_inf) / (e_inf + R - L)^a = b x^-c, where e_inf + R = e_0",
    citation="M4 of Alabdulmohsin et al. 2022, arXiv 2209.06640",
    inputs=("n_tokens",),
    parameters=(
        Parameter("e_inf", "value", 0.0, 1.0, (0.0, 0.2, 0.5, 0.8), edge=(True, False)),
        Parameter("R", "value", 1e-3, 10.0, (0.3, 1.0, 3.0), log=True),
        Parameter("a", "1", 0.01, 5.0, (0.1, 1.0), log=True, edge=(True, False)),
        Parameter("b", "value^(1 - a) at input 1", 1e-6, 1e6, (0.1, 0.5, 2.0), log=True),
        Parameter("c", "1", 0.0, 5.0, (0.1, 0.3, 0.7, 1.2), shared=True),
    ),
    curve=_m4,
    to_units=_m4_to_units,
)
