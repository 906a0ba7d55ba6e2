"""A panel: the results of one ladder as arrays, tasks by models, small models first."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.forecast.checkpoint_noise import wobble
from tasklaws.stats.links import ARCSINE, LOG, Link
from tasklaws.stats.proportions import items_worth
from tasklaws.tables import is_loss

PROBABILITIES = ("rc_soft", "probability")  # the probability given to the right answer, where a table has one
SIZES = ("n_params", "n_tokens", "train_flops")
OF_CELLS = ("value", "n_items", "n_eff", "chance", "wobble", "beside")


@dataclass(frozen=True, eq=False)
class Panel:
    """One kind of metric (scores or losses) of one ladder.

    `tasks` are (task, metric) pairs; `value`, `n_items`, `n_eff`, `chance` and `wobble` have a row for each and a
    column for each of `models`, which are sorted by `size`; NaN where unknown. `n_eff` is how many independent tasks
    the items are worth, as far as it is known at that model; where it is not, they count as independent. `wobble` is
    the variance of a late checkpoint's value around its neighbours' trend, on the link scale. `others` are the pairs of
    the ladder whose metric is a loss or the probability of the right answer, and `beside` their values: what may stand
    for a model's scale.
    """

    ladder: str
    loss: bool
    tasks: tuple[tuple[str, str], ...]
    models: tuple[str, ...]
    n_params: Array
    n_tokens: Array
    train_flops: Array
    value: Array
    n_items: Array
    n_eff: Array
    chance: Array
    wobble: Array
    others: tuple[tuple[str, str], ...]
    beside: Array

    @property
    def link(self) -> Link:
        """The scale on which forecasts of this panel are normal: log of a loss, arcsine of a score."""
        return LOG if self.loss else ARCSINE

    @cached_property
    def size(self) -> Array:
        """ln train_flops where it is known of every model, else ln n_params (ln is 0 of an untrained model)."""
        known = np.isfinite(self.train_flops).all()
        return np.asarray(np.log(np.maximum(self.train_flops if known else self.n_params, 1.0)))

    @cached_property
    def guess(self) -> Array:
        """What a guess scores in each task; NaN where its metric has no such value."""
        return np.asarray(pd.DataFrame(self.chance).mean(axis=1), dtype=float)

    @cached_property
    def validation_loss(self) -> Array:
        """Losses that are of no task of the panel, one a row."""
        own = {task for task, _ in self.tasks}
        rows = [row for row, (task, metric) in enumerate(self.others) if is_loss(metric) and task not in own]
        return self.beside[rows]

    @cached_property
    def task_loss(self) -> Array:
        """The loss that each task's right answer had: another loss of the task, else -log of the answer's probability
        (of several, that which most models have, then the first by name); NaN where there is none."""
        found = np.full(self.value.shape, np.nan)
        for index, (task, metric) in enumerate(self.tasks):
            rows = [row for row, (of, name) in enumerate(self.others) if of == task and name != metric]
            if rows:
                known = np.isfinite(self.beside[rows]).sum(axis=1)
                order = [(not is_loss(self.others[row][1]), -known[place]) for place, row in enumerate(rows)]
                best = rows[min(range(len(rows)), key=order.__getitem__)]
                value = self.beside[best]
                loss = is_loss(self.others[best][1])
                found[index] = value if loss else -np.log(np.clip(value, 1e-9, 1.0)) + 1e-9
        return found

    @cached_property
    def asked(self) -> NDArray[np.bool_]:
        """Which tasks any of the models was asked."""
        return np.asarray(np.isfinite(self.value).any(axis=1))

    def of_tasks(self, wanted: NDArray[np.bool_]) -> "Panel":
        """The panel of some of its tasks."""
        of_task = {name: getattr(self, name)[wanted] for name in ("value", "n_items", "n_eff", "chance", "wobble")}
        tasks = tuple(task for task, yes in zip(self.tasks, wanted, strict=True) if yes)
        return replace(self, tasks=tasks, **of_task)

    def select(self, models: NDArray[np.intp]) -> "Panel":
        """The panel of some of its models, by their index."""
        of_model = {name: getattr(self, name)[models] for name in SIZES}
        of_cell = {name: getattr(self, name)[:, models] for name in OF_CELLS}
        return replace(self, models=tuple(self.models[index] for index in models), **of_model, **of_cell)

    def without_results(self) -> "Panel":
        """The panel in which nothing but the sizes is known of its models: what a forecast of them may see."""
        return replace(self, **{name: np.full_like(getattr(self, name), np.nan) for name in OF_CELLS})


@dataclass(frozen=True, eq=False)
class Prediction:
    """Normal forecasts on the panel's link scale, each (tasks, targets): `mean` and `sd`, the latter without the
    sampling of the target's own items."""

    mean: Array
    sd: Array


class Forecaster(Protocol):
    """Anything that forecasts all tasks of the known models at the wanted ones; None where it cannot."""

    @property
    def name(self) -> str: ...

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None: ...


def build_panels(table: pd.DataFrame, metrics: list[str]) -> list[Panel]:
    """The panels of a table of points (as `read_points` gives it): for each ladder one of the `metrics` that are scores
    and one of those that are losses.

    Of each model the final checkpoint counts (the last one where none is final), averaged over seeds. Other metrics
    of the table serve as what is known beside: losses of the same task, losses of no task of the panel.
    """
    panels = []
    if "n_eff" not in table:
        table = table.assign(n_eff=np.nan)
    final = _finals(table)
    for ladder, rows in final.groupby("ladder", sort=True):
        for loss in (False, True):
            wanted = [metric for metric in metrics if is_loss(metric) == loss]
            own = rows[rows["metric"].isin(wanted)]
            if len(own):
                checkpoints = table[(table["ladder"] == ladder) & ~table["is_final"] & table["metric"].isin(wanted)]
                panels.append(_panel(str(ladder), loss, own, rows, checkpoints))
    return panels


def _finals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each model's final checkpoint, or its last one, averaged over seeds."""
    keys = ["ladder", "model", "task", "metric"]
    final = table["is_final"]
    kept = table[final | ~final.groupby([table["ladder"], table["model"]]).transform("any")]
    if kept["step"].notna().any():
        step = kept["step"].fillna(-1.0)
        runs = [kept[key] for key in (*keys, "seed") if key in kept]
        kept = kept[step == step.groupby(runs, dropna=False).transform("max")]
    columns = [*SIZES, "value", "stderr", "n_items", "n_eff", "chance"]
    return kept.groupby(keys, sort=True)[columns].mean().reset_index()


def _panel(ladder: str, loss: bool, own: pd.DataFrame, rows: pd.DataFrame, checkpoints: pd.DataFrame) -> Panel:
    sizes = rows.groupby("model")[list(SIZES)].max()
    sizes = sizes.loc[sorted(set(own["model"]))]
    if sizes["train_flops"].isna().any() and sizes["n_params"].isna().any():
        lacking = sizes.index[sizes["n_params"].isna()][0]
        raise TasklawsError(
            f"ladder {ladder}: model {lacking} lacks n_params, others train_flops: give one of all models"
        )
    by = "train_flops" if sizes["train_flops"].notna().all() else "n_params"
    sizes = sizes.rename_axis("model").reset_index().sort_values([by, "n_params", "model"]).set_index("model")
    beside = rows[rows["metric"].isin([name for name in rows["metric"].unique() if stands_beside(name)])]
    value, stderr, n_items = (_cells(own, column, sizes.index) for column in ("value", "stderr", "n_items"))
    return Panel(
        ladder=ladder,
        loss=loss,
        tasks=_pairs(own),
        models=tuple(sizes.index.astype(str)),
        **{name: sizes[name].to_numpy(dtype=float) for name in SIZES},
        value=value,
        n_items=items_worth(value, stderr, n_items, loss),
        n_eff=np.full_like(value, np.nan) if loss else _cells(own, "n_eff", sizes.index),
        chance=_cells(own, "chance", sizes.index),
        wobble=wobble(checkpoints, _pairs(own), sizes.index, LOG if loss else ARCSINE),
        others=_pairs(beside),
        beside=_cells(beside, "value", sizes.index),
    )


def stands_beside(metric: str) -> bool:
    return is_loss(metric) or metric in PROBABILITIES


def _pairs(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    pairs = rows[["task", "metric"]].drop_duplicates().sort_values(["task", "metric"])
    return tuple(zip(pairs["task"].astype(str), pairs["metric"].astype(str), strict=True))


def _cells(rows: pd.DataFrame, column: str, models: pd.Index) -> Array:
    """A column of the rows as an array, (task, metric) pairs in order by models."""
    table = rows.pivot(index=["task", "metric"], columns="model", values=column).sort_index()
    return table.reindex(columns=models).to_numpy(dtype=float).reshape(-1, len(models))
