"""The laws of model size and tokens together: Chinchilla's loss, Kaplan's joint one, Gadre's of over-training, and
Hernandez' transfer: how much data of the task itself pre-training is worth."""

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.laws.law import LOSS_FLOOR, Law, Parameter

SURFACE_EXPONENTS = (0.05, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5)
_TRANSFER_EXPONENTS = (0.1, 0.4, 0.8)


def _chinchilla(
    n: Array, d: Array, floor: Array, size: Array, data: Array, alpha: Array, beta: Array
) -> tuple[Array, ...]:
    log_n, log_d = np.log(n), np.log(d)
    share_n, share_d = np.exp(-alpha * log_n), np.exp(-beta * log_d)
    part_n, part_d = size * share_n, data * share_d
    return floor + part_n + part_d, np.ones_like(part_n), share_n, share_d, -log_n * part_n, -log_d * part_d


def _chinchilla_to_units(
    level: Array, n: Array, d: Array, floor: Array, size: Array, data: Array, alpha: Array, beta: Array
) -> tuple[Array, ...]:
    return floor * level, size * n**alpha * level, data * d**beta * level, alpha, beta


def _kaplan(n: Array, d: Array, size: Array, data: Array, alpha_n: Array, alpha_d: Array) -> tuple[Array, ...]:
    log_n, log_d = np.log(size / n), np.log(data / d)
    ratio = alpha_n / alpha_d
    log_sum = np.logaddexp(ratio * log_n, log_d)
    value = np.exp(alpha_d * log_sum)
    share = np.exp(ratio * log_n - log_sum)  # of the part that N leaves
    by_size, by_data = alpha_n * share / size, alpha_d * (1 - share) / data
    slopes = (by_size, by_data, share * log_n, log_sum - share * ratio * log_n)
    return value, *(value * slope for slope in slopes)


def _kaplan_to_units(
    level: Array, n: Array, d: Array, size: Array, data: Array, alpha_n: Array, alpha_d: Array
) -> tuple[Array, ...]:
    return size * n * level ** (1 / alpha_n), data * d * level ** (1 / alpha_d), alpha_n, alpha_d


def _over_training(n: Array, d: Array, floor: Array, few: Array, many: Array, eta: Array) -> tuple[Array, ...]:
    log_m, log_c = np.log(d / n), np.log(6 * n * d)
    over, under = np.exp(eta * (log_m - log_c)), np.exp(-eta * (log_m + log_c))
    slope = few * over * (log_m - log_c) - many * under * (log_m + log_c)
    return floor + few * over + many * under, np.ones_like(over), over, under, slope


def _over_training_to_units(
    level: Array, n: Array, d: Array, floor: Array, few: Array, many: Array, eta: Array
) -> tuple[Array, ...]:
    # M / C is 1 / (6 N^2), and M C is 6 D^2: 6 is in the formula, not in the scale.
    return floor * level, few * n ** (2 * eta) * level, many * d ** (2 * eta) * level, eta


def _transfer(n: Array, d: Array, scale: Array, alpha: Array, beta: Array) -> tuple[Array, ...]:
    log_n, log_d = np.log(n), np.log(d)
    share = np.exp(alpha * log_d + beta * log_n)
    value = scale * share
    return value, share, log_d * value, log_n * value


def _transfer_to_units(level: Array, n: Array, d: Array, scale: Array, alpha: Array, beta: Array) -> tuple[Array, ...]:
    return scale * level * d**-alpha * n**-beta, alpha, beta


CHINCHILLA = Law(
    name="chinchilla",
    formula="E + A / N^alpha + B / D^beta",
    citation="Hoffmann et al. 2022, arXiv 2203.15556, eq. 2; fitted as Besiroglu et al. 2024, arXiv 2404.10102",
    inputs=("n_params", "n_tokens"),
    parameters=(
        LOSS_FLOOR,
        Parameter("A", "value at n_params = 1", 1e-8, 1e4, log=True, linear=True),
        Parameter("B", "value at n_tokens = 1", 1e-8, 1e4, log=True, linear=True),
        Parameter("alpha", "1", 0.0, 3.0, SURFACE_EXPONENTS, shared=True),
        Parameter("beta", "1", 0.0, 3.0, SURFACE_EXPONENTS, shared=True),
    ),
    curve=_chinchilla,
    to_units=_chinchilla_to_units,
)
KAPLAN = Law(
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
    curve=_kaplan,
    to_units=_kaplan_to_units,
)
OVER_TRAINING = Law(
    name="over_training",
    formula="E + (a M^eta + b M^-eta) C^-eta, M = D / N, C = 6 N D",
    citation="Gadre et al. 2024, arXiv 2403.08540, eq. 4",
    inputs=("n_params", "n_tokens"),
    parameters=(
        LOSS_FLOOR,
        Parameter("a", "value", 1e-8, 1e4, log=True, linear=True),
        Parameter("b", "value", 1e-8, 1e4, log=True, linear=True),
        Parameter("eta", "1", 0.0, 2.0, SURFACE_EXPONENTS, shared=True),
    ),
    curve=_over_training,
    to_units=_over_training_to_units,
)
TRANSFER = Law(
    name="transfer",
    formula="D_T = k D_F^alpha N^beta: the value is effective data transferred, n_tokens that of fine-tuning",
    citation="Hernandez et al. 2021, arXiv 2102.01293, eq. 1.1",
    inputs=("n_params", "n_tokens"),
    parameters=(
        Parameter("k", "tokens at input 1", 1e-8, 1e8, log=True, linear=True),
        Parameter("alpha", "1", -3.0, 3.0, _TRANSFER_EXPONENTS, shared=True),
        Parameter("beta", "1", -3.0, 3.0, _TRANSFER_EXPONENTS, shared=True),
    ),
    curve=_transfer,
    to_units=_transfer_to_units,
)
