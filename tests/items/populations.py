"""Models and items whose truth is known, for the tests of difficulty."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import Explanation


@dataclass(frozen=True)
class Population:
    """Scores (N, M) drawn from `ability` (M,) and `offsets` (N,), which covariates and families explain in part."""

    scores: Array
    explanation: Explanation
    ability: Array
    offsets: Array
    effects: Array


def draw(
    rng: np.random.Generator, n_items: int, n_models: int, missing: float = 0.0, chance: float = 0.0
) -> Population:
    covariates, effects = rng.normal(size=(n_items, 2)), np.array([1.0, -0.5])
    member = np.eye(10)[rng.integers(0, 10, n_items)]
    offsets = covariates @ effects + member @ rng.normal(0, 1, 10) + rng.normal(0, 1.5, n_items)
    ability = rng.normal(0.3, 1.2, n_models)
    solve = chance + (1 - chance) * expit(ability + offsets[:, None])
    scores = (rng.random(solve.shape) < solve).astype(float)
    scores[rng.random(solve.shape) < missing] = np.nan
    return Population(scores, Explanation(covariates, {"family": member}), ability, offsets, effects)


def table(n_models: int = 6, n_items: int = 30, seed: int = 0) -> pd.DataFrame:
    """A table as users give it: dated models that get better, tasks whose minutes say much of their difficulty."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 2, n_items)
    minutes = np.exp(difficulty + rng.normal(0, 0.7, n_items) + 2).round(3)
    rows = [
        {
            "model": f"m{model}",
            "date": f"202{model}-03-01",
            "task": f"t{item:02d}",
            "family": f"f{item % 5}",
            "score": float(rng.random() < expit(model - 2 - difficulty[item])),
            "human_minutes": minutes[item],
        }
        for model in range(n_models)
        for item in range(n_items)
    ]
    return pd.DataFrame(rows)
