"""The pipeline's scores, items and people as one table of items: what `tasklaws orders` reads, made of a ladder."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import AnyItem, Item, Role
from tasklaws.items.table import ItemTable, check_items
from tasklaws.paths import Paths
from tasklaws.tables import read_final_scores, read_observations

_SECONDS_A_MINUTE = 60


def families_without_people(families: Mapping[str, str], people: pd.DataFrame) -> list[str]:
    """The families, sorted, none of whose items stands in `people`; one of which only some do raises TasklawsError.
    `families` maps an item to its family."""
    known = {family for item, family in families.items() if item in people.index}
    for item, family in sorted(families.items()):
        if family in known and item not in people.index:
            raise TasklawsError(
                f"data/humans/items.csv lacks {item}, but has others of {family}: give attempts at all items of a "
                "family in humans.attempts, or at none, and run `dvc repro --force humans`"
            )
    return sorted(set(families.values()) - known)


def ladder_items(
    scores: pd.DataFrame, sizes: dict[str, float], items: list[AnyItem], people: pd.DataFrame
) -> ItemTable:
    """One model a rung, one task an item and elicitation: `scores` are exact matches of final checkpoints, averaged
    over seeds; `sizes` their n_params.

    `human_minutes` is what the family's model says of a person without a shortcut, for every item of ours has that; of
    a benchmark's neither people nor steps are known. People's median is unknown where fewer than half finish. Families
    may have no people: their solve rate is unknown. An item that is not among `items`, or that lacks people although
    others of its family have them, raises TasklawsError.
    """
    known = {item.id: item for item in items}
    solved = scores[scores["exact_match"].notna()]
    strangers = solved.loc[~solved["item"].isin(list(known)), "item"]
    if len(strangers):
        raise TasklawsError(f"item {strangers.iloc[0]} was scored and is not in data/items: run `dvc repro`")
    families_without_people({item.id: item.family for item in items}, people)
    rows = solved.groupby(["rung", "family", "elicitation", "item"], as_index=False)["exact_match"].mean()
    of = [known[item] for item in rows["item"]]
    ours = [item if isinstance(item, Item) else None for item in of]
    counts = people.reindex(rows["item"])
    table = pd.DataFrame(
        {
            "model": rows["rung"],
            "n_params": rows["rung"].map(sizes),
            "task": rows["item"] + "/" + rows["elicitation"],
            "score": rows["exact_match"],
            "family": rows["family"] + "_" + rows["elicitation"],
            "skills": [";".join(item.skills) for item in of],
            "human_minutes": [item and item.human_seconds / _SECONDS_A_MINUTE for item in ours],
            "human_attempts": counts["n_people"].to_numpy(),
            "human_solved": counts["n_solved"].to_numpy(),
            "steps_required": [item and item.n_required for item in ours],
            "steps_optional": [item and item.n_optional for item in ours],
            "chance": [item.chance for item in of],
        }
    )
    return check_items(table, "the ladder's items")


def read_ladder_items(
    paths: Paths, rungs: Mapping[Role, Sequence[str]], items: list[AnyItem], people: pd.DataFrame
) -> ItemTable:
    """`ladder_items` of a ladder's files; `rungs` of each role. A missing or malformed file raises TasklawsError."""
    scores: list[pd.DataFrame] = []
    sizes: dict[str, float] = {}
    for role, names in rungs.items():
        observations = read_observations(paths.observations(role), names)
        scores.append(read_final_scores(paths.scores(role), names, observations))
        sizes |= dict(zip(observations["rung"], observations["n_params"].astype(float), strict=True))
    return ladder_items(pd.concat(scores), sizes, items, people)
