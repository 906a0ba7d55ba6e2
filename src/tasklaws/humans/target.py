"""Reweighting to a target population (post-stratification), for people who were not drawn from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.humans.attempts import GROUP
from tasklaws.humans.intervals import Mean


@dataclass(frozen=True)
class Target:
    """The population that estimates are to speak for: which share of it has each value of one group."""

    group: str
    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        shares = list(self.shares.values())
        if not shares or min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise TasklawsError(f"target shares of {self.group} are {dict(self.shares)}: give shares that sum to 1")

    def refuse_unknown(self, attempts: pd.DataFrame) -> None:
        """Raise TasklawsError unless the attempts have the group, and people of each of its values and no other."""
        if GROUP + self.group not in attempts:
            raise TasklawsError(f"target: no column {GROUP}{self.group} in the attempts: add it, or give no target")
        seen, wanted = set(attempts[GROUP + self.group]), {value for value, share in self.shares.items() if share > 0}
        for value in sorted(seen - set(self.shares)):
            raise TasklawsError(f"target: no share of {self.group} {value!r}: give one (0 where it is not to count)")
        for value in sorted(wanted - seen):
            raise TasklawsError(f"target: no attempt by anyone of {self.group} {value!r}: leave out its share")


def in_target(strata: pd.DataFrame, target: Target, total: str, squares: str) -> Mean:
    """Each item's mean in the target, sum_h W_h m_h; NaN where nobody of a stratum attempted the item.

    `strata` has one row an item and value of the target's group: n_people, and the sum `total` of what is averaged
    and that of its `squares`. Within a stratum people are taken for a random sample of it. Shape of each: (items,),
    sorted by item.
    """
    values = [value for value, share in target.shares.items() if share > 0]
    rows = strata.set_index(["item", GROUP + target.group])
    moments = (rows[part].unstack().reindex(columns=values).to_numpy(float) for part in ("n_people", total, squares))
    return Mean.of(*moments).reweighted([target.shares[value] for value in values])
