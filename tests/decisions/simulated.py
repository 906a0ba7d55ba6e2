"""Simulated scores of two models or more on items that hang together in clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tasklaws.core.arrays import Array
from tasklaws.decisions.clusters import Clusters
from tasklaws.decisions.scores import CommonScores

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


@dataclass(frozen=True)
class Population:
    """Items of which model m solves one with probability Phi(abilities[m] + item + cluster effect of m + own effect).

    All models share the item's part, of variance 1; each has its own, of variance .64, of which `icc` is common to the
    cluster. `kind` is what a score is: right or wrong, or a partial score, the probability itself. `sizes`: equal,
    lognormal, or one cluster with a third of all items."""

    n_clusters: int
    sizes: str = "lognormal"
    icc: float = 0.3
    kind: str = "right or wrong"
    attempts: int = 1
    abilities: tuple[float, ...] = (0.6, 0.4)
    mean_size: int = 10

    def _sizes(self, rng: np.random.Generator) -> NDArray[np.intp]:
        count = self.n_clusters
        if self.sizes == "equal":
            return np.full(count, self.mean_size)
        if self.sizes == "one large":
            return np.array([self.mean_size * (count - 1) // 2, *[self.mean_size] * (count - 1)])
        return np.maximum(1, np.rint(self.mean_size * np.exp(0.8 * rng.standard_normal(count) - 0.32))).astype(int)

    def draw(self, rng: np.random.Generator) -> CommonScores:
        """Items asked of all models."""
        of = np.repeat(np.arange(self.n_clusters), self._sizes(rng))
        shape = (len(of), len(self.abilities))
        own = np.sqrt(self.icc) * rng.standard_normal((self.n_clusters, shape[1]))[of]
        own += np.sqrt(1 - self.icc) * rng.standard_normal(shape)
        solved = ndtr(np.array(self.abilities) + rng.standard_normal((shape[0], 1)) + 0.8 * own)
        variance = np.full(shape[1], np.nan)
        if self.kind == "right or wrong":
            answers = (rng.random((*shape, self.attempts)) < solved[..., None]).astype(float)
            solved = answers.mean(axis=2)
            if self.attempts > 1:
                variance = answers.var(axis=2, ddof=1).mean(axis=0)
        names = tuple(f"m{place}" for place in range(shape[1]))
        counts = np.full(shape, float(self.attempts))
        column = None if self.mean_size == 1 and self.sizes == "equal" else "family"
        return CommonScores(names, solved, counts, variance, Clusters(of), column, ())

    @property
    def means(self) -> Array:
        """Each model's mean over all such items."""
        spread = (1 + 0.64) ** 0.5
        found = [float(_WEIGHTS @ ndtr(ability + spread * _NODES)) for ability in self.abilities]
        return np.array(found) / _WEIGHTS.sum()
