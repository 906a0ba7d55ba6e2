"""What rows know of each other: a model's size, date and tokens, a task's number of items and chance."""

import functools
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasklaws.frames.csv_files import read_csv
from tasklaws.frames.shown import quoted, some
from tasklaws.tables import losses

_TEST_SETS = Path(__file__).with_name("test_sets.csv")
_SAME_STDERR = 0.05  # a standard error that tells another number of items, by more than this share, was of another set
# By which columns rows are of one thing, of which each of these is known once for all.
_OF_MODEL = {
    "n_params": ["ladder", "model"],
    "date": ["ladder", "model"],
    "n_tokens": ["ladder", "model", "step"],
    "train_flops": ["ladder", "model", "step"],
}
_OF_TASK = {"n_items": ["task"], "chance": ["task", "metric"]}


def fill_gaps(table: pd.DataFrame, notes: list[str], sizes: bool = True) -> pd.DataFrame:
    """The table with unknown cells filled from other rows of the same model (`sizes`) or task, where all of them agree.

    The number of items of a task that no row knows is then that of the known test set of exactly its name
    (test_sets.csv), unless standard errors tell another number. Each is said in `notes`; what remains stays unknown.
    """
    table = table.copy(deep=False)
    for column, keys in ((_OF_MODEL if sizes else {}) | _OF_TASK).items():
        if column in table:
            table[column] = _from_other_rows(table, column, keys, notes)
    table["n_items"] = _from_test_sets(table, notes)
    return table


def _from_other_rows(table: pd.DataFrame, column: str, keys: Sequence[str], notes: list[str]) -> pd.Series:
    cells = table[column]
    missing = cells.isna()
    if not missing.any() or missing.all():
        return cells
    name = "task" if "task" in keys else "model"
    others = agreed(cells, table[list(keys)])
    gaps = missing & others.notna() & table[name].notna()
    if not gaps.any():
        return cells
    filled = cells.where(~gaps, others)
    names = table.loc[gaps, name].unique()
    notes.append(
        f"{column} of {some(names, text=_unquoted)} ({int(gaps.sum())} row(s)): "
        "from other rows of the same, which agree"
    )
    return filled


def agreed(cells: pd.Series, keys: pd.DataFrame) -> pd.Series:
    """For each row the one known value of the rows with its keys; missing where none is known or two differ."""
    group = keys.groupby(list(keys), dropna=False, sort=False).ngroup().to_numpy()
    known = pd.DataFrame({"group": group, "value": cells.to_numpy()})[cells.notna().to_numpy()]
    one = known.drop_duplicates().drop_duplicates("group", keep=False).set_index("group")["value"]
    return one.reindex(group).set_axis(cells.index)


def _from_test_sets(table: pd.DataFrame, notes: list[str]) -> pd.Series:
    items, value, stderr = table["n_items"], table["value"], table["stderr"]
    known = table["task"].map(test_sets()).astype("float64").where(items.isna() & ~losses(table))
    implied = (value * (1 - value) / stderr**2 + 1).where((stderr > 0) & value.between(0, 1, inclusive="neither"))
    apart = (implied / known - 1).abs() > _SAME_STDERR
    known = known.mask(table["task"].isin(table["task"][apart]))
    if known.notna().any():
        notes.append(
            f"n_items of {some(table['task'][known.notna()].unique(), text=_unquoted)}: of the known test sets"
        )
    return items.fillna(known)


@functools.cache
def test_sets() -> dict[str, float]:
    """How many items a benchmark's test set has, by lm-eval's name of the task."""
    table = read_csv(_TEST_SETS, "install tasklaws again")
    return dict(zip(table["task"], table["n_items"].astype(float), strict=True))


def _unquoted(name: str) -> str:
    return quoted(name)[1:-1]
