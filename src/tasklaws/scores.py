"""Reading the scores of several rungs, and telling whether they are of several models."""

import hashlib
from pathlib import Path

import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_table
from tasklaws.schema import SCORE_COLUMNS, SCORE_KEYS


def read_scores(directory: Path, rungs: list[str]) -> pd.DataFrame:
    """The scores of the listed rungs, and of them only; a rung without results raises TasklawsError."""
    for rung in rungs:
        if not (directory / f"{rung}.csv").is_file():
            raise TasklawsError(f"rung {rung} has no results in {directory}: run `dvc repro score@{rung}`")
    tables = [read_table(directory / f"{rung}.csv", SCORE_COLUMNS, SCORE_KEYS, SCORE_KEYS) for rung in rungs]
    return pd.concat(tables, ignore_index=True)


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
