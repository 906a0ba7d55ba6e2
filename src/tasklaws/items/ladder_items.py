"""The pipeline's scores, items and people as one table of items: what `tasklaws orders` reads, made of a ladder."""

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.items.table import ItemTable, check_items

SECONDS_A_MINUTE = 60


def ladder_items(scores: pd.DataFrame, sizes: dict[str, float], items: list[Item], people: pd.DataFrame) -> ItemTable:
    """One model a rung, one task an item and elicitation: `scores` are exact matches of final checkpoints, averaged
    over seeds; `sizes` their n_params.

    `human_minutes` is what the family's model says of a person without a shortcut, for every item has that; people's
    median is unknown where fewer than half finish. An item that is unknown, or that nobody of `people` attempted,
    raises TasklawsError.
    """
    known = {item.id: item for item in items}
    solved = scores[scores["exact_match"].notna()]
    for name, there in (("data/items", set(known)), ("data/humans/items.csv", set(people.index))):
        strangers = solved.loc[~solved["item"].isin(there), "item"]
        if len(strangers):
            raise TasklawsError(f"item {strangers.iloc[0]} was scored and is not in {name}: run `dvc repro humans`")
    rows = solved.groupby(["rung", "family", "elicitation", "item"], as_index=False)["exact_match"].mean()
    of = [known[item] for item in rows["item"]]
    counts = people.loc[rows["item"]]
    table = pd.DataFrame(
        {
            "model": rows["rung"],
            "n_params": rows["rung"].map(sizes),
            "task": rows["item"] + "/" + rows["elicitation"],
            "score": rows["exact_match"],
            "family": rows["family"] + "_" + rows["elicitation"],
            "skills": [";".join(item.skills) for item in of],
            "human_minutes": [item.human_seconds / SECONDS_A_MINUTE for item in of],
            "human_attempts": counts["n_people"].to_numpy(),
            "human_solved": counts["n_solved"].to_numpy(),
            "steps_required": [item.n_required for item in of],
            "steps_optional": [item.n_optional for item in of],
            "chance": [item.chance for item in of],
        }
    )
    return check_items(table, "the ladder's items")
