"""Chinchilla surfaces for many losses at once, for use inside forecasts."""

from dataclasses import dataclass

import numpy as np

from tasklaws.forecast.links import Array

EXPONENTS = np.arange(0.1, 1.01, 0.06)
UNITS = (1e8, 1e9)  # parameters and tokens, so that the linear problem is well scaled


@dataclass(frozen=True)
class LossSurface:
    """L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, arXiv 2203.15556, eq. 2)."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def __call__(self, n_params: Array, n_tokens: Array) -> Array:
        return np.asarray(self.E + self.A * n_params**-self.alpha + self.B * n_tokens**-self.beta)


def fit_surfaces(n_params: Array, n_tokens: Array, losses: Array) -> list[LossSurface]:
    from scipy.optimize import nnls

    found = []
    for loss in losses:
        best = (np.inf, LossSurface(0.0, 0.0, 0.0, 0.0, 0.0))
        for alpha in EXPONENTS:
            for beta in EXPONENTS:
                design = np.stack([np.ones_like(loss), (n_params / UNITS[0]) ** -alpha, (n_tokens / UNITS[1]) ** -beta], 1)
                coefficients, residual = nnls(design / loss[:, None], np.ones_like(loss))
                if residual < best[0]:
                    scale = coefficients * np.array([1.0, UNITS[0] ** alpha, UNITS[1] ** beta])
                    best = (residual, LossSurface(*scale, alpha, beta))
        found.append(best[1])
    return found
