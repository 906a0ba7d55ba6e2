"""A ladder that learns skills, of which the effective number of tasks is known."""

from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.overlap.design import correlation, designed_number, pairwise_overlap
from tasklaws.overlap.residuals import Cells


@dataclass(frozen=True)
class Ladder:
    """Rungs at `ln_size`, each with `seeds` runs, seen at the shares `checkpoints` of its training.

    `spread` is the standard deviation of what makes a skill harder or easier, in ln size, for all runs alike, beyond
    its weight. What differs between runs has the standard Gumbel distribution, whose standard deviation is 1.28.
    `slips` is the chance that an item's score at a checkpoint is turned round, independently of all else.
    """

    ln_size: tuple[float, ...]
    seeds: int
    checkpoints: tuple[float, ...] = (1.0,)
    spread: float = 0.0
    slips: float = 0.0


def simulate_cells(needed: Array, weight: Array, ladder: Ladder, rng: np.random.Generator) -> tuple[Cells, float]:
    """The scores of items that need skills (`design.needs`), and their true effective number.

    In each run skill k is learned at ln(size x checkpoint) = ln w_k + h_k + Gumbel, h_k ~ N(0, spread^2) being the
    same in all runs; an item is solved once all its skills are learned. The effective number is that of the weights
    w_k exp(h_k): exact without slips, for a ladder that spans all items' learning evenly.
    """
    hardness = rng.normal(0, ladder.spread, len(weight))
    shape = (len(ladder.ln_size), ladder.seeds, len(weight))
    learned = rng.gumbel(size=shape) + np.log(weight) + hardness
    due = np.stack([learned[..., row > 0].max(axis=-1) for row in needed])  # (items, rungs, seeds)
    size = np.add.outer(ladder.ln_size, np.log(ladder.checkpoints))
    solved = size[:, None, :] >= due[..., None]  # (items, rungs, seeds, checkpoints)
    solved ^= rng.random(solved.shape) < ladder.slips
    rung, seed, step = (index.ravel() for index in np.indices(solved.shape[1:]))
    names = tuple(f"item {index}" for index in range(len(needed)))
    cells = Cells(names, solved.reshape(len(needed), -1).astype(float), rung, seed, step)
    return cells, designed_number(correlation(pairwise_overlap(needed, weight * np.exp(hardness))))
