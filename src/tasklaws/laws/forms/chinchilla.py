"""The laws of model size and tokens together: Chinchilla's loss, Kaplan's joint one, Gadre's of over-training, and
Hernandez' transfer: how much data of the task itself pre-training is worth."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import LOSS_FLOOR, Inputs, Law, Parameter, columns, stack

_SURFACE_EXPONENTS = (0.05, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5)
_TRANSFER_EXPONENTS = (0.1, 0.4, 0.8)


class Chinchilla(Law):
    """E + A / N^alpha + B / D^beta."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        floor, size, data, alpha, beta = columns(theta)
        log_n, log_d = np.log(x["n_params"]), np.log(x["n_tokens"])
        share_n, share_d = np.exp(-alpha * log_n), np.exp(-beta * log_d)
        part_n, part_d = size * share_n, data * share_d
        gradient = stack(np.ones_like(part_n), share_n, share_d, -log_n * part_n, -log_d * part_d)
        return floor + part_n + part_d, gradient

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        floor, size, data, alpha, beta = columns(theta)
        size, data = size * scale["n_params"] ** alpha, data * scale["n_tokens"] ** beta
        return stack(floor * level, size * level, data * level, alpha, beta)


class KaplanJoint(Law):
    """[(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        size, data, alpha_n, alpha_d = columns(theta)
        log_n, log_d = np.log(size / x["n_params"]), np.log(data / x["n_tokens"])
        ratio = alpha_n / alpha_d
        log_sum = np.logaddexp(ratio * log_n, log_d)
        value = np.exp(alpha_d * log_sum)
        share = np.exp(ratio * log_n - log_sum)  # of the part that N leaves
        return value, value[..., None] * stack(
            alpha_n * share / size,
            alpha_d * (1 - share) / data,
            share * log_n,
            log_sum - share * ratio * log_n,
        )

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        size, data, alpha_n, alpha_d = columns(theta)
        size = size * scale["n_params"] * level ** (1 / alpha_n)
        return stack(size, data * scale["n_tokens"] * level ** (1 / alpha_d), alpha_n, alpha_d)


class OverTraining(Law):
    """E + (a M^eta + b M^-eta) C^-eta with M = D / N and C = 6 N D."""

    one_axis = False

    def value(self, theta: Array, x: Inputs) -> tuple[Array, Array]:
        floor, few, many, eta = columns(theta)
        log_m = np.log(x["n_tokens"] / x["n_params"])
        log_c = np.log(6 * x["n_params"] * x["n_tokens"])
        over, under = np.exp(eta * (log_m - log_c)), np.exp(-eta * (log_m + log_c))
        slope = few * over * (log_m - log_c) - many * under * (log_m + log_c)
        return floor + few * over + many * under, stack(np.ones_like(over), over, under, slope)

    def natural(self, theta: Array, scale: Inputs, level: Array) -> Array:
        floor, few, many, eta = columns(theta)
        # M / C is 1 / (6 N^2), and M C is 6 D^2: 6 is in the formula, not in the scale.
        few, many = few * scale["n_params"] ** (2 * eta), many * scale["n_tokens"] ** (2 * eta)
        return stack(floor * level, few * level, many * level, eta)


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


CHINCHILLA = Chinchilla(
    name="chinchilla",
    formula="E + A / N^alpha + B / D^beta",
    citation="Hoffmann et al. 2022, arXiv 2203.15556, eq. 2; fitted as Besiroglu et al. 2024, arXiv 2404.10102",
    inputs=("n_params", "n_tokens"),
    parameters=(
        LOSS_FLOOR,
        Parameter("A", "value at n_params = 1", 1e-8, 1e4, log=True, linear=True),
        Parameter("B", "value at n_tokens = 1", 1e-8, 1e4, log=True, linear=True),
        Parameter("alpha", "1", 0.0, 3.0, _SURFACE_EXPONENTS, shared=True, edge=(True, False)),
        Parameter("beta", "1", 0.0, 3.0, _SURFACE_EXPONENTS, shared=True, edge=(True, False)),
    ),
)
KAPLAN = KaplanJoint(
    name="kaplan",
    formula="[(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D",
    citation="Kaplan et al. 2020, arXiv 2001.08361, eq. 1.5",
    inputs=("n_params", "n_tokens"),
    parameters=(
        Parameter("N_c", "n_params", 1e-100, 1e30, (1e-12, 1e-6, 1e-3, 1e-1, 1.0), log=True),
        Parameter("D_c", "n_tokens", 1e-100, 1e30, (1e-12, 1e-6, 1e-3, 1e-1, 1.0), log=True),
        Parameter("alpha_N", "1", 0.02, 3.0, (0.05, 0.1, 0.2, 0.5), log=True, shared=True),
        Parameter("alpha_D", "1", 0.02, 3.0, (0.05, 0.1, 0.2, 0.5), log=True, shared=True),
    ),
)
OVER_TRAINING = OverTraining(
    name="over_training",
    formula="E + (a M^eta + b M^-eta) C^-eta, M = D / N, C = 6 N D",
    citation="Gadre et al. 2024, arXiv 2403.08540, eq. 4",
    inputs=("n_params", "n_tokens"),
    parameters=(
        LOSS_FLOOR,
        Parameter("a", "value", 1e-8, 1e4, log=True, linear=True),
        Parameter("b", "value", 1e-8, 1e4, log=True, linear=True),
        Parameter("eta", "1", 0.0, 2.0, _SURFACE_EXPONENTS, shared=True, edge=(True, False)),
    ),
)
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
