"""The noise of a ladder's mean scores, from the responses behind them: items that all rungs share, and seeds."""

from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.stats.jumps import REPLICATES


@dataclass(frozen=True, eq=False)
class Measured:
    """A metric along a ladder: its values, and draws of them that its noise could have given."""

    value: Array  # (rungs)
    draws: Array  # (replicates, rungs)


def measure(responses: list[Array], rng: np.random.Generator) -> list[Measured]:
    """Every metric's means, and draws: items resampled, the same ones for all rungs and metrics; the means of seeds
    moved by Gaussian multiples of their own deviations, the same ones for all metrics."""
    items = responses[0].shape[2]
    weights = rng.multinomial(items, np.full(items, 1 / items), REPLICATES) / items
    values, draws = [], []
    for one, moved in zip(responses, seed_noise(responses), strict=True):
        values.append(one.mean(axis=(1, 2)))
        multipliers = rng.standard_normal((REPLICATES, one.shape[1]))
        draws.append(weights @ one.mean(axis=1).T + multipliers @ moved.T)
    value, drawn = np.array(values), np.stack(draws, axis=1)
    return [Measured(value[:, metric], drawn[:, :, metric]) for metric in range(value.shape[1])]


def seed_noise(responses: list[Array]) -> list[Array]:
    """(metrics, seeds) of each rung: deviations of seeds from its mean, scaled so that their squares sum to the
    variance of that mean. What answers to single items add to it, over all rungs, is taken off: items bring it."""
    deviations = [one.mean(axis=2) - one.mean(axis=(1, 2))[:, None] for one in responses]
    freedom = [max(one.shape[1] - 1, 1) for one in responses]  # a single seed deviates by 0
    between = sum((d**2).sum(axis=1) / free for d, free in zip(deviations, freedom, strict=True))
    answers = sum(
        (one - one.mean(axis=1, keepdims=True)).var(axis=2).sum(axis=1) / free / one.shape[2]
        for one, free in zip(responses, freedom, strict=True)
    )
    kept = np.sqrt(np.clip(1 - answers / np.where(between > 0, between, np.inf), 0, 1))
    return [kept[:, None] * d / np.sqrt(d.shape[1] * free) for d, free in zip(deviations, freedom, strict=True)]


def independent_trials(responses: list[Array]) -> Array:
    """How many independent answers each rung's exact match is worth: fewer than were given where seeds differ more
    than chance makes them."""
    between, chance = 0.0, 0.0
    for one in responses:
        rates = one[0].mean(axis=1)
        if len(rates) > 1:
            between += rates.var(ddof=1)
            chance += rates.mean() * (1 - rates.mean()) / one.shape[2]
    excess = max(1.0, between / chance) if chance > 0 else 1.0
    return np.array([one.shape[1] * one.shape[2] / excess for one in responses])
