"""How an item's difficulty may change between models: the functions of a model that its random effects multiply."""

from dataclasses import dataclass

import numpy as np

from tasklaws.difficulty.table import Floats

LENGTHS = {"drift": 1.5, "era": 0.7}
"""Length scales: the drift's in logits of the mean score (from 50% to 82%, say), the era's in years or ln n_params."""
RANK = 4
"""Directions kept of each process; eight of the era change no log loss by .0005."""


@dataclass(frozen=True)
class Directions:
    """A Gaussian process of unit variance along one quantity, exp(-(t - t')^2 / (2 length^2)): its leading eigenvectors
    at the models' places `knots`."""

    knots: Floats
    projection: Floats
    length: float

    @classmethod
    def at(cls, places: Floats, block: str) -> "Directions":
        """The directions of a block (`drift`, `era`) for models at `places` (M,)."""
        knots = np.unique(places)
        values, vectors = np.linalg.eigh(_kernel(knots, knots, LENGTHS[block]))
        order = np.argsort(values)[::-1][:RANK]
        kept = [index for index in order if values[index] > 1e-6 * values.max()]
        return cls(knots, vectors[:, kept] / np.sqrt(values[kept]), LENGTHS[block])

    def __call__(self, places: Floats) -> Floats:
        """(M, d) values at `places` (M,)."""
        return np.asarray(_kernel(places, self.knots, self.length) @ self.projection)


@dataclass(frozen=True)
class Basis:
    """Blocks of functions of a model's level (the logit of its mean score) and position (its date or size), each block
    with a variance of its own.

    level        1                      1PL: one difficulty an item
    slope        level - centre         2PL: an item discriminates more or less than others
    drift        a Gaussian process along the level: how similarly able models did on an item says more about the next
                 than how weak ones did
    era          a Gaussian process along the position: so does how recent ones did, who learned from like data
    """

    centre: float
    blocks: tuple[str, ...]
    directions: dict[str, Directions]

    @classmethod
    def at(cls, levels: Floats, positions: Floats, blocks: tuple[str, ...]) -> "Basis":
        """The basis for models at `levels` and `positions`, each (M,)."""
        places = {"drift": levels, "era": positions}
        directions = {block: Directions.at(places[block], block) for block in blocks if block in places}
        return cls(float(levels.mean()), blocks, directions)

    def __call__(self, levels: Floats, positions: Floats) -> dict[str, Floats]:
        """Block -> (M, d) values at `levels` and `positions`, each (M,)."""
        columns = {"level": np.ones((len(levels), 1)), "slope": (levels - self.centre)[:, None]}
        places = {"drift": levels, "era": positions}
        columns |= {block: directions(places[block]) for block, directions in self.directions.items()}
        return {block: columns[block] for block in self.blocks}


def _kernel(left: Floats, right: Floats, length: float) -> Floats:
    kernel: Floats = np.exp(-((left[:, None] - right[None]) ** 2) / (2 * length**2))
    return kernel
