"""A population of made-up people at the project's items, by a model that is written down here and in docs/humans.md.

A person has an ability theta ~ N(0, 1), and a speed, a patience and pieces of knowledge (Python, Gauss's formula) that
each go with ability to a stated degree. An item takes its family's fixed time and then the time of its steps; who knows
the shortcut skips the optional ones. A person who lacks what the item needs never solves it."""

import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.core.settings import Population, Work
from tasklaws.humans.attempts import GROUP

Flags = NDArray[np.bool_]


def work_seconds(work: Work, item: Item, skipping: Flags | bool, pace: Array | float = 1.0) -> Array:
    """Time to finish: fixed + steps, `pace` times for what the person does; skipped steps take none."""
    fixed = min(work.fixed_seconds, item.human_seconds)
    kept = np.where(skipping, item.n_required / (item.n_required + item.n_optional), 1.0)
    steps = (item.human_seconds - fixed) * kept
    return np.asarray(fixed * pace + steps * (1.0 if work.machine else pace), dtype=float)


def simulate_attempts(items: Sequence[Item], population: Population, seed: int) -> pd.DataFrame:
    """Every person's one attempt at every item, as an attempts table; times to 0.1 s, scores to four decimals.

    The same seed gives the same table, and each item its attempts whatever the other items are. Of person j at item i:

    - speed_j = speed_sd (r theta_j + sqrt(1 - r^2) z_j), r = speed_ability; pace_ij = exp(pace_sd e_ij - speed_j)
      (log-normal times, speed going with ability: van der Linden 2007); time by `work_seconds`.
    - gives up after patience_seconds exp(patience_sd z'_j), unless finished or stopped at the timeout before.
    - each step the person does (writing the program is one) goes wrong with probability
      sigmoid(logit(slip) + delta_i - theta_j); delta_i is the mean over the item's skills of N(0, skill_sd^2) draws.
    - solved: finished, knowing what is needed, without a slip, or with one and the item's `chance`.
    - score: 1 if solved; else right steps among all, of those that were done; 0 for a program that is not there.

    An item of a family without `work` raises TasklawsError."""
    people = _People(population, seed)
    parts = [_attempts(item, population, people, seed) for item in items]
    groups = {GROUP + name: np.where(knows, "yes", "no") for name, knows in sorted(people.knows.items())}
    table = pd.concat([part.assign(**groups) for part in parts], ignore_index=True)
    return table.sort_values(["person", "item"], ignore_index=True)


class _People:
    def __init__(self, population: Population, seed: int) -> None:
        size = population.n_people
        self.names = [f"p{number:0{len(str(size))}d}" for number in range(1, size + 1)]
        self.ability = _normal(size, seed, "ability")
        self.speed = population.speed_sd * self._with_ability(population.speed_ability, seed, "speed")
        self.patience = population.patience_seconds * np.exp(population.patience_sd * _normal(size, seed, "patience"))
        self.knows = {
            name: self._with_ability(known.ability, seed, "knows", name) > -ndtri(known.share)
            for name, known in population.knowledge.items()
        }

    def _with_ability(self, correlation: float, seed: int, *names: str) -> Array:
        own = _normal(len(self.names), seed, *names)
        return np.asarray(correlation * self.ability + np.sqrt(1 - correlation**2) * own)


def _attempts(item: Item, population: Population, people: _People, seed: int) -> pd.DataFrame:
    work = population.work.get(item.family)
    if work is None:
        raise TasklawsError(f"humans.population.work has no {item.family}: say there how people do its items")
    size = len(people.names)
    rng = _generator(seed, "item", item.id)
    able = np.logical_and.reduce([np.ones(size, bool), *(people.knows[name] for name in work.needs)])
    skipping = np.logical_or.reduce([np.zeros(size, bool), *(people.knows[name] for name in work.skips)])
    finish = work_seconds(work, item, skipping, np.exp(population.pace_sd * rng.standard_normal(size) - people.speed))
    left = np.minimum(people.patience, work.timeout)
    finished = able & (finish <= left)
    n_steps = np.where(skipping, item.n_required, item.n_required + item.n_optional)
    if work.machine:
        n_steps = np.ones(size, int)
    skills = [float(_normal(1, seed, "skill", skill)[0]) for skill in item.skills]
    delta = population.skill_sd * float(np.mean(skills)) if skills else 0.0
    slips = rng.binomial(n_steps, expit(logit(population.slip) + delta - people.ability))
    solved = finished & ((slips == 0) | (rng.random(size) < item.chance))
    done = np.where(finished, n_steps, np.floor(n_steps * np.minimum(left / finish, 1)))
    partial = np.where(able, np.maximum(done - slips, 0) / n_steps, 0.0)
    return pd.DataFrame(
        {
            "person": people.names,
            "item": item.id,
            "seconds": np.maximum(np.round(np.where(finished, finish, left), 1), 0.1),
            "timeout": float(work.timeout),
            "solved": solved.astype(int),
            "score": np.where(solved, 1.0, np.round(partial, 4)),
        }
    )


def _normal(size: int, seed: int, *names: str) -> Array:
    return _generator(seed, *names).standard_normal(size)


def _generator(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32("\0".join(names).encode())])
