"""The two objectives: Huber on log losses, and the binomial deviance of accuracies."""

import numpy as np
from scipy.special import xlogy

from tasklaws.laws.law import Array
from tasklaws.laws.points import FLOOR

HUBER = 1e-3  # where Huber's loss of log losses turns from square to linear: Hoffmann et al. 2022, sec. 3.3
Evaluation = tuple[Array, Array, Array]  # objective (m), its gradient (m, p), its approximate curvature (m, p, p)


def deviance(
    value: Array, gradient: Array, target: Array, weight: Array, n_items: Array, curved: bool = True
) -> Evaluation:
    """Binomial deviance / 2, summed over points: 0 for a perfect fit; fractional successes are weighted ones.

    Both sides are half an item away from 0 and 1, as n items cannot show a probability of 0 or 1 (Jeffreys)."""
    shrink = n_items / (n_items + 1)
    seen, model = smooth(target, n_items), smooth(value, n_items)
    terms = xlogy(seen, seen / model) + xlogy(1 - seen, (1 - seen) / (1 - model))
    precision = weight * n_items / (model * (1 - model))
    return assemble(
        weight * n_items * terms, precision * shrink * (model - seen), precision * shrink**2, gradient, curved
    )


def huber_log(
    value: Array, gradient: Array, target: Array, weight: Array, delta: float, curved: bool = True
) -> Evaluation:
    """Huber loss of ln(value / target), summed over points: a mean would be so small that optimisers stop early
    (Besiroglu et al. 2024, arXiv 2404.10102, appendix)."""
    inside = np.maximum(value, FLOOR)
    residual = np.log(inside / target)
    bounded = np.clip(residual, -delta, delta)
    terms = weight * bounded * (residual - bounded / 2)
    slope = (value > FLOOR) / inside
    stiffness = weight * (delta / np.maximum(np.abs(residual), delta)) * slope**2 if curved else slope
    return assemble(terms, weight * bounded * slope, stiffness, gradient, curved)


def smooth(value: Array, n_items: Array) -> Array:
    """(n p + 1/2) / (n + 1)."""
    return (n_items * value + 0.5) / (n_items + 1)


def assemble(terms: Array, first: Array, second: Array, gradient: Array, curved: bool) -> Evaluation:
    """The sums over points; the curvature is left empty where it is not wanted."""
    pull = np.matmul(first[:, None, :], gradient)[:, 0]
    if not curved:
        return terms.sum(axis=1), pull, np.empty((len(pull), 0, 0))
    scaled = gradient * second[..., None]
    return terms.sum(axis=1), pull, np.matmul(scaled.transpose(0, 2, 1), gradient)
