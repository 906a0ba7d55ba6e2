"""Links: scales on which a value's noise is about normal and its growth with size about straight."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from tasklaws.core.arrays import Array

NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # Gauss-Hermite quadrature over a normal forecast
LEAST = 1e-6  # a smaller loss counts as this one, so that its logarithm exists


def half_item_away(share: Array, n_items: Array | float) -> Array:
    """(n p + 1/2) / (n + 1): n items cannot show a probability of 0 or 1 (Jeffreys)."""
    return np.asarray((n_items * share + 0.5) / (n_items + 1))


@dataclass(frozen=True)
class Link:
    """A monotone scale z of a value: `unit` is how much of z is worth one logit half-way up."""

    name: Literal["logit", "arcsine", "log_log", "log"]
    unit: float

    def of(self, value: Array, n_items: Array | float) -> Array:
        """z of a value that averages `n_items` items; scores are kept half an item away from 0 and 1 (Jeffreys)."""
        if self.name == "log":
            return np.asarray(np.log(np.maximum(value, LEAST)))
        if self.name == "arcsine":
            return np.asarray(2 * np.arcsin(np.sqrt(np.clip(value, 0.0, 1.0))))
        inside = half_item_away(value, n_items)
        if self.name == "logit":
            return np.asarray(np.log(inside / (1 - inside)))
        return np.asarray(-np.log(-np.log(inside)))

    def variance(self, value: Array, n_items: Array | float) -> Array:
        """Variance of z by the sampling of items, at the value p: p (1 - p) / n_items times (dz / dp)^2."""
        if self.name in ("log", "arcsine"):
            return np.asarray(1 / np.asarray(n_items, dtype=float) + 0 * value)
        if self.name == "logit":
            return np.asarray(1 / (n_items * value * (1 - value)))
        return np.asarray((1 - value) / (n_items * value * np.log(value) ** 2))

    def inverse(self, z: Array) -> Array:
        """The value at z."""
        if self.name == "log":
            return np.asarray(np.exp(np.clip(z, -50, 50)))
        if self.name == "arcsine":
            return np.asarray(np.sin(np.clip(z, 0.0, np.pi) / 2) ** 2)
        if self.name == "logit":
            return np.asarray(expit(z))
        return np.asarray(np.exp(-np.exp(-np.clip(z, -50, 50))))


LOGIT = Link("logit", 1.0)
ARCSINE = Link("arcsine", 0.5)  # dz / dlogit = sqrt(p (1 - p))
LOG_LOG = Link("log_log", 0.7)  # log accuracy a power law: log(-log p) straight (Krajewski et al. 2025)
LOG = Link("log", 0.3)
