"""A panel: the results of one ladder as arrays, tasks by models, small models first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.stats.links import ARCSINE, LOG, Link
from tasklaws.stats.proportions import fill_items, known_items
from tasklaws.tables import SIZES, losses
from tasklaws.tabular.names import MAKERS
from tasklaws.tabular.numbers import day_margins

_PROBABILITIES = ("rc_soft", "probability")  # the probability given to the right answer, where a table has one
BY_TASK = ("value", "n_items", "n_eff", "chance", "checkpoint_noise")
BY_MODEL = (*BY_TASK, "other_values")
_NAMES = ["ladder", "model", "task", "metric"]
_MEASURED = [*SIZES, "value", "stderr", "n_items", "n_eff", "chance"]
_DERIVED = ["_days", "_margin", "_loss"]  # columns that `compact` adds: days since 1970, give or take; less is better
_PLACING = (*SIZES, "_days", "_margin", "place")
_GROWTH = 1.5 / 365.25  # e-folds of compute a day: 4.5 times a year, as frontier models' (Sevilla and Roldan 2024)
_SAME = 1e-3  # sizes of one model that differ by a smaller share are one size, rounded
_LATE = 2 / 3  # checkpoints from this share of a model's training on count as late
_LOSS_EXPONENT = 0.05  # of the loss in compute (Kaplan et al. 2020, alpha_C,min): how many e-folds a loss is worth
LEAST_RUNGS = 3  # fewer: only the last rung can be repeated
HIGHEST_LOSS = 100.0  # stands for no compute at all
AxisName = Literal["size", "n_tokens", "step", "date", "loss"]
AXES: tuple[AxisName, ...] = ("size", "n_tokens", "step", "date", "loss")


@dataclass(frozen=True, eq=False)
class Panel:
    """One kind of metric (scores or losses) of one ladder.

    `tasks` are (task, metric) pairs; `value`, `n_items`, `n_eff`, `chance` and `checkpoint_noise` have a row for each
    and a column for each of `models`, which are sorted by `size`; NaN where unknown. `n_items` is how many items a
    value is worth as far as the table says it (`known_items`); `items` bounds it where the table does not. `days` are
    those from 1970 to a model's date, and `margin` how many days it may be off either way (a month's or a year's middle
    stands for it). `axis` is what places the models, and `place` where: tokens, steps or losses, on those axes.
    `n_eff` is how many independent tasks the items are worth, as far as it is known at that model; where it is not,
    they count as independent.
    `checkpoint_noise` is the variance of a late checkpoint's value around its neighbours' trend, on the link scale.
    `others` are the pairs of the ladder whose metric is a loss (`other_is_loss`) or the probability of the right
    answer, and `other_values` their values: what may stand for a model's scale. `makers` say of each model who made it
    ("" where unknown; none at all where the table does not say). `company` holds known models of other ladders that
    were asked the same tasks, in the same order: they are never forecast, and no size of theirs orders anything.
    """

    ladder: str
    loss: bool
    tasks: tuple[tuple[str, str], ...]
    models: tuple[str, ...]
    n_params: Array
    n_tokens: Array
    train_flops: Array
    days: Array
    value: Array
    n_items: Array
    n_eff: Array
    chance: Array
    checkpoint_noise: Array
    others: tuple[tuple[str, str], ...]
    other_is_loss: tuple[bool, ...]
    other_values: Array
    makers: tuple[str, ...] = ()
    company: "Panel | None" = None
    axis: AxisName = "size"
    margin: Array | None = None
    place: Array | None = None

    @property
    def link(self) -> Link:
        """The scale on which forecasts of this panel are normal: log of a loss, arcsine of a score."""
        return LOG if self.loss else ARCSINE

    @cached_property
    def size(self) -> Array:
        """ln of `scale` on the panel's `size_column` (0 of an untrained model)."""
        return np.asarray(np.log(np.maximum(self.scale(size_column(self)), 1.0)))

    def scale(self, column: str) -> Array:
        """Training FLOPs, parameters, tokens or steps; on `date` how many times compute grew since 1970, exp(_GROWTH
        days), and on `loss` the compute that is worth it, loss^(-1 / _LOSS_EXPONENT), times a constant."""
        if column == "date":
            return np.exp(_GROWTH * self.days)
        if column == "loss":
            return np.asarray((HIGHEST_LOSS / self._place) ** (1 / _LOSS_EXPONENT))
        return self._place if column == self.axis else np.asarray(getattr(self, column))

    @property
    def _place(self) -> Array:
        assert self.place is not None, self.axis
        return self.place

    @cached_property
    def items(self) -> Array:
        """How many items each value is worth: `n_items`, bounded by these models' values where it is unknown."""
        lacking = ~np.isfinite(self.n_items)
        found = self.n_items.copy()
        for row in np.flatnonzero(lacking.any(axis=1)):
            found[row] = fill_items(self.value[row], found[row], self.size, loss=self.loss)
        return found

    @property
    def latest(self) -> Array:
        """The last day on which each model may have come."""
        return self.days if self.margin is None else self.days + self.margin

    @cached_property
    def earlier(self) -> NDArray[np.intp]:
        """How many models, the first of the panel, are known before each: on an axis of dates those whose last possible
        day lies before its first one, elsewhere all before it."""
        if size_column(self) != "date":
            return np.arange(len(self.models))
        return np.searchsorted(self.latest, 2 * self.days - self.latest)

    def is_origin(self, number: int) -> bool:
        """Whether the first `number` models are earlier than the next, where dates order them; sizes may be equal."""
        return size_column(self) != "date" or bool(self.latest[number - 1] < self.latest[number])

    @cached_property
    def guess(self) -> Array:
        """What a guess scores in each task; NaN where its metric has no such value."""
        return np.asarray(pd.DataFrame(self.chance).mean(axis=1), dtype=float)

    @cached_property
    def validation_loss(self) -> Array:
        """Losses that are of no task of the panel, one a row."""
        own = {task for task, _ in self.tasks}
        rows = [row for row, (task, _) in enumerate(self.others) if self.other_is_loss[row] and task not in own]
        return self.other_values[rows]

    @cached_property
    def task_loss(self) -> Array:
        """The loss that each task's right answer had: another loss of the task, else -log of the answer's probability
        (of several, that which most models have, then the first by name); NaN where there is none."""
        found = np.full(self.value.shape, np.nan)
        known = np.isfinite(self.other_values).sum(axis=1)
        for index, (task, metric) in enumerate(self.tasks):
            rows = [row for row, (of, name) in enumerate(self.others) if of == task and name != metric]
            if rows:
                best = min(rows, key=lambda row: (not self.other_is_loss[row], -known[row]))
                value = self.other_values[best]
                found[index] = value if self.other_is_loss[best] else -np.log(np.clip(value, 1e-9, 1.0)) + 1e-9
        return found

    @cached_property
    def asked(self) -> NDArray[np.bool_]:
        """Which tasks any of the models was asked."""
        return np.asarray(np.isfinite(self.value).any(axis=1))

    def of_tasks(self, wanted: NDArray[np.bool_]) -> "Panel":
        """The panel of some of its tasks."""
        of_task = {name: getattr(self, name)[wanted] for name in BY_TASK}
        tasks = tuple(task for task, yes in zip(self.tasks, wanted, strict=True) if yes)
        company = self.company and self.company.of_tasks(wanted)
        return replace(self, tasks=tasks, company=company, **of_task)

    def parts(self, count: int) -> list["Panel"]:
        """The panel's tasks dealt out among so many panels, each with its own tasks' `others` and those of no task."""
        place = {task: index % count for index, task in enumerate(dict.fromkeys(task for task, _ in self.tasks))}
        found = []
        for part in range(count):
            panel = self.of_tasks(np.array([place[task] == part for task, _ in self.tasks]))
            rows = [row for row, (task, _) in enumerate(self.others) if place.get(task, part) == part]
            others = tuple(self.others[row] for row in rows)
            kinds = tuple(self.other_is_loss[row] for row in rows)
            found.append(replace(panel, others=others, other_is_loss=kinds, other_values=self.other_values[rows]))
        return found

    def select(self, models: NDArray[np.intp]) -> "Panel":
        """The panel of some of its models, by their index."""
        of_model = {name: getattr(self, name)[models] for name in (*SIZES, "days")}
        of_model |= {name: cells[models] for name in ("margin", "place") if (cells := getattr(self, name)) is not None}
        of_cell = {name: getattr(self, name)[:, models] for name in BY_MODEL}
        names = tuple(self.models[index] for index in models)
        makers = tuple(self.makers[index] for index in models) if self.makers else ()
        return replace(self, models=names, makers=makers, **of_model, **of_cell)

    def held_last(self, models: Sequence[str]) -> tuple["Panel", int]:
        """The panel with these models behind all others, and how many others there are."""
        held = np.isin(self.models, list(models))
        return self.select(np.argsort(held, kind="stable")), int((~held).sum())

    def without_results(self) -> "Panel":
        """The panel in which nothing but the sizes is known of its models: what a forecast of them may see."""
        return replace(self, **{name: np.full_like(getattr(self, name), np.nan) for name in BY_MODEL})


def size_gap(panel: Panel, origin: int, target: int) -> float:
    """How far a target lies beyond the largest known model, in ln size."""
    return max(float(panel.size[target] - panel.size[:origin].max()), 0.0)


def size_column(*panels: Panel) -> str:
    """The panels' axis; of size the first of `train_flops` and `n_params` that is known of every model of the panels,
    else `date`."""
    if panels[0].axis != "size":
        return panels[0].axis
    columns = ("train_flops", "n_params")
    known = (name for name in columns if all(np.isfinite(getattr(panel, name)).all() for panel in panels))
    return next(known, "date")


def axis_of(panel: Panel) -> AxisName:
    """What places the models: dates too where no size does."""
    return "date" if size_column(panel) == "date" else panel.axis


def place_in_words(axis: AxisName, size: float) -> str:
    """A place on an axis (`Panel.size`) as people write it: a day, a loss, a size, tokens or steps."""
    if axis == "date":
        return str(np.datetime64(round(size / _GROWTH), "D"))
    if axis == "loss":
        return f"{HIGHEST_LOSS * np.exp(-_LOSS_EXPONENT * size):.3g}"
    return f"{np.exp(size):.3g}"


@dataclass(frozen=True, eq=False)
class Prediction:
    """Normal forecasts on the panel's link scale, each (tasks, targets): `mean` and `sd`, the latter without the
    sampling of the target's own items. `shared` (tasks, targets, rank) is the part of the error that tasks have in
    common, where a method knows it: the covariance of two tasks' errors is the product of their rows."""

    mean: Array
    sd: Array
    shared: Array | None = None

    def of(self, targets: Sequence[int]) -> "Prediction":
        """The forecasts of some of the targets, in this order."""
        chosen = list(targets)
        shared = None if self.shared is None else self.shared[:, chosen]
        return Prediction(self.mean[:, chosen], self.sd[:, chosen], shared)


class Forecaster(Protocol):
    """Anything that forecasts all tasks of the known models at the wanted ones; None where it cannot."""

    @property
    def name(self) -> str: ...

    def __call__(self, known: Panel, wanted: Panel) -> Prediction | None: ...


def build_panels(table: pd.DataFrame, metrics: list[str], axis: AxisName = "size") -> list[Panel]:
    """The panels of a table of points (as `read_points` gives it): for each ladder one of the `metrics` that are scores
    and one of those that are losses; on the axes n_tokens, step and loss of a table as `axis_tables.along` gives it.

    Of each model the final checkpoint counts (the last one where none is final), averaged over seeds. Other metrics
    of the table are the panel's `others`: losses of the same task, losses of no task of the panel.
    """
    panels = []
    if "n_eff" not in table:
        table = table.assign(n_eff=np.nan)
    table = compact(table)
    final = _finals(table).astype({name: table[name].cat.categories.dtype for name in _NAMES})
    for ladder, rows in final.groupby("ladder", sort=True):
        for loss in (False, True):
            own = rows[rows["metric"].isin(metrics) & (rows["_loss"] == loss)]
            if len(own):
                others = (table["ladder"] == ladder) & ~table["is_final"] & table["metric"].isin(metrics)
                checkpoints = table.loc[others & (table["_loss"] == loss), [*_NAMES, "step", "value"]]
                makers = _makers(table, str(ladder))
                panels.append(_panel(str(ladder), loss, own, rows, checkpoints, makers, axis))
    return panels


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """What panels are made of, names as categories: a tenth of the memory."""
    if not set(_DERIVED) <= set(table):
        days, margin = _days(table)
        table = table.assign(_days=days, _margin=margin, _loss=_is_loss(table))
    if "place" not in table:
        table = table.assign(place=np.nan)
    kept = [*_NAMES, "step", "is_final", "place", *_MEASURED, *_DERIVED]
    return table[[name for name in (*kept, *MAKERS, "seed") if name in table]].astype(dict.fromkeys(_NAMES, "category"))


def _is_loss(table: pd.DataFrame) -> pd.Series:
    """Of which rows less is better; a task's metric of which some rows say so and others not raises TasklawsError."""
    found = losses(table)
    if "higher_is_better" in table:
        pair = ["ladder", "task", "metric"]
        mixed = found.groupby([table[name] for name in pair]).transform("nunique") > 1
        if mixed.any():
            ladder, task, metric = table.loc[mixed, pair].iloc[0]
            what = f"higher_is_better of {task} {metric} is true in some rows of ladder {ladder} and false in others"
            raise TasklawsError(f"{what}: give one in all of them")
    return found


def _days(table: pd.DataFrame) -> "tuple[pd.Series | float, pd.Series | float]":
    """Days from 1970 to each row's `date` (ISO), and how many it may be off either way: of a month or a year the middle
    counts, here as where `date_margin` says that it stands for them."""
    if "date" not in table:
        return np.nan, 0.0
    dates = pd.to_datetime(table["date"], format="ISO8601", errors="coerce", utc=True)
    bad = dates.isna() & table["date"].notna()
    if bad.any():
        raise TasklawsError(f"date {table.loc[bad, 'date'].iloc[0]!r}: give YYYY-MM-DD, YYYY-MM or YYYY")
    margin = day_margins(table["date"])
    days = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1) + margin
    return days, table.get("date_margin", margin)


def _finals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each model's final checkpoint, or its last one, averaged over seeds."""
    final = table["is_final"]
    kept = table[final | ~final.groupby([table["ladder"], table["model"]]).transform("any")]
    if kept["step"].notna().any():
        step = kept["step"].fillna(-1.0)
        runs = [kept[key] for key in (*_NAMES, "seed") if key in kept]
        kept = kept[step == step.groupby(runs, dropna=False).transform("max")]
    return kept.groupby(_NAMES, sort=True)[[*_MEASURED, "place", *_DERIVED]].mean().reset_index()


def maker_column(table: pd.DataFrame) -> str | None:
    """The column that says who made the models; None where none does."""
    return next((name for name in MAKERS if name in table and table[name].notna().any()), None)


def _makers(table: pd.DataFrame, ladder: str) -> pd.Series:
    """Who made each model of a ladder, by model; none where no column says."""
    column = maker_column(table)
    if column is None:
        return pd.Series(dtype=object)
    return table[table["ladder"] == ladder].groupby(table["model"].astype(str))[column].first().dropna()


def _panel(
    ladder: str,
    loss: bool,
    own: pd.DataFrame,
    rows: pd.DataFrame,
    checkpoints: pd.DataFrame,
    makers: pd.Series,
    axis: AxisName,
) -> Panel:
    sizes = _sizes(ladder, rows[rows["model"].isin(own["model"])], axis)
    others = rows[(rows["_loss"] == 1) | rows["metric"].isin(_PROBABILITIES)]
    kinds = others.groupby(["task", "metric"], observed=True)["_loss"].first()
    value, stderr, n_items = (_cells(own, column, sizes.index) for column in ("value", "stderr", "n_items"))
    return Panel(
        ladder=ladder,
        loss=loss,
        tasks=_pairs(own),
        models=tuple(sizes.index.astype(str)),
        n_params=sizes["n_params"].to_numpy(dtype=float),
        n_tokens=sizes["n_tokens"].to_numpy(dtype=float),
        train_flops=sizes["train_flops"].to_numpy(dtype=float),
        days=sizes["_days"].to_numpy(dtype=float),
        value=value,
        n_items=known_items(value, stderr, n_items, loss),
        n_eff=np.full_like(value, np.nan) if loss else _cells(own, "n_eff", sizes.index),
        chance=_cells(own, "chance", sizes.index),
        checkpoint_noise=_checkpoint_noise(checkpoints, _pairs(own), sizes.index, LOG if loss else ARCSINE),
        others=_pairs(others),
        other_is_loss=tuple(bool(kinds[pair]) for pair in _pairs(others)),
        other_values=_cells(others, "value", sizes.index),
        makers=tuple(makers.reindex(sizes.index.astype(str)).fillna("").astype(str)) if len(makers) else (),
        axis=axis,
        margin=sizes["_margin"].fillna(0.0).to_numpy(dtype=float),
        place=sizes["place"].to_numpy(dtype=float),
    )


def _sizes(ladder: str, rows: pd.DataFrame, axis: AxisName) -> pd.DataFrame:
    """_PLACING of each model, in order of the axis; of size by the first of FLOPs, parameters and date that is known
    of all, and of dates by the last day that may be meant.

    A model of two sizes, and one without a size or date among models with one, raise TasklawsError."""
    by_model = rows.groupby("model", observed=True)[[*_PLACING]]
    sizes, least = by_model.max(), by_model.min()
    for name in SIZES:
        apart = sizes.index[sizes[name] - least[name] > _SAME * sizes[name]]
        if len(apart):
            two = f"{name} {least.loc[apart[0], name]:.6g} in some rows and {sizes.loc[apart[0], name]:.6g} in others"
            raise TasklawsError(f"ladder {ladder}: model {apart[0]} has {two}: keep one, or name two models")
    sizes = sizes.assign(_latest=sizes["_days"] + sizes["_margin"].fillna(0.0)).rename_axis("model")
    if axis != "size":
        key = "_latest" if axis == "date" else "place"
        without = sizes.index[sizes[key].isna()]
        if len(without):
            raise TasklawsError(
                f"ladder {ladder}: model {without[0]} has no {axis}: give one of all models, or leave it out"
            )
        return sizes.sort_values([key, "model"], ascending=[axis != "loss", True])
    sized = sizes[["train_flops", "n_params"]].notna()
    orders = ["train_flops", "n_params", *([] if sized.any(axis=None) else ["_latest"])]
    by = next((name for name in orders if sizes[name].notna().all()), None)
    if by is None:
        none = ~sized.any(axis=1)
        if none.all():
            lacking, what = sizes["_days"].isna(), "has neither size nor date"
        elif none.any():
            lacking, what = none, "has no size, others have one"
        else:
            lacking, what = ~sized["n_params"], "lacks n_params, others train_flops"
        raise TasklawsError(f"ladder {ladder}: model {sizes.index[lacking][0]} {what}: give one of all models")
    return sizes.sort_values([by, "n_params", "model"])


def _checkpoint_noise(
    checkpoints: pd.DataFrame, tasks: tuple[tuple[str, str], ...], models: pd.Index, link: Link
) -> Array:
    """Variance of late checkpoints of each task and model, by second differences: (z1 - 2 z2 + z3)^2 / 6 on average,
    which no steady growth adds to (von Neumann's successive differences, once more differenced).

    The final checkpoint is left out: it is annealed, the others are not."""
    keys = ["task", "metric", "model"]
    known = checkpoints.dropna(subset="step")
    late = known[known["step"] >= _LATE * known.groupby(keys)["step"].transform("max")]
    late = late.groupby([*keys, "step"], sort=True)["value"].mean().reset_index()
    z = link.of(late["value"].to_numpy(dtype=float), np.inf)
    count = late.groupby(keys, sort=True).size()
    first = (count.cumsum() - count).to_numpy()
    found = np.full(len(count), np.nan)
    for length in count[count > 2].unique():  # as arrays: there may be a million curves
        alike = np.flatnonzero(count == length)
        bends = np.diff(z[first[alike, None] + np.arange(length)], n=2, axis=1)
        found[alike] = (bends**2).mean(axis=1) / 6
    rows = count.index.to_frame(index=False).astype(dict.fromkeys(keys, models.dtype)).assign(noise=found)
    table = rows.pivot(index=keys[:2], columns="model", values="noise")
    return table.reindex(index=pd.MultiIndex.from_tuples(tasks), columns=models).to_numpy(dtype=float)


def _pairs(rows: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    pairs = rows[["task", "metric"]].drop_duplicates().sort_values(["task", "metric"])
    return tuple(zip(pairs["task"].astype(str), pairs["metric"].astype(str), strict=True))


def _cells(rows: pd.DataFrame, column: str, models: pd.Index) -> Array:
    """A column of the rows as an array, (task, metric) pairs in order by models."""
    table = rows.pivot(index=["task", "metric"], columns="model", values=column).sort_index()
    return table.reindex(columns=models).to_numpy(dtype=float).reshape(-1, len(models))
