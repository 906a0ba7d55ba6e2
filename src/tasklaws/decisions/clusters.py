"""The mean of paired differences that come in clusters: its variance, and its distribution under no difference."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from tasklaws.core.arrays import Array

DRAWS = 9_999
_MOST_ENUMERATED = 14  # clusters: 2^13 patterns of signs, fewer than are drawn otherwise
_HELD_AT_ONCE = 4_000_000  # numbers held at once
_TIED_FROM = 1 - 1e-9  # two statistics of the same signs may differ by rounding


@dataclass(frozen=True)
class Clusters:
    """Which of G clusters, two or more, each item is in: `of` (N,) counts from 0 and names each at least once."""

    of: NDArray[np.intp]

    @cached_property
    def sizes(self) -> Array:
        return np.bincount(self.of).astype(float)

    @property
    def share(self) -> Array:
        """(G,) of all items."""
        return self.sizes / len(self.of)

    @property
    def weight(self) -> Array:
        """(G,) by which CR2 raises a cluster's squared residual: the mean, fitted to the cluster too, takes of it."""
        return 1 / (1 - self.share)

    def sums(self, values: Array) -> Array:
        """(G, ...) sums over the items (N, ...) of each cluster."""
        found = np.zeros((len(self.sizes), *values.shape[1:]))
        np.add.at(found, self.of, values)
        return found

    def variance(self, differences: Array) -> tuple[float, float]:
        """Variance of the mean of `differences` (N,), and the degrees of freedom of its t interval.

        CR2, sum_g (sum_{i in g} e_i)^2 / (1 - n_g / N) / N^2 with residuals e, and Satterthwaite's degrees for items
        that are independent (Bell and McCaffrey 2002; Imbens and Kolesar 2016). CR2 has no bias where they are; where
        they hang together and clusters differ in size it is too small, and is multiplied by what corrects it at the
        correlation that the items show (analysis of variance). To it is added what one further item would, that differs
        as far as those that do (root mean square; by 1 where none does), either way: else few that happen to agree
        would pass for certainty. Both were chosen by simulation (tests/decisions/test_coverage.py)."""
        total, sums = len(differences), self.sums(differences)
        residual = sums - self.sizes * differences.mean()
        raw = float((self.weight * residual**2).sum()) / total**2
        correlated = self._spread(differences, residual)
        _, degrees = self._moments(self.sizes)
        expected, _ = self._moments(correlated)
        unlike = differences[differences != 0]
        further = float((unlike**2).mean()) if len(unlike) else 1.0
        return raw * float(correlated.sum()) / expected + further / total**2, degrees

    def _spread(self, differences: Array, residual: Array) -> Array:
        """(G,) variances of the clusters' sums, up to a factor, at the correlation within clusters that is seen."""
        sizes, (total, count) = self.sizes, (len(differences), len(self.sizes))
        if total == count:
            return sizes
        between = float((residual**2 / sizes).sum()) / (count - 1)
        within = float(((differences - (self.sums(differences) / sizes)[self.of]) ** 2).sum()) / (total - count)
        common = max(0.0, (between - within) * (count - 1) / (total - float((sizes**2).sum()) / total))
        if common == 0:
            return sizes
        return np.asarray((sizes * within + sizes**2 * common) / (within + common))

    def _moments(self, variances: Array) -> tuple[float, float]:
        """Mean of N^2 times CR2 where the clusters' sums have these variances, and 2 mean^2 / variance of it.

        CR2 is the form S' Q S of the sums S, with Q_gh = w_g [g = h] - a_g - a_h + k, a = w f, k = sum w f^2, where f
        is `share` and w `weight`. Of normal sums its mean is tr(Q V), and its variance 2 tr(Q V Q V)."""
        taken = self.weight * self.share
        constant = float((taken * self.share).sum())
        beside = constant - 2 * taken
        mean = float((variances * (self.weight + beside)).sum())
        zeroth, first, second = (float((variances * taken**power).sum()) for power in range(3))
        square = constant**2 * zeroth**2 + 2 * second * zeroth - 4 * constant * first * zeroth + 2 * first**2
        square += float((variances**2 * (self.weight**2 + 2 * self.weight * beside)).sum())
        return mean, mean**2 / square

    def flipped(self, sums: Array) -> tuple[Array, Array]:
        """Under no difference: t^2 of each pair of columns of `sums` (G, M), and of draws the largest over the pairs.

        (M (M - 1) / 2,) and (number of draws,), the data among them. A draw turns round the signs of whole clusters
        at random, as if what was called either model had been tossed for each; up to 14 clusters each pattern of signs
        is taken once. t is the mean difference over the root of its CR2."""
        left, right = np.triu_indices(sums.shape[1], 1)
        weight, taken = self.weight, self.weight * self.share
        constant = float((taken * self.share).sum())
        own = (weight[:, None] * (sums[:, left] - sums[:, right]) ** 2).sum(axis=0)

        def squares(signs: Array) -> Array:
            all_, part = signs @ sums, signs @ (taken[:, None] * sums)
            mean, other = all_[:, left] - all_[:, right], part[:, left] - part[:, right]
            variance = own - 2 * mean * other + constant * mean**2
            settled = variance > 1e-12 * own  # else each cluster differs by the same an item
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(settled, mean**2 / variance, np.where(mean**2 > 1e-12 * own, np.inf, 0.0))

        seen = squares(np.ones((1, len(sums))))[0]
        rows = max(1, _HELD_AT_ONCE // max(len(sums), len(left)))
        return seen, np.concatenate([squares(signs).max(axis=1) for signs in _signs(len(sums), rows)])


def exceeding(seen: Array, drawn: Array) -> Array:
    """Of the draws, the data among them, the share that is as large as each figure: its p (Phipson and Smyth 2010)."""
    return np.asarray((len(drawn) - np.searchsorted(np.sort(drawn), seen * _TIED_FROM)) / len(drawn))


def mid_p(seen: float, drawn: Array) -> float:
    """The share of draws beyond `seen`, with the data itself and half of the other draws that tie with it.

    Right and wrong answers make many ties, with which p would be far too large (mid-p: Lancaster 1961). 1 where every
    draw ties."""
    beyond = float((drawn * _TIED_FROM > seen).mean())
    ties = float(exceeding(np.array([seen]), drawn)[0]) - beyond
    return 1.0 if ties == 1 else beyond + (ties + 1 / len(drawn)) / 2


def is_enumerated(count: int) -> bool:
    """Whether all patterns of signs of so many clusters are taken."""
    return count <= _MOST_ENUMERATED


def _signs(count: int, rows: int) -> Iterator[Array]:
    """Blocks of up to `rows` patterns of signs of `count` clusters, the first all +1; one of each two opposite ones."""
    if is_enumerated(count):
        patterns = np.arange(2 ** (count - 1))
        for start in range(0, len(patterns), rows):
            bits = patterns[start : start + rows, None] >> np.arange(count) & 1
            yield np.where(bits, -1.0, 1.0)
        return
    rng = np.random.default_rng(0)
    yield np.ones((1, count))
    for start in range(0, DRAWS, rows):
        octets = rng.integers(0, 256, (min(rows, DRAWS - start), -(-count // 8)), dtype=np.uint8)
        yield np.where(np.unpackbits(octets, axis=1, count=count), -1.0, 1.0)


def mcnemar(only_first: int, only_second: int) -> float:
    """McNemar's exact two-sided p: of the items that one model alone solved, each is either's by a fair coin."""
    return float(min(1.0, 2 * bdtr(min(only_first, only_second), only_first + only_second, 0.5)))
