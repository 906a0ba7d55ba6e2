"""Reading the scores of several rungs, and telling whether they are of several models."""

import hashlib
from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_table
from tasklaws.core.schema import METRIC_RANGES, SCORE_COLUMNS, SCORE_KEYS, SCORE_NUMBERS


def read_scores(directory: Path, rungs: list[str]) -> pd.DataFrame:
    """The scores of the listed rungs, and of them only; a rung without results raises TasklawsError."""
    for rung in rungs:
        if not (directory / f"{rung}.csv").is_file():
            raise TasklawsError(f"rung {rung} has no results in {directory}: run `dvc repro score@{rung}`")
    return pd.concat([_read_rung(directory / f"{rung}.csv", rung) for rung in rungs], ignore_index=True)


def _read_rung(path: Path, rung: str) -> pd.DataFrame:
    table = read_table(path, SCORE_COLUMNS, SCORE_KEYS, [*SCORE_KEYS, "chance", "response"], SCORE_NUMBERS)
    strangers = table.loc[table["rung"] != rung, "rung"]
    if table.empty or len(strangers):
        found = "no rows" if table.empty else f"a row of {strangers.iloc[0]}"
        raise TasklawsError(f"{path} has {found}: run `dvc repro --force score@{rung}`")
    for metric, (smallest, largest, _) in METRIC_RANGES.items():
        bad = table.loc[table[metric].notna() & ~table[metric].between(smallest, largest), metric]
        if len(bad):
            raise TasklawsError(f"{path}: {metric} is {bad.iloc[0]}: it lies in [{smallest:g}, {largest:g}]")
    return table


def refuse_identical(scores: pd.DataFrame) -> None:
    """Raise TasklawsError if two rungs said the same to every item: one model was asked in the place of another."""
    keys = ["seed", "step", "family", "elicitation", "item"]
    finals = scores[scores["step"] == scores.groupby(["rung", "seed"])["step"].transform("max")]
    digests: dict[str, str] = {}
    for (rung, _), rows in finals.sort_values(keys).groupby(["rung", "seed"]):
        digest = hashlib.sha256("".join(rows["response"]).encode()).hexdigest()
        if digests.setdefault(digest, str(rung)) != rung:
            raise TasklawsError(
                f"rungs {digests[digest]} and {rung} gave identical responses throughout: are they two models?"
            )
