"""Figures of several orders on the same items and models, and their bootstrap: clusters of items, and models."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.stats.scores import cross_entropy

_REPLICATES = 1000
_LEVELS = (0.05, 0.95)  # ends of a 90% interval


@dataclass(frozen=True)
class Draws:
    """How often each cluster (B, G) and each model (B, K) was drawn; the first row draws each once: the data."""

    clusters: Array
    models: Array

    @classmethod
    def of(cls, n_clusters: int, n_models: int, seed: int = 0) -> "Draws":
        """REPLICATES draws with replacement, clusters and models independently (Owen 2007, Ann. Appl. Stat. 1:386)."""
        rng = np.random.default_rng(seed)

        def counts(size: int) -> Array:
            drawn = rng.multinomial(size, np.full(size, 1 / size), _REPLICATES)
            return np.concatenate([np.ones((1, size)), drawn]).astype(float)

        return cls(counts(n_clusters), counts(n_models))

    def mean(self, figures: Array) -> Array:
        """(B,) means over models of `figures` (B, K), of the models that have one; NaN where none has."""
        known = ~np.isnan(figures)
        weight = (self.models * known).sum(axis=1)
        total = (self.models * np.where(known, figures, 0.0)).sum(axis=1)
        return _ratio(total, weight)


def interval(draws: Array) -> tuple[float, float, float]:
    """The figure on the data, and the 90% interval of its draws that have one."""
    if np.isnan(draws[0]):
        return float("nan"), float("nan"), float("nan")
    low, high = np.nanquantile(draws[1:], _LEVELS)
    return float(draws[0]), float(low), float(high)


def drawn_log_loss(scores: Array, probabilities: Array, clusters: NDArray[np.intp], weights: Array) -> Array:
    """(B,) mean cross entropy in nats of one model's scores (n,), `clusters` (n,) drawn by `weights` (B, G)."""
    totals = np.bincount(clusters, cross_entropy(scores, probabilities), weights.shape[1])
    counts = np.bincount(clusters, minlength=weights.shape[1])
    return _ratio(weights @ totals, weights @ counts)


def drawn_auc(scores: Array, probabilities: Array, clusters: NDArray[np.intp], weights: Array) -> Array:
    """(B,) of (solved, unsolved) pairs, the share in which the solved item has the higher probability, ties half."""
    solved = scores >= 0.5
    right = (np.sign(probabilities[solved][:, None] - probabilities[~solved]) + 1) / 2
    groups = (clusters[solved], clusters[~solved])
    return _ratio(_drawn_pairs(right, groups, weights), _drawn_pairs(np.ones(right.shape), groups, weights))


def drawn_tau(left: Array, right: Array, clusters: NDArray[np.intp], weights: Array) -> Array:
    """(B,) Kendall's tau-b of two orders of the same items (Kendall 1945, Biometrika 33:239).

    Items that either lacks (NaN) are left out. Pairs within an item drawn twice are ties in both, as they should be."""
    known = np.isfinite(left) & np.isfinite(right)
    signs = [np.sign(values[known][:, None] - values[known]) for values in (left, right)]
    groups = (clusters[known], clusters[known])
    both = _drawn_pairs(signs[0] * signs[1], groups, weights)
    untied = [_drawn_pairs(np.abs(sign), groups, weights) for sign in signs]
    return _ratio(both, np.sqrt(untied[0] * untied[1]))


def _drawn_pairs(values: Array, groups: tuple[NDArray[np.intp], NDArray[np.intp]], weights: Array) -> Array:
    """(B,) sums of `values` (n, m) over pairs of items, each pair as often as its two clusters were drawn together."""
    every = np.arange(weights.shape[1])
    left, right = (np.asarray(every[:, None] == group, dtype=float) for group in groups)
    cells = left @ values @ right.T
    sums: Array = ((weights @ cells) * weights).sum(axis=1)
    return sums


def _ratio(over: Array, under: Array) -> Array:
    """NaN where there is nothing to divide by."""
    ratio: Array = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    return ratio
