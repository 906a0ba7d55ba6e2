"""Tables of points for other axes than size: the checkpoints of a run, or models by their validation loss."""

from typing import Literal

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.panel import HIGHEST_LOSS, AxisName
from tasklaws.frames.shown import some
from tasklaws.tabular.numbers import suffixed

MOST_CHECKPOINTS = 24  # of a run: more, as close to each other, say little more and cost their fourth power
_WHICH_RUN = ["ladder", "model", "seed"]


def along(table: pd.DataFrame, axis: AxisName) -> tuple[pd.DataFrame, list[str]]:
    """The table as forecasts along an axis take it, and what was done to it, in lines.

    On `size` and `date` it stays. On `loss` a column `place` is each model's column `loss`. On `n_tokens` and `step`
    each run, a model of one seed, is a ladder of its own, its checkpoints are the models, and `place` is how far they
    are trained; of more than MOST_CHECKPOINTS those are kept that lie evenly in ln of it, the first and last among
    them. A table that lacks what the axis needs raises TasklawsError.
    """
    if axis == "loss":
        return _by_loss(table), []
    if axis in ("n_tokens", "step"):
        return _by_checkpoint(table, axis)
    return table, []


def _by_loss(table: pd.DataFrame) -> pd.DataFrame:
    if "loss" not in table:
        raise TasklawsError("--axis loss: the table has no column loss: give each model's validation loss in one")
    bad = table[~((table["loss"] > 0) & (table["loss"] < HIGHEST_LOSS))]
    if len(bad):
        raise TasklawsError(
            f"--axis loss: model {bad['model'].iloc[0]} has no loss in (0, {HIGHEST_LOSS:g}): give it of all models"
        )
    return table.assign(place=table["loss"])


def _by_checkpoint(table: pd.DataFrame, axis: Literal["n_tokens", "step"]) -> tuple[pd.DataFrame, list[str]]:
    trained = table[table[axis] > 0]
    if trained.empty:
        raise TasklawsError(f"--axis {axis}: no row has {axis} above 0: give it of each checkpoint")
    trained = trained.assign(seed=trained.get("seed", np.nan))
    runs = trained.groupby(_WHICH_RUN, dropna=False)[axis]
    if int(runs.nunique().max()) < 2:
        raise TasklawsError(
            f"--axis {axis}: no model has two checkpoints of different {axis}: give them in the column {axis}, or take "
            "another axis"
        )
    kept, dropped = [], []
    for name, rows in trained.groupby(run_names(trained), sort=True):
        places = np.unique(rows[axis].to_numpy(dtype=float))
        chosen = spaced(places)
        if len(chosen) < len(places):
            dropped.append(str(name))
        kept.append(rows[rows[axis].isin(chosen)].assign(ladder=name))
    found = pd.concat(kept).assign(is_final=True, seed=np.nan).sort_index()
    place = found[axis].astype(float)
    notes = []
    if dropped:
        notes.append(
            f"of more than {MOST_CHECKPOINTS} checkpoints of a run those count that lie evenly in ln {axis}: "
            f"{some(dropped, 3, str)}"
        )
    return found.assign(model=[checkpoint_name(axis, each) for each in place], place=place), notes


def run_names(table: pd.DataFrame) -> pd.Series:
    """What each row's run is called as a ladder of its own: the model, with its ladder where the table has several, and
    its seed where it has one."""
    run = table["model"].astype(str)
    run = (table["ladder"].astype(str) + " " + run) if table["ladder"].nunique() > 1 else run
    if "seed" not in table:
        return run
    return run.where(table["seed"].isna(), run + " seed " + table["seed"].map("{:g}".format))


def spaced(places: Array) -> Array:
    """At most MOST_CHECKPOINTS of ascending places, evenly in their logarithm, the first and the last among them."""
    if len(places) <= MOST_CHECKPOINTS:
        return places
    grid = np.linspace(np.log(places[0]), np.log(places[-1]), MOST_CHECKPOINTS)
    nearest = np.abs(np.log(places)[:, None] - grid).argmin(axis=0)
    return np.asarray(places[np.unique(nearest)])


def checkpoint_name(axis: str, place: float) -> str:
    """What a checkpoint is called where it is a model: `step 3000`, `2.1B tokens`."""
    if axis == "step":
        return f"step {place:.12g}"
    return f"{suffixed(place)} tokens"
