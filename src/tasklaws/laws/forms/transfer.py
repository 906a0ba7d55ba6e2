"""Transfer: how much data of the task itself pre-training is worth."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import Inputs, Law, Parameter, columns, stack

_TRANSFER_EXPONENTS = (0.1, 0.4, 0.8)


class Transfer(Law):
    """k D_F^alpha N^beta."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        scale, alpha, beta = columns(theta)
        log_n, log_d = np.log(x["n_params"]), np.log(x["n_tokens"])
        share = np.exp(alpha * log_d + beta * log_n)
        value = scale * share
        return value, stack(share, log_d * value, log_n * value)

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        size, alpha, beta = columns(theta)
        return stack(size * level * scale["n_tokens"] ** -alpha * scale["n_params"] ** -beta, alpha, beta)


TRANSFER = Transfer(
    name="transfer",
    formula="D_T = k D_F^alpha N^beta: the value is effective data transferred, n_tokens that of fine-tuning",
    citation="Hernandez et al. 2021, arXiv 2102.01293, eq. 1.1",
    inputs=("n_params", "n_tokens"),
    parameters=(
        Parameter("k", "tokens at input 1", 1e-8, 1e8, log=True, linear=True),
        Parameter("alpha", "1", -3.0, 3.0, _TRANSFER_EXPONENTS, shared=True),
        Parameter("beta", "1", -3.0, 3.0, _TRANSFER_EXPONENTS, shared=True),
    ),
)
