"""Reading what the engine needs of a ladder: final observations, the items' scores behind them, sizes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import read_table
from tasklaws.laws.curve import Curve, curve_from_table
from tasklaws.schema import (
    LADDER_COLUMNS,
    LADDER_KEYS,
    METRICS,
    OBSERVATION_COLUMNS,
    OBSERVATION_KEYS,
    Role,
)
from tasklaws.scores import read_scores

FORECAST_KEYS = ["ladder", "rung", "family", "elicitation", "metric"]
FORECAST_COLUMNS = [
    *FORECAST_KEYS,
    "n_params",
    "n_tokens",
    "train_flops",
    "predicted",
    "lower",
    "upper",
    "law",
    "fit_status",
    "verdict",
    "evidence",
    "repeat_last",
    "chance",
    "linear",
]
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


class LadderCurve(NamedTuple):
    """A curve, the observations that it was made of, and the items behind it (none where there are no
    scores)."""

    key: Key
    table: pd.DataFrame
    curve: Curve
    items: list[str]


def rungs_of(params: dict[str, Any], role: Role) -> dict[str, int]:
    """The rungs of `role` in params.yaml, small to large, and how many seeds each has; none raises
    TasklawsError."""
    rungs = params["models"]["rungs"]
    found = {str(name): len(rung["source"]["seeds"]) for name, rung in rungs.items() if rung["role"] == role}
    if not found:
        raise TasklawsError(f"ladder {params['models']['name']} has no rung of role {role}: give one in conf/models")
    return found


def read_ladder(path: Path, rungs: list[str]) -> pd.DataFrame:
    """The sizes of `rungs`; a missing one raises TasklawsError."""
    table = read_table(path, LADDER_COLUMNS, LADDER_KEYS, LADDER_COLUMNS)
    lacking = [rung for rung in rungs if rung not in set(table["rung"])]
    if lacking:
        raise TasklawsError(f"{path}: rung {lacking[0]} is missing: run `dvc repro ladder`")
    return table[table["rung"].isin(rungs)]


def read_forecasts(path: Path) -> pd.DataFrame:
    required = [*FORECAST_KEYS, "predicted", "repeat_last", "linear"]
    return read_table(path, FORECAST_COLUMNS, FORECAST_KEYS, required)


def read_item_forecasts(path: Path) -> pd.DataFrame:
    return read_table(path, ITEM_COLUMNS, ITEM_KEYS, ITEM_COLUMNS)


def read_observations(path: Path, rungs: list[str]) -> pd.DataFrame:
    """The final observations of `rungs`; a rung without any raises TasklawsError."""
    required = [*OBSERVATION_KEYS, "is_final", "n_params", "n_tokens", "train_flops", "value"]
    table = read_table(path, OBSERVATION_COLUMNS, OBSERVATION_KEYS, required)
    if table["is_final"].dtype != bool:
        raise TasklawsError(f"{path}: is_final must be True or False in every row: run `dvc repro observe`")
    final = table[table["is_final"] & table["rung"].isin(rungs)]
    for rung in rungs:
        if not (final["rung"] == rung).any():
            raise TasklawsError(
                f"{path}: rung {rung} has no final observation: run `dvc repro score@{rung} observe`, or take the "
                "rung out of conf/models"
            )
    return final


def read_final_scores(folder: Path, rungs: list[str], observations: pd.DataFrame) -> pd.DataFrame:
    """The items' scores of the final checkpoints of `rungs`, as `observations` names them."""
    final = observations[["rung", "seed", "step"]].drop_duplicates()
    return read_scores(folder, rungs).merge(final, on=["rung", "seed", "step"])


def curves(observations: pd.DataFrame, x: str, scores: pd.DataFrame) -> Iterator[LadderCurve]:
    """The curve of every family, elicitation and metric, in the order of their names.

    A rung that lacks one of them, or two final checkpoints of one seed, raises TasklawsError.
    """
    rungs = set(observations["rung"])
    for name, table in by_key(observations):
        lacking = sorted(rungs - set(table["rung"]))
        if lacking:
            raise TasklawsError(
                f"rung {lacking[0]} has no observation of {name}: run `dvc repro score@{lacking[0]} observe`"
            )
        if table.duplicated(["rung", "seed"]).any():
            rung = table.loc[table.duplicated(["rung", "seed"]), "rung"].iloc[0]
            raise TasklawsError(f"rung {rung}: two final checkpoints of one seed for {name}: mark one is_final")
        behind = item_scores(name, table, scores)
        if behind is None:
            yield LadderCurve(name, table, curve_from_table(table, x), [])
        else:
            matrix = behind.to_numpy(dtype=float)
            yield LadderCurve(name, table, curve_from_table(table, x, matrix), behind.index.astype(str).tolist())


def by_key(observations: pd.DataFrame) -> Iterator[tuple[Key, pd.DataFrame]]:
    for (family, elicitation, metric), table in observations.groupby(list(Key._fields), sort=True):
        yield Key(str(family), str(elicitation), str(metric)), table


def item_scores(key: Key, table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame | None:
    """The scores behind `table`: item by row of it; None where there are none, such as for the corpus."""
    own = scores[(scores["family"] == key.family) & (scores["elicitation"] == key.elicitation)]
    if key.metric not in METRICS or own.empty:
        return None
    matrix = own.pivot(index="item", columns=["rung", "seed"], values=key.metric).sort_index()
    points = list(zip(table["rung"], table["seed"], strict=True))
    lacking = [point for point in points if point not in matrix.columns or matrix[point].isna().all()]
    if lacking:
        rung, seed = lacking[0]
        raise TasklawsError(f"rung {rung} seed {seed} has no scores of {key}: run `dvc repro score@{rung}`")
    found = matrix[points]
    apart = np.abs(found.mean().to_numpy(dtype=float) - table["value"].to_numpy(dtype=float)) > AGREEMENT
    if apart.any():
        rung = table["rung"].to_numpy()[apart][0]
        raise TasklawsError(f"rung {rung}: {key} differs from the mean of its scores: run `dvc repro observe`")
    return found
