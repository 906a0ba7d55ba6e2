"""A panel: the results of one ladder as arrays, tasks by models, small models first."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.forecast.links import ARCSINE, LOG, Link
from tasklaws.schema import is_loss

Array = NDArray[np.float64]
UNKNOWN_ITEMS = 10_000.0  # of a score without n_items and stderr: as if its sampling noise hardly mattered
PROBABILITIES = ("rc_soft", "probability")  # the probability given to the right answer, where a table has one
SIZES = ("n_params", "n_tokens", "train_flops")
OF_CELLS = ("value", "n_items", "wobble", "validation_loss", "task_loss")
LATE = 2 / 3  # checkpoints from this share of a model's training on tell how much its scores wobble


@dataclass(frozen=True, eq=False)
class Panel:
    """One kind of metric (scores or losses) of one ladder.

    `tasks` are (task, metric) pairs; `value`, `n_items` and `task_loss` have a row for each and a column for each of
    `models`, which are sorted by `size`; NaN where unknown. `chance` has a value for each task (NaN where the metric
    has none). `wobble` is the variance of a late checkpoint's score around its neighbours' trend, on the link scale (NaN
    where there are no checkpoints but the final one). `validation_loss` holds losses that belong to no task, one a row. `task_loss` is the loss that the task's
    right answer had (or -log of its probability).
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
    chance: Array
    validation_loss: Array
    task_loss: Array
    wobble: Array

    @property
    def link(self) -> Link:
        """The scale on which forecasts of this panel are normal: log of a loss, arcsine of a score."""
        return LOG if self.loss else ARCSINE

    @cached_property
    def size(self) -> Array:
        """ln train_flops where it is known of every model, else ln n_params (ln is 0 of an untrained model)."""
        known = np.isfinite(self.train_flops).all()
        return np.asarray(np.log(np.maximum(self.train_flops if known else self.n_params, 1.0)))

    def select(self, models: NDArray[np.intp]) -> "Panel":
        """The panel of some of its models, by their index."""
        of_model = {name: getattr(self, name)[models] for name in SIZES}
        of_cell = {name: getattr(self, name)[:, models] for name in OF_CELLS}
        return replace(self, models=tuple(self.models[index] for index in models), **of_model, **of_cell)

    def without_results(self) -> "Panel":
        """The panel in which nothing but the sizes is known of its models: what a forecast of them may see."""
        empty = {name: np.full_like(getattr(self, name), np.nan) for name in OF_CELLS}
        return replace(self, chance=np.full_like(self.chance, np.nan), **empty)


def build_panels(table: pd.DataFrame, metrics: list[str]) -> list[Panel]:
    """The panels of a table of points (as `read_points` gives it): for each ladder one of the `metrics` that are scores
    and one of those that are losses.

    Of each model the final checkpoint counts (the last one where none is final), averaged over seeds. Other metrics
    of the table serve as what is known beside: losses of the same task, losses of no task of the panel.
    """
    panels = []
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
    """The rows of each model's final checkpoint, averaged over seeds."""
    step = table["step"].fillna(-1.0)
    last = step.groupby([table["ladder"], table["model"]]).transform("max")
    any_final = table["is_final"].groupby([table["ladder"], table["model"]]).transform("any")
    kept = table[(any_final & table["is_final"]) | (~any_final & (step == last))]
    columns = [*SIZES, "value", "stderr", "n_items", "chance"]
    keys = ["ladder", "model", "task", "metric"]
    return kept.groupby(keys, sort=True)[columns].mean().reset_index()


def _panel(ladder: str, loss: bool, own: pd.DataFrame, rows: pd.DataFrame, checkpoints: pd.DataFrame) -> Panel:
    sizes = rows.groupby("model")[list(SIZES)].mean()
    sizes = sizes.loc[sorted(set(own["model"]))]
    by = "train_flops" if sizes["train_flops"].notna().all() else "n_params"
    sizes = sizes.rename_axis("model").reset_index().sort_values([by, "n_params", "model"]).set_index("model")
    pairs = own[["task", "metric"]].drop_duplicates().sort_values(["task", "metric"])
    tasks = tuple(zip(pairs["task"].astype(str), pairs["metric"].astype(str), strict=True))

    def cells(column: str) -> Array:
        table = own.pivot(index=["task", "metric"], columns="model", values=column)
        return table.reindex(index=pd.MultiIndex.from_tuples(tasks), columns=sizes.index).to_numpy(dtype=float)

    value, stderr, n_items = cells("value"), cells("stderr"), cells("n_items")
    chance = pd.DataFrame(cells("chance")).mean(axis=1).to_numpy(dtype=float)
    return Panel(
        ladder=ladder,
        loss=loss,
        tasks=tasks,
        models=tuple(sizes.index.astype(str)),
        **{name: sizes[name].to_numpy(dtype=float) for name in SIZES},
        value=value,
        n_items=_item_counts(value, stderr, n_items, loss),
        chance=chance,
        validation_loss=_validation_losses(rows, own, sizes.index),
        task_loss=_task_losses(rows, tasks, sizes.index),
        wobble=_wobble(checkpoints, tasks, sizes.index, LOG if loss else ARCSINE),
    )


def _wobble(checkpoints: pd.DataFrame, tasks: tuple[tuple[str, str], ...], models: pd.Index, link: Link) -> Array:
    """Variance of late checkpoints of each task and model, by second differences: (z1 - 2 z2 + z3)^2 / 6 on average,
    which no steady growth adds to (von Neumann's successive differences, once more differenced).

    The final checkpoint is left out: it is annealed, the others are not."""
    found = np.full((len(tasks), len(models)), np.nan)
    seen = checkpoints.dropna(subset="step")
    late = seen[seen["step"] >= LATE * seen.groupby(["model", "task", "metric"])["step"].transform("max")]
    late = late.groupby(["model", "task", "metric", "step"], sort=True)["value"].mean().reset_index()
    place = {pair: index for index, pair in enumerate(tasks)}
    column = {model: index for index, model in enumerate(models)}
    for (model, task, metric), part in late.groupby(["model", "task", "metric"]):
        bends = np.diff(link.of(part["value"].to_numpy(dtype=float), np.inf), n=2)
        if len(bends) and model in column and (task, metric) in place:
            found[place[task, metric], column[model]] = float((bends**2).mean() / 6)
    return found


def _item_counts(value: Array, stderr: Array, n_items: Array, loss: bool) -> Array:
    """How many items a value is worth: n_items, else what its stderr says; of a loss, (value / stderr)^2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        told = (value / stderr) ** 2 if loss else value * (1 - value) / stderr**2
    told = np.where(np.isfinite(told) & (told >= 1), told, UNKNOWN_ITEMS)
    return told if loss else np.where(np.isfinite(n_items), n_items, told)


def _validation_losses(rows: pd.DataFrame, own: pd.DataFrame, models: pd.Index) -> Array:
    """Losses known of the models that are of no task of the panel."""
    metrics = [metric for metric in rows["metric"].unique() if is_loss(metric)]
    other = rows[rows["metric"].isin(metrics) & ~rows["task"].isin(set(own["task"]))]
    table = other.pivot(index=["task", "metric"], columns="model", values="value").reindex(columns=models)
    return table.sort_index().to_numpy(dtype=float).reshape(-1, len(models))


def _task_losses(rows: pd.DataFrame, tasks: tuple[tuple[str, str], ...], models: pd.Index) -> Array:
    """Each task's own loss: a loss of the same task, else -log of the probability of its right answer."""
    found = np.full((len(tasks), len(models)), np.nan)
    by_task = {str(task): part for task, part in rows.groupby("task")}
    for index, (task, metric) in enumerate(tasks):
        part = by_task[task]
        for name in sorted(set(part["metric"]) - {metric}, key=lambda other: (not is_loss(other), other)):
            if is_loss(name) or name in PROBABILITIES:
                value = part[part["metric"] == name].set_index("model")["value"].reindex(models).to_numpy(dtype=float)
                found[index] = value if is_loss(name) else -np.log(np.clip(value, 1e-9, 1.0)) + 1e-9
                break
    return found
