"""Overlap designed into a set of items: the skills that they share, and how many independent tasks remain."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.step_chain import StepChain


def chain_weights(chain: StepChain) -> dict[str, float]:
    """The weight of each skill of a step_chain family: 1 / its frequency in the corpus, its rarity.

    In the quantization model a skill of frequency f is learned once a number of tokens in proportion to 1 / f was seen
    (Michaud et al. 2023, arXiv 2303.13506, section 2)."""
    return {skill.name: 1 / frequency for skill, frequency in zip(chain.skills, chain.frequencies, strict=True)}


def needs(items: Sequence[Item], weight: Mapping[str, float] | None = None) -> tuple[Array, Array]:
    """Which skills each item needs, (items, skills) of 0 and 1, and each skill's weight, (skills,).

    Without `weight` all skills weigh the same. A skill that `weight` lacks, a weight that is not positive, or an item
    without skills raises TasklawsError."""
    bare = [item.id for item in items if not item.skills]
    if bare:
        raise TasklawsError(f"item {bare[0]} names no skill: overlap needs the skills of every item")
    names = sorted({skill for item in items for skill in item.skills})
    given = dict.fromkeys(names, 1.0) if weight is None else weight
    for name in names:
        if not (name in given and given[name] > 0 and math.isfinite(given[name])):
            raise TasklawsError(f"the weight of skill {name!r} is {given.get(name)}: give a positive number")
    needed = np.array([[float(name in item.skills) for name in names] for item in items])
    return needed, np.array([given[name] for name in names])


def pairwise_overlap(needed: Array, weight: Array) -> Array:
    """Pairwise overlap J_ij = W(A_i and A_j) / W(A_i or A_j), (items, items), 0: no common skill, 1: the same skills.

    W(A) is the summed weight of the skills A: the weighted Jaccard index. It is a probability: let skill k be learned
    at ln size ln w_k + G_k, with G_k independent standard Gumbel, and an item be solved once its last skill is learned.
    Then skill k is the last of a set A with probability w_k / W(A) (Luce's choice axiom; Yellott 1977), so J_ij is the
    probability that one and the same skill is what both items waited for."""
    common = (needed * weight) @ needed.T
    own = np.diag(common)
    return np.asarray(common / (own[:, None] + own - common))


def correlation(overlaps: Array) -> Array:
    """How far two items are solved together: log2(1 + J), the correlation pooled over all ln sizes.

    In the model of `pairwise_overlap`, with u = exp(-ln size), both items are solved with probability
    exp(-W(A or B) u), one of them with exp(-W(A) u), the other with exp(-W(B) u). By Frullani's integral the covariance
    integrates over ln size to ln((W(A) + W(B)) / W(A or B)) = ln(1 + J), and every item's variance to ln 2, whatever
    its weight."""
    return np.asarray(np.log2(1 + overlaps))


def designed_number(correlations: Array) -> float:
    """n^2 / sum of all correlations: as many independent items have a mean score of the same variance.

    n for the identity, 1 where all items are one. With the same correlation rho for every pair it is n divided by
    Kish's design effect 1 + (n - 1) rho (Kish 1965, Survey Sampling, section 5.4)."""
    return float(len(correlations) ** 2 / correlations.sum())
