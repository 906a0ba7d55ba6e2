"""Sigmoids: from chance to a ceiling along scale or along a loss, and down instead of up."""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.laws.law import FIRST_LEVEL, LAST_LEVEL, Inputs, Law, Parameter, columns, stack

_STEEPNESS = Parameter("k", "1 / ln input", 0.05, 20.0, (0.3, 0.7, 1.5, 5.0), log=True, shared=True)
MIDDLE = Parameter("m", "input", 1e-4, 1e4, (-0.2, 0.2, 0.5, 0.8, 1.2), log=True, place=True)


class Logistic(Law):
    """start + (end - start) sigmoid(k ln(x / m))."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        start, end, slope, middle = columns(theta)
        away = np.log(x[self.inputs[0]]) - np.log(middle)
        share = expit(slope * away)
        steep = (end - start) * share * (1 - share)
        return start + (end - start) * share, stack(1 - share, share, steep * away, -steep * slope / middle)


class LogisticInLoss(Law):
    """start + (end - start) sigmoid(-k (loss - m))."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        start, end, slope, middle = columns(theta)
        away = middle - x["loss"]
        share = expit(slope * away)
        steep = (end - start) * share * (1 - share)
        return start + (end - start) * share, stack(1 - share, share, steep * away, steep * slope)


LOGISTIC = Logistic(
    name="logistic",
    formula="start + (end - start) / (1 + exp(-k ln(x / m))); start is chance where that is known",
    citation="Finnveden 2020; Ruan et al. 2024, arXiv 2405.10938, eq. 2 (in log compute; floor and ceiling are ours)",
    inputs=("train_flops",),
    parameters=(FIRST_LEVEL, LAST_LEVEL, _STEEPNESS, MIDDLE),
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
LOGISTIC_IN_LOSS = LogisticInLoss(
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
    gives="accuracy",
)
