"""Item by item: what the holdout did that was not expected, and what it failed to do."""

from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.files import read_jsonl
from tasklaws.forecast.check import log_loss
from tasklaws.forecast.tables import ITEM_KEYS

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
    """The skills of the items in `folder`; a family without a file there has none."""
    found = {}
    for family in families:
        path = folder / f"{family}.jsonl"
        if path.exists():
            for row in read_jsonl(path):
                found[family, str(row["id"])] = " ".join(row["skills"])
    return found
