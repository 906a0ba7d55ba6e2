"""Laws of accuracies: from chance to a ceiling, and down instead of up, by sigmoids and by exponentials."""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.laws.law import EXPONENT_STARTS, FIRST_LEVEL, LAST_LEVEL, Law, Parameter

_STEEPNESS = Parameter("k", "1 / ln input", 0.05, 20.0, (0.3, 0.7, 1.5, 5.0), log=True, shared=True)
MIDDLE = Parameter("m", "input", 1e-4, 1e4, (-0.2, 0.2, 0.5, 0.8, 1.2), log=True, place=True)


def _logistic(x: Array, start: Array, end: Array, slope: Array, middle: Array) -> tuple[Array, ...]:
    away = np.log(x) - np.log(middle)
    share = expit(slope * away)
    steep = (end - start) * share * (1 - share)
    return start + (end - start) * share, 1 - share, share, steep * away, -steep * slope / middle


def _logistic_in_loss(loss: Array, start: Array, end: Array, slope: Array, middle: Array) -> tuple[Array, ...]:
    away = middle - loss
    share = expit(slope * away)
    steep = (end - start) * share * (1 - share)
    return start + (end - start) * share, 1 - share, share, steep * away, steep * slope


def _log_accuracy(x: Array, chance: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    log_x = np.log(x)
    share = np.exp(-exponent * log_x)
    above = np.exp(-scale * share)
    slope = -(1 - chance) * above * share
    return chance + (1 - chance) * above, 1 - above, slope, -slope * scale * log_x


def _error_from_loss(loss: Array, error: Array, scale: Array, rate: Array) -> tuple[Array, ...]:
    fall = np.exp(-rate * loss)
    return 1 - error + scale * fall, -np.ones_like(fall), fall, -loss * scale * fall


LOGISTIC = Law(
    name="logistic",
    formula="start + (end - start) / (1 + exp(-k ln(x / m))); start is chance where that is known",
    citation="Finnveden 2020; Ruan et al. 2024, arXiv 2405.10938, eq. 2 (in log compute; floor and ceiling are ours)",
    inputs=("train_flops",),
    parameters=(FIRST_LEVEL, LAST_LEVEL, _STEEPNESS, MIDDLE),
    curve=_logistic,
    gives="any",
)
# Few rungs can hardly tell a low ceiling from a slow rise: this one bets on the latter.
LOGISTIC_FULL = replace(
    LOGISTIC,
    name="logistic_full",
    formula=LOGISTIC.formula + "; end is 1",
    parameters=(FIRST_LEVEL, Parameter("end", "value", 1.0, 1.0, linear=True), _STEEPNESS, MIDDLE),
    gives="accuracy",
)
INVERSE = replace(
    LOGISTIC,
    name="inverse",
    formula=LOGISTIC.formula + "; end is below start",
    citation="inverse scaling: McKenzie et al. 2023, arXiv 2306.09479; the form is the logistic's",
    parameters=(replace(FIRST_LEVEL, role=""), replace(LAST_LEVEL, role="below chance"), _STEEPNESS, MIDDLE),
    gives="accuracy",
)
LOGISTIC_IN_LOSS = Law(
    name="logistic_in_loss",
    formula="start + (end - start) / (1 + exp(k (loss - m)))",
    citation="Bhagia et al. 2024, arXiv 2412.04403, second step (task loss to accuracy)",
    inputs=("loss",),
    parameters=(
        FIRST_LEVEL,
        LAST_LEVEL,
        Parameter("k", "1 / loss", 0.1, 200.0, (1.0, 3.0, 8.0, 20.0), log=True, shared=True),
        Parameter("m", "loss", 0.2, 5.0, (-0.5, 0.0, 0.3, 0.6, 1.0), log=True, place=True),
    ),
    curve=_logistic_in_loss,
    gives="accuracy",
)
LOG_ACCURACY = Law(
    name="log_accuracy",
    formula="chance + (1 - chance) exp(-A x^-a)",
    citation="Krajewski et al. 2025, arXiv 2512.08894 (at fixed tokens per parameter; chance is ours)",
    inputs=("train_flops",),
    parameters=(
        Parameter("chance", "accuracy", 0.0, 1.0, (0.0, 0.25), edge=(True, True), role="chance"),
        Parameter("A", "1 at input 1", 1e-6, 1e6, (0.1, 0.4, 1.0, 3.0), log=True),
        Parameter("a", "1", 0.0, 4.0, EXPONENT_STARTS, shared=True),
    ),
    curve=_log_accuracy,
    gives="accuracy",
)
ERROR_FROM_LOSS = Law(
    name="error_from_loss",
    formula="accuracy = 1 - (eps - k exp(-gamma loss))",
    citation="Gadre et al. 2024, arXiv 2403.08540, eq. 5",
    inputs=("loss",),
    parameters=(
        Parameter("eps", "error", 0.0, 1.0, linear=True, edge=(True, True)),
        Parameter("k", "error", 1e-6, 1e6, log=True, linear=True),
        Parameter("gamma", "1 / loss", 0.01, 50.0, (0.2, 0.6, 1.5, 3.0, 6.0, 12.0), log=True, shared=True),
    ),
    curve=_error_from_loss,
    gives="accuracy",
)
