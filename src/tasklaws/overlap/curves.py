"""What the ladder scored on every set: a curve over the rungs, and how its items went together."""

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.overlap.tables import CURVE_COLUMNS, SIZES
from tasklaws.structure.cells import between_seeds, read_cells
from tasklaws.structure.observed import effective_number


def curves(sets: pd.DataFrame, scores: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """One row (CURVE_COLUMNS) for each set and rung, `value` being the mean over its items and the rung's seeds.

    `sets` as sets.read_sets gives it, `scores` one row an item, rung and seed, `sizes` one a rung. n_eff is that of the
    items that were asked, n^2 / sum of squared sizes of the groups that share a skill. A set whose items were all left
    out, and one with an item that was not scored, raise TasklawsError.
    """
    by_item = scores.groupby(["rung", "item"])[["exact_match", "target_bits_per_byte"]].mean().reset_index()
    rows = []
    for (overlap, number), members in sets.groupby(["overlap", "set_seed"], sort=True):
        asked = members[~members["is_learned"]]
        groups = asked["skill"].value_counts()
        if asked.empty:
            raise TasklawsError(f"set {number} of overlap {overlap}: the corpus holds all its questions: draw others")
        kept = by_item[by_item["item"].isin(asked["item"])]
        for size in sizes.itertuples():
            own = kept[kept["rung"] == size.rung]
            if len(own) < len(asked):
                raise TasklawsError(
                    f"rung {size.rung}: {len(asked) - len(own)} items of set {number} of overlap {overlap} have no "
                    f"score: run `dvc repro overlap_score@{size.rung}`"
                )
            rows.append(
                {
                    "overlap": overlap,
                    "set_seed": number,
                    "rung": size.rung,
                    **{name: getattr(size, name) for name in SIZES},
                    "n_items": len(asked),
                    "n_left_out": len(members) - len(asked),
                    "n_eff": len(asked) ** 2 / float((groups**2).sum()),
                    "value": own["exact_match"].mean(),
                    "target_bits_per_byte": own["target_bits_per_byte"].mean(),
                }
            )
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def seen_numbers(sets: pd.DataFrame, scores: pd.DataFrame) -> pd.Series:
    """n_eff of each set as it shows between the seeds of a rung, by (overlap, set_seed); NaN where no item's score
    differs between them, or they differ at one rung only."""
    found = {}
    for key, members in sets[~sets["is_learned"]].groupby(["overlap", "set_seed"], sort=True):
        own = scores[scores["item"].isin(members["item"])]
        try:
            found[key] = effective_number(between_seeds(read_cells(own, "exact_match")), 0.9).n_eff.value
        except TasklawsError:  # nothing differs: this set tells nothing
            found[key] = np.nan
    return pd.Series(found)
