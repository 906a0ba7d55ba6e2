"""structure.csv: its columns, and reading it."""

from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_table

METRIC = "exact_match"
STRUCTURE_KEYS = ["ladder", "family", "elicitation"]
ESTIMATES = ["observed", "by_design", "index", "expected_index"]
LIMITS = [f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")]
# `observed` and `by_design` (only designed pairs correlated) are effective numbers, from the residuals that `contrast`
# names; `n_eff` is the one that forecasts use, as `taken_from` says; `index` is the discontinuity of the curve.
STRUCTURE_NUMBERS = ["n_items", "n_eff", "design_effect", "designed", *LIMITS]
STRUCTURE_COLUMNS = [*STRUCTURE_KEYS, *STRUCTURE_NUMBERS, "contrast", "taken_from"]


def read_structure(path: Path, ladder: str) -> pd.DataFrame:
    """structure.csv of a ladder; another's, and an effective number below 1 or above n_items, raise TasklawsError."""
    required = [*STRUCTURE_KEYS, "n_items", "n_eff", "design_effect", "taken_from"]
    table = read_table(path, STRUCTURE_COLUMNS, STRUCTURE_KEYS, required, STRUCTURE_NUMBERS)
    other = table[table["ladder"] != ladder]
    if len(other):
        raise TasklawsError(
            f"{path} is of ladder {other['ladder'].iloc[0]}, not {ladder}: run `dvc repro --force structure`"
        )
    bad = table[~table["n_eff"].between(1 - 1e-9, table["n_items"] * (1 + 1e-9))]
    if len(bad):
        row = bad.iloc[0]
        raise TasklawsError(
            f"{path}: n_eff of {row['family']} {row['elicitation']} is {row['n_eff']:g}: it lies in [1, n_items], here "
            f"[1, {row['n_items']:g}]: run `dvc repro --force structure`"
        )
    return table


def with_effective_number(observations: pd.DataFrame, structure: pd.DataFrame) -> pd.DataFrame:
    """Observations with `n_eff` beside; a family that was scored and has no row in `structure` raises TasklawsError."""
    pair = ["family", "elicitation"]
    table = observations.merge(structure[[*pair, "n_eff"]], how="left", on=pair, validate="many_to_one")
    lacking = table[table["n_eff"].isna() & (table["metric"] == METRIC)]
    if len(lacking):
        row = lacking.iloc[0]
        raise TasklawsError(
            f"structure.csv has no row of {row['family']} {row['elicitation']}: run `dvc repro structure`"
        )
    return table
