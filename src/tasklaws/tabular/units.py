"""Numbers in the units that they should have, and the refusal of those that cannot be what their column says."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.csv_files import place, refuse
from tasklaws.frames.shown import quoted
from tasklaws.tabular.names import UNIT_FACTORS, Columns

# Below these a column is in another unit: the smallest model, data set and run that a ladder has are far above.
_LEAST = {"n_params": 100.0, "n_tokens": 100.0, "train_flops": 1e6}
_FRACTIONS = 1e4  # a column of counts with fractions lies above somewhere, if it is in units
_MOST = {"n_params": 1e16, "n_tokens": 1e18, "train_flops": 1e33}  # what a stated unit may lead to
_EXAMPLE = {"n_params": ("n_params_b", "1e9"), "n_tokens": ("n_tokens_b", "1e9"), "train_flops": ("flops_e21", "1e21")}
_SIZE_IN_NAME = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([kmbt])(?![a-z0-9])", re.IGNORECASE)
# So many times apart, two sizes are in two units: embeddings, experts and attention explain less.
_FAR = 100.0


def in_units(table: pd.DataFrame, path: str, columns: Columns, given: Mapping[str, float]) -> pd.DataFrame:
    """The table, whose numbers are in the units that their columns' names, or `given` units, state.

    Raises TasklawsError, with line, value and remedy, where a size is none in the unit that it has: below 100
    parameters or tokens or 1e6 FLOPs (0 tokens and FLOPs are untrained), or with fractions and all below 10,000; where
    every model's name, or N, D and FLOPs of every row, tell another unit; and where percent stand beside standard
    errors of no stated unit. A factor in `given`, 1 too, is believed.
    """
    believed = {column for column in columns.factors if column in given or columns.names.get(column) in given}
    for column in _LEAST:
        if column in table and column not in columns.factors:
            _refuse_small(table[column].mask(_follows(table)) if column == "train_flops" else table[column], column)
        elif column in table:
            remedy = f"with its unit, {columns.factors[column]:g}, it is more than any: does the column have that unit?"
            refuse(table[column], table[column] > _MOST[column], remedy)
    _refuse_doubtful_percent(table, path, columns, believed)
    if "n_params" not in believed:
        _refuse_other_names(table)
    if {"n_params", "n_tokens", "train_flops"} <= set(table) and believed.isdisjoint(_LEAST):
        _refuse_other_flops(table)
    return table


def _follows(table: pd.DataFrame) -> pd.Series:
    """Where FLOPs are 6 N D, so that they are in the unit of two sizes that were looked at."""
    if not {"n_params", "n_tokens"} <= set(table):
        return pd.Series(False, table.index)
    return (table["train_flops"] / (6 * table["n_params"] * table["n_tokens"]) - 1).abs() < 0.01


def _refuse_small(sizes: pd.Series, column: str) -> None:
    name, factor = _EXAMPLE[column]
    remedy = f"too small for {column}: name the unit, as in {name} or --units {column}={factor} ({column}=1: it is so)"
    refuse(sizes, (sizes > 0) & (sizes < _LEAST[column]), remedy)
    fractions = (sizes != np.floor(sizes)) & sizes.notna() & np.isfinite(sizes)
    if column != "train_flops" and fractions.any() and sizes.max() < _FRACTIONS:
        refuse(sizes, fractions, remedy)


def _refuse_doubtful_percent(table: pd.DataFrame, path: str, columns: Columns, believed: set[str]) -> None:
    if columns.factors.get("value", 1.0) != 0.01:
        return
    if "value" in table and "value" not in believed and (table["value"].max() <= 0.01 < table["value"].max() * 100):
        raise TasklawsError(
            f"{path}: column {quoted(columns.names['value'])} says percent and has no value above 1: rename it, or "
            "give --units value=percent if it is so"
        )
    if "stderr" in columns.names and "stderr" not in columns.factors and (table["stderr"] > 0).any():
        raise TasklawsError(
            f"{path}: value is in percent, and stderr states no unit: give --units stderr=percent, or stderr=1"
        )


def _refuse_other_names(table: pd.DataFrame) -> None:
    """Raise TasklawsError where every model that has a size in its name has another, in the same sense."""
    if not {"model", "n_params"} <= set(table):
        return
    sized = table[["model", "n_params"]].drop_duplicates().dropna()
    sized = sized[(sized["n_params"] > 0) & np.isfinite(sized["n_params"])]
    apart = [_times(str(name), size) for name, size in zip(sized["model"], sized["n_params"].tolist(), strict=True)]
    known = [(line, times) for line, times in zip(sized.index, apart, strict=True) if times is not None]
    if known and (all(times > _FAR for _, times in known) or all(times < 1 / _FAR for _, times in known)):
        line = known[0][0]
        row = sized.loc[[line]].iloc[0]
        raise TasklawsError(
            f"{place(table.index, line)}: n_params of model {quoted(row['model'])} is {row['n_params']:.6g}: its name "
            "says otherwise: name the unit, as in n_params_m or --units n_params=1e6 (n_params=1: it is so)"
        )


def _times(name: str, size: float) -> float | None:
    """How many times the size in a name a model's size is: the nearest of several, None without any."""
    named = [float(found[1]) * UNIT_FACTORS[found[2].lower()] for found in _SIZE_IN_NAME.finditer(name)]
    return min((size / each for each in named if each), key=lambda times: abs(np.log(times)), default=None)


def _refuse_other_flops(table: pd.DataFrame) -> None:
    """Raise TasklawsError where FLOPs are far from 6 N D in every row that has all three."""
    times = table["train_flops"] / (6 * table["n_params"] * table["n_tokens"])
    times = times[(times > 0) & np.isfinite(times)]
    if len(times) and ((times > _FAR).all() or (times < 1 / _FAR).all()):
        raise TasklawsError(
            f"{place(table.index, times.index[0])}: train_flops are {times.iloc[0]:.3g} times 6 n_params n_tokens, as "
            "in every row: which has another unit? State it, as in flops_e21 or --units train_flops=1e21 (=1: it is so)"
        )
