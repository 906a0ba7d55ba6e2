"""Accuracies straight from scale or from loss, by exponentials."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import EXPONENT_STARTS, Inputs, Law, Parameter, columns, stack


class LogAccuracy(Law):
    """chance + (1 - chance) exp(-A x^-a)."""

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        chance, scale, exponent = columns(theta)
        log_x = np.log(x[self.inputs[0]])
        share = np.exp(-exponent * log_x)
        above = np.exp(-scale * share)
        slope = -(1 - chance) * above * share
        return chance + (1 - chance) * above, stack(1 - above, slope, -slope * scale * log_x)


class ErrorFromLoss(Law):
    """1 - (eps - k exp(-gamma loss))."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        error, scale, rate = columns(theta)
        fall = np.exp(-rate * x["loss"])
        return 1 - error + scale * fall, stack(-np.ones_like(fall), fall, -x["loss"] * scale * fall)


LOG_ACCURACY = LogAccuracy(
    name="log_accuracy",
    formula="chance + (1 - chance) exp(-A x^-a)",
    citation="Krajewski et al. 2025, arXiv 2512.08894 (at fixed tokens per parameter; chance is ours)",
    inputs=("train_flops",),
    parameters=(
        Parameter("chance", "accuracy", 0.0, 1.0, (0.0, 0.25), edge=(True, True), role="chance"),
        Parameter("A", "1 at input 1", 1e-6, 1e6, (0.1, 0.4, 1.0, 3.0), log=True),
        Parameter("a", "1", 0.0, 4.0, EXPONENT_STARTS, shared=True, edge=(True, False)),
    ),
    gives="accuracy",
)
ERROR_FROM_LOSS = ErrorFromLoss(
    name="error_from_loss",
    formula="accuracy = 1 - (eps - k exp(-gamma loss))",
    citation="Gadre et al. 2024, arXiv 2403.08540, eq. 5",
    inputs=("loss",),
    parameters=(
        Parameter("eps", "error", 0.0, 1.0, linear=True, edge=(True, True)),
        Parameter("k", "error", 1e-6, 1e6, log=True, linear=True),
        Parameter("gamma", "1 / loss", 0.01, 50.0, (0.2, 0.6, 1.5, 3.0, 6.0, 12.0), log=True, shared=True),
    ),
    gives="accuracy",
)
