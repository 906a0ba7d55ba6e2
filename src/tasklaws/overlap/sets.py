"""Sets of chains that differ in nothing but their overlap.

Of one seed the sets share their items, but for those that a larger overlap gives the shared skill: which skills there
are and which digits they work on are drawn once a seed. So every question is asked once, and overlaps are compared in
pairs.
"""

from pathlib import Path

import pandas as pd

from tasklaws.core.schema import Item
from tasklaws.core.settings import Ask, OverlapSets
from tasklaws.families import Family, build

FAMILY = "step_chain"
SET_ITEMS = Path("data/overlap/items")
ASK: Ask = {FAMILY: ("direct",)}


def set_chains(settings: OverlapSets) -> list[Family]:
    """The family of every overlap; settings that step_chain refuses raise TasklawsError."""
    chains = ({FAMILY: {**settings.chain, "overlap": share}} for share in settings.overlaps)
    return [family for chain in chains for family in build(chain, "conf/experiment")]


def draw_sets(settings: OverlapSets, seed: int, learned: frozenset[str]) -> tuple[list[Item], pd.DataFrame]:
    """Every distinct item once, and the sets (tables.SETS), of which items that are `learned` from are marked.

    The set of overlap o and number s is what step_chain makes of seed + 1 + s, so that none is an item of seed.
    """
    items: dict[str, Item] = {}
    rows: list[dict[str, object]] = []
    for share, family in zip(settings.overlaps, set_chains(settings), strict=True):
        for number in range(settings.n_seeds):
            for item in family.items(seed + 1 + number, "test"):
                is_learned = item.question in learned
                if not is_learned:
                    items[item.id] = item
                row = {"overlap": share, "set_seed": number, "item": item.id}
                rows.append(row | {"skill": item.skills[0], "is_learned": is_learned})
    return sorted(items.values(), key=lambda item: item.id), pd.DataFrame(rows)
