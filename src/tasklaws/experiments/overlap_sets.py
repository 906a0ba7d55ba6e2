"""Sets of chains that differ in nothing but their overlap.

from tasklaws.tables import SETS


Of one seed the sets share their items, but for those that a larger overlap gives the shared skill: which skills there
are and which digits they work on are drawn once a seed. So every question is asked once, and overlaps are compared in
pairs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item
from tasklaws.core.typed import DISTINCT, NOT_EMPTY, Rule, Share, at_least, typed
from tasklaws.families import Family, build
from tasklaws.tables import SETS


@dataclass(frozen=True)
class SetSettings:
    """`experiment.sets` of params.yaml: `n_seeds` sets of each overlap; forecasts start from `min_rungs` rungs."""

    overlaps: Annotated[tuple[Share, ...], NOT_EMPTY, DISTINCT]
    n_seeds: Annotated[int, at_least(2)]
    min_rungs: Annotated[int, at_least(3)]
    chain: dict[str, Any]

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "SetSettings":
        """Read them; without an experiment, and with a value that cannot be, TasklawsError is raised."""
        found = params["experiment"].get("sets")
        if found is None:
            raise TasklawsError("params.yaml has no experiment: run `dvc exp run -S experiment=overlap`")
        return typed(cls, found, "params.yaml: experiment.sets", "correct it in conf/experiment")

    def families(self) -> list[Family]:
        """The chains of every overlap; settings that cannot be raise TasklawsError.

        Chains of more than one step need common skills too, which would leave n_eff below what the overlap says.
        """
        if set(self.chain.get("lengths", {})) != {1}:
            given = self.chain.get("lengths")
            raise TasklawsError(
                f"experiment.sets.chain.lengths is {given}: give chains of one step, whose n_eff is what was designed"
            )
        return [
            family
            for share in self.overlaps
            for family in build({FAMILY: {**self.chain, "overlap": share}}, "conf/experiment")
        ]

    def refuse_short(self, ladder: str, n_rungs: int) -> None:
        """Raise TasklawsError for a ladder that leaves no rung to forecast."""
        if n_rungs <= self.min_rungs:
            raise TasklawsError(
                f"{ladder} has {n_rungs} rungs, and forecasts start from experiment.sets.min_rungs {self.min_rungs}: "
                "take a longer ladder, or lower it in conf/experiment"
            )


def draw_sets(settings: SetSettings, seed: int, learned: frozenset[str]) -> tuple[list[Item], pd.DataFrame]:
    """Every distinct item once, and the sets (tables.SETS), of which items that are `learned` from are marked.

    The set of overlap o and number s is what step_chain makes of seed + 1 + s, so that none is an item of seed.
    """
    items: dict[str, Item] = {}
    rows: list[dict[str, Any]] = []
    for share, family in zip(settings.overlaps, settings.families(), strict=True):
        for number in range(settings.n_seeds):
            for item in family.items(seed + 1 + number, "test"):
                asked = item.question not in learned
                if asked:
                    items[item.id] = item
                row = {"overlap": share, "set_seed": number, "item": item.id}
                rows.append(row | {"skill": item.skills[0], "is_learned": not asked})
    return sorted(items.values(), key=lambda item: item.id), SETS.frame(rows)


FAMILY = "step_chain"
ITEMS = Path("data/overlap/items")
ASK: dict[str, list[Elicitation]] = {FAMILY: ["direct"]}


Exponent = Annotated[float, Rule("more than 1", lambda exponent: exponent > 1)]
_REMEDY = "correct it in conf/experiment"


@dataclass(frozen=True)
class Exponents:
    """Zipf exponents of corpora: above 1, as endlessly many skills have no other."""

    exponents: Annotated[tuple[Exponent, ...], NOT_EMPTY, DISTINCT]


def refuse_experiment(params: dict[str, Any]) -> None:
    """Raise TasklawsError for an experiment whose settings a stage would refuse, or that fits no such ladder."""
    experiment = params["experiment"]
    if not experiment["ladders"]:
        return
    settings = SetSettings.from_params(params)
    settings.families()
    settings.refuse_short(params["models"]["name"], len(params["models"]["rungs"]))
    typed(Exponents, {"exponents": experiment.get("exponents")}, "experiment", _REMEDY)
