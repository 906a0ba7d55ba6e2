"""How an item's difficulty may change with ability: the functions of ability that its random effects multiply."""

from dataclasses import dataclass

import numpy as np

from tasklaws.difficulty.table import Floats

LENGTH = 1.0
"""Length scale of the drift, in logits of the mean score: from 50% to 73%, say."""
RANK = 4
"""Directions kept of the drift; beyond them less than a hundredth of its variance is left on a dozen models or more."""


@dataclass(frozen=True)
class Basis:
    """Blocks of functions of a model's level (the logit of its mean score), each block with a variance of its own.

    level        1                      1PL: one difficulty an item
    slope        level - centre         2PL: an item discriminates more or less than others
    drift        a Gaussian process of unit variance, exp(-(t - t')^2 / 2): how recent, similarly able models did on an
                 item says more about the next than how weak ones did (its leading eigenvectors at the models' levels)
    """

    centre: float
    blocks: tuple[str, ...]
    knots: Floats
    projection: Floats

    @classmethod
    def at(cls, levels: Floats, blocks: tuple[str, ...]) -> "Basis":
        """The basis for models at `levels` (M,)."""
        knots = np.unique(levels)
        values, vectors = np.linalg.eigh(_kernel(knots, knots))
        kept = [index for index in np.argsort(values)[::-1][:RANK] if values[index] > 1e-6 * values.max()]
        return cls(float(levels.mean()), blocks, knots, vectors[:, kept] / np.sqrt(values[kept]))

    def __call__(self, levels: Floats) -> dict[str, Floats]:
        """Block -> (M, d) values at `levels` (M,)."""
        columns = {
            "level": np.ones((len(levels), 1)),
            "slope": (levels - self.centre)[:, None],
            "drift": _kernel(levels, self.knots) @ self.projection,
        }
        return {block: columns[block] for block in self.blocks}


def _kernel(left: Floats, right: Floats) -> Floats:
    kernel: Floats = np.exp(-((left[:, None] - right[None]) ** 2) / (2 * LENGTH**2))
    return kernel
