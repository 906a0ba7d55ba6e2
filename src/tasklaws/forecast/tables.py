"""Reading and checking the pipeline's tables that forecasts are made of and end in."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_table
from tasklaws.core.schema import (
    LADDER_COLUMNS,
    LADDER_KEYS,
    METRICS,
    OBSERVATION_COLUMNS,
    OBSERVATION_KEYS,
    OBSERVATION_NUMBERS,
)
from tasklaws.forecast.baselines import BASELINES, LOSS_BASELINES
from tasklaws.scores import read_scores

BASELINE_NAMES = list(dict.fromkeys(method.name for method in (*BASELINES, *LOSS_BASELINES)))
CURVE_KEYS = ["ladder", "family", "elicitation", "metric"]
FORECAST_KEYS = ["ladder", "rung", "family", "elicitation", "metric"]
# holdout.csv: `link_mean` and `link_sd` are the forecast on the scale on which it is normal (forecast.links);
# `design_effect` is n_items / n_eff of its items (1: independent), and `widening` what that multiplied link_sd by.
FORECAST_NUMBERS = [
    "n_params",
    "n_tokens",
    "train_flops",
    "predicted",
    "lower",
    "upper",
    "equivalent_items",
    "link_mean",
    "link_sd",
    "design_effect",
    "widening",
    *BASELINE_NAMES,
]
FORECAST_COLUMNS = [*FORECAST_KEYS, *FORECAST_NUMBERS, "method", "fit_status", "verdict", "evidence"]
METHOD_KEYS = [*FORECAST_KEYS, "method"]
METHOD_NUMBERS = ["weight", "predicted", "lower", "upper"]
METHOD_COLUMNS = [*METHOD_KEYS, *METHOD_NUMBERS]
BAND_KEYS = [*CURVE_KEYS, "n_params"]
BAND_NUMBERS = ["n_params", "predicted", "lower", "upper"]
BAND_COLUMNS = [*CURVE_KEYS, *BAND_NUMBERS]
ITEM_KEYS = ["rung", "family", "elicitation", "item"]
ITEM_COLUMNS = [*ITEM_KEYS, "probability"]

AGREEMENT = 1e-6  # how far an observation may lie from the mean of its items' scores


class Key(NamedTuple):
    """What one curve is of."""

    family: str
    elicitation: str
    metric: str

    def __str__(self) -> str:
        return f"{self.family} {self.elicitation} {self.metric}"


def read_ladder(path: Path, rungs: list[str]) -> pd.DataFrame:
    """The sizes of `rungs`; a missing one raises TasklawsError."""
    numbers = ["n_params", "n_tokens", "train_flops"]
    table = read_table(path, LADDER_COLUMNS, LADDER_KEYS, LADDER_COLUMNS, numbers)
    lacking = [rung for rung in rungs if rung not in set(table["rung"])]
    if lacking:
        raise TasklawsError(f"{path}: rung {lacking[0]} is missing: run `dvc repro ladder`")
    return table[table["rung"].isin(rungs)]


def read_forecasts(path: Path) -> pd.DataFrame:
    known = [column for column in FORECAST_COLUMNS if column not in BASELINE_NAMES]
    return read_table(path, FORECAST_COLUMNS, FORECAST_KEYS, [*known, "repeat_last"], FORECAST_NUMBERS)


def read_methods(path: Path) -> pd.DataFrame:
    return read_table(path, METHOD_COLUMNS, METHOD_KEYS, METHOD_COLUMNS, METHOD_NUMBERS)


def read_bands(path: Path) -> pd.DataFrame:
    return read_table(path, BAND_COLUMNS, BAND_KEYS, BAND_COLUMNS, BAND_NUMBERS)


def read_item_forecasts(path: Path) -> pd.DataFrame:
    return read_table(path, ITEM_COLUMNS, ITEM_KEYS, ITEM_COLUMNS, ["probability"])


def read_checkpoints(path: Path) -> pd.DataFrame:
    """All observations of a file, final or not."""
    required = [*OBSERVATION_KEYS, "is_final", "n_params", "n_tokens", "train_flops", "value"]
    table = read_table(path, OBSERVATION_COLUMNS, OBSERVATION_KEYS, required, OBSERVATION_NUMBERS)
    if table["is_final"].dtype != bool:
        raise TasklawsError(f"{path}: is_final must be True or False in every row: run `dvc repro observe`")
    return table


def read_observations(path: Path, rungs: list[str]) -> pd.DataFrame:
    """The final observations of `rungs`, in order. A rung without any, a rung that lacks a curve which another has, two
    final checkpoints of one seed, and a share solved without chance or n_items raise TasklawsError."""
    table = read_checkpoints(path)
    final = table[table["is_final"] & table["rung"].isin(rungs)].sort_values(OBSERVATION_KEYS)
    for rung in rungs:
        if not (final["rung"] == rung).any():
            raise TasklawsError(
                f"{path}: rung {rung} has no final observation: run `dvc repro score@{rung} observe`, or take the "
                "rung out of conf/models"
            )
    for key, own in by_key(final):
        refuse_incomplete(path, key, own, rungs)
    return final


def refuse_incomplete(path: Path, key: Key, table: pd.DataFrame, rungs: list[str]) -> None:
    lacking = [rung for rung in rungs if rung not in set(table["rung"])]
    if lacking:
        raise TasklawsError(
            f"{path}: rung {lacking[0]} has no observation of {key}: run `dvc repro score@{lacking[0]} observe`"
        )
    twice = table.loc[table.duplicated(["rung", "seed"]), "rung"]
    if len(twice):
        raise TasklawsError(f"{path}: rung {twice.iloc[0]} has two final checkpoints of one seed: mark one is_final")
    if key.metric == "exact_match":
        for column in ("n_items", "chance"):
            if table[column].isna().any():
                raise TasklawsError(f"{path}: {column} of {key} is missing: run `dvc repro observe`")


def read_final_scores(folder: Path, rungs: list[str], observations: pd.DataFrame) -> pd.DataFrame:
    """The items' scores of the final checkpoints of `rungs`, as `observations` names them; one that is not the mean of
    its scores raises TasklawsError."""
    final = observations[["rung", "seed", "step"]].drop_duplicates()
    scores = read_scores(folder, rungs).merge(final, on=["rung", "seed", "step"])
    for key, table in by_key(observations):
        if key.metric in METRICS:
            refuse_disagreement(key, table, scores)
    return scores


def refuse_disagreement(key: Key, table: pd.DataFrame, scores: pd.DataFrame) -> None:
    own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
    means = own.groupby(["rung", "seed"])[key.metric].mean().rename("mean").reset_index()
    both = table[["rung", "seed", "value"]].merge(means, how="left", on=["rung", "seed"])
    for row in both[both["mean"].isna()].itertuples():
        raise TasklawsError(f"rung {row.rung} seed {row.seed} has no scores of {key}: run `dvc repro score@{row.rung}`")
    apart = np.abs(both["mean"] - both["value"]) > AGREEMENT
    if apart.any():
        rung = both.loc[apart, "rung"].iloc[0]
        raise TasklawsError(f"rung {rung}: {key} differs from the mean of its scores: run `dvc repro observe`")


def by_key(observations: pd.DataFrame) -> Iterator[tuple[Key, pd.DataFrame]]:
    """The rows of every family, elicitation and metric, in the order of their names."""
    for (family, elicitation, metric), table in observations.groupby(list(Key._fields), sort=True):
        yield Key(str(family), str(elicitation), str(metric)), table
