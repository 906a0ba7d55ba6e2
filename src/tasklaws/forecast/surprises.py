"""Item by item: what the holdout did that was not expected, and what it failed to do."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.forecast.check import log_loss
from tasklaws.forecast.tables import ITEM_KEYS
from tasklaws.items import read_items

SURPRISE_KEYS = ["rank"]
SURPRISE_NUMBERS = ["rank", "seed", "probability", "evidence_bits"]
SURPRISE_COLUMNS = ["rank", *ITEM_KEYS, "seed", "surprise", "probability", "evidence_bits", "skills"]


def surprises(items: pd.DataFrame, skills: dict[tuple[str, str], str]) -> pd.DataFrame:
    """The answers of `judge_items` that were less likely than not, the most surprising first.

    `evidence_bits` is -log2 of the probability of what was seen; `skills` are those of (family, item),
    space-separated."""
    solved = items["solved"].to_numpy(dtype=float) >= 0.5
    table = items.assign(
        surprise=np.where(solved, "solved against expectation", "failed against expectation"),
        evidence_bits=log_loss(items["probability"].to_numpy(dtype=float), solved.astype(float)).round(9),
        skills=[skills.get(key, "") for key in zip(items["family"], items["item"], strict=True)],
    )
    table = table[table["evidence_bits"] > 1]
    table = table.sort_values(["evidence_bits", *ITEM_KEYS, "seed"], ascending=[False, *[True] * 5])
    return table.assign(rank=np.arange(1, len(table) + 1))[SURPRISE_COLUMNS]


def read_skills(folder: Path, families: list[str]) -> dict[tuple[str, str], str]:
    """The skills of the items in `folder`, by family and item."""
    items = [item for family in families for item in read_items(folder / f"{family}.jsonl")]
    return {(item.family, item.id): " ".join(item.skills) for item in items}
