"""What a better recipe is worth in compute, and what pre-training is worth in data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.result import Fit


@dataclass(frozen=True)
class Multiplier:
    """How many times the compute one ladder would need to do as well as another, with a bootstrap interval (of the
    fit's `level`).

    An infinite one is out of reach: the worse ladder's floor lies above."""

    value: float
    lower: float
    upper: float


def compute_multiplier(fit: Fit, better: str, than: str, train_flops: float) -> Multiplier:
    """What a recipe is worth at a budget: ladder `than` does at k times `train_flops` what `better` does at
    `train_flops`.

    `fit` is a power law (with or without floor) of train_flops on both ladders, fitted together. The interval is that
    of the bootstrap. Another law, a ladder that is not in the fit, or a fit without bootstrap raises
    TasklawsError."""
    if fit.law.name not in ("power", "pure_power") or fit.law.inputs != ("train_flops",):
        raise TasklawsError(f"a compute multiplier needs a power law of train_flops, not {fit.law.name}: fit that")
    if len(fit.draws) < 2:
        raise TasklawsError("a compute multiplier needs bootstrap replicates: fit with replicates")
    if not (np.isfinite(train_flops) and train_flops > 0):
        raise TasklawsError(f"train_flops is {train_flops}: give a positive number")
    value = float(ratios(fit, fit.theta[None], better, than, train_flops)[0])
    draws = ratios(fit, fit.draws, better, than, train_flops)
    # "lower" and "higher" pick draws: between infinite ones there is nothing to interpolate.
    lower = float(np.quantile(draws, (1 - fit.level) / 2, method="lower"))
    upper = float(np.quantile(draws, (1 + fit.level) / 2, method="higher"))
    return Multiplier(value, min(lower, value), max(upper, value))


def ratios(fit: Fit, theta: Array, better: str, than: str, train_flops: float) -> Array:
    for ladder in (better, than):
        if ladder not in fit.ladders:
            raise TasklawsError(f"no ladder {ladder!r} in the fit: name one of {', '.join(fit.ladders)}")
    loss = fit.law.value(theta[:, [fit.ladders.index(better)]], {"train_flops": np.array([train_flops])})[0][:, 0]
    return inverse_power(theta[:, fit.ladders.index(than)], loss) / train_flops


def inverse_power(theta: Array, value: Array) -> Array:
    """The x where E + A x^-a, or A x^-a, has a value; infinite where it never gets there."""
    floor = theta[:, 0] if theta.shape[1] == 3 else np.zeros(len(theta))
    above = value - floor
    exponent = theta[:, -1]
    reached = (above > 0) & (exponent > 0)
    safe = np.where(reached, above / theta[:, -2], 1.0)
    return np.where(reached, safe ** (-1 / np.where(reached, exponent, 1.0)), np.inf)


def effective_data_transferred(from_scratch: Fit, loss: ArrayLike, n_tokens: ArrayLike) -> Array:
    """D_T = D_E - D_F: how many more tokens of the task a model trained from scratch needs for the `loss` of a
    pre-trained one that was fine-tuned on `n_tokens` D_F (Hernandez et al. 2021, arXiv 2102.01293, sec. 2).

    `from_scratch` is a power law of n_tokens. Another law, or a loss at or below its floor, raises TasklawsError."""
    if from_scratch.law.name not in ("power", "pure_power") or from_scratch.law.inputs != ("n_tokens",):
        raise TasklawsError(f"effective data needs a power law of n_tokens, not {from_scratch.law.name}: fit that")
    if len(from_scratch.ladders) > 1:
        raise TasklawsError(f"effective data needs one ladder, not {len(from_scratch.ladders)}: fit them one by one")
    losses = np.atleast_1d(np.asarray(loss, dtype=float))
    needed = inverse_power(np.repeat(from_scratch.theta, len(losses), axis=0), losses)
    if not np.isfinite(needed).all():
        worst = losses[~np.isfinite(needed)][0]
        raise TasklawsError(f"from scratch no amount of data reaches a loss of {worst:g}: the law's floor is above")
    return np.asarray(needed - np.asarray(n_tokens, dtype=float))
