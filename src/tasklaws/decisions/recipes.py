"""Recipes on a ladder: does a small scale order them as the large one does, and do its tasks tell them apart?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.frames.csv_files import records
from tasklaws.frames.natural import in_order, natural
from tasklaws.frames.queries import matching
from tasklaws.frames.shown import drawn, shown, some
from tasklaws.stats.proportions import Mean
from tasklaws.tables import DECISION_ACCURACY, POOLED_DECISIONS, SIGNAL_TO_NOISE, SIZES
from tasklaws.tabular.points import without_planned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST = 5  # checkpoints that tell a run's noise
_COLUMNS_NEEDED = ("model", "task", "metric", "value")
_UNIT = ["recipe", "model"]
_AXES = ("n_params", "train_flops")
_ROWS_SHOWN = 40  # rows of a summary
_SETTLED = 0.5  # of training: checkpoints before it still rise


@dataclass(frozen=True, eq=False, repr=False)
class DecisionAccuracy(Result):
    """How often a small scale orders two recipes as the scale `large` does.

    `tasks` has a row a small scale, metric and task: of n_pairs pairs of n_recipes recipes that differ at the large
    scale, the share `accuracy` that the small one orders alike (one that it does not order counts half), its interval
    at `level`, and share_of_flops, the small scale's mean train_flops over the large one's. `pooled` has the same of
    all pairs of all tasks."""

    tasks: pd.DataFrame
    pooled: pd.DataFrame
    large: str
    level: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A line a scale with the accuracy over all tasks, then one a task."""
        lines = [f"pairs of recipes ordered as by {self.large} ({100 * self.level:g}% interval)"]
        for row in records(self.pooled):
            flops = f", {100 * row['share_of_flops']:.2g}% of its FLOPs" if "share_of_flops" in row else ""
            of = f"{row['n_pairs']:g} pairs of {row['n_recipes']:g} recipes in {row['n_tasks']:g} tasks{flops}"
            lines.append(f"{row['small']}, {row['metric']}: {_share(row)} of {of}")
        shares = pd.Series([_share(row) for row in records(self.tasks)], index=self.tasks.index)
        lines += _by_task(self.tasks, "small", shares)
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """Both tables by row, in plain JSON types."""
        found = {"tasks": records(self.tasks), "pooled": records(self.pooled)}
        return {**found, "large": self.large, "level": self.level, "notes": list(self.notes)}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the accuracy of each task and scale with its interval, beside that of a coin."""
        ax = axes_or_new(ax)
        ax.axvline(0.5, color="0.6", linewidth=1)
        places = {task: place for place, task in enumerate(self.tasks["task"].unique())}
        scales = list(self.tasks.groupby(["small", "metric"], sort=False))
        for number, ((small, metric), rows) in enumerate(scales):
            shift = 0.6 * (number / len(scales) - 0.5)
            ends = [rows["accuracy"] - rows["low"], rows["high"] - rows["accuracy"]]
            ax.errorbar(
                rows["accuracy"],
                rows["task"].map(places) + shift,
                xerr=ends,
                fmt=".",
                label=drawn(f"{small}, {metric}"),
            )
        ax.set_yticks(list(places.values()), [drawn(task) for task in places])
        ax.invert_yaxis()
        ax.set_xlabel(drawn(f"pairs of recipes ordered as by {self.large}"))
        ax.legend(fontsize="small")
        return ax


@dataclass(frozen=True, eq=False, repr=False)
class SignalToNoise(Result):
    """How far models of one scale lie apart on each task, over the noise of their late checkpoints.

    `table` has a row a scale, metric and task: n_models, n_checkpoints, the mean score, `signal`, the range of the
    models' means over it, `noise`, the standard deviation between late checkpoints of a run over it, and
    signal_to_noise. A run's late checkpoints are its `last`."""

    table: pd.DataFrame
    last: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """A line a task, with its signal-to-noise at each scale."""
        lines = [
            f"signal over noise: range of the models over the standard deviation of the last {self.last} checkpoints"
        ]
        lines += _by_task(self.table, "scale", self.table["signal_to_noise"].map("{:.2f}".format))
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, object]:
        """The table by row, in plain JSON types."""
        return {"tasks": records(self.table), "last": self.last, "notes": list(self.notes)}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw each task's signal against its noise."""
        ax = axes_or_new(ax)
        for (scale, metric), rows in self.table.groupby(["scale", "metric"], sort=False):
            ax.loglog(rows["noise"], rows["signal"], ".", label=drawn(f"{scale}, {metric}"))
        ax.set_xlabel("noise (standard deviation of late checkpoints over the mean)")
        ax.set_ylabel("signal (range of the models over the mean)")
        ax.legend(fontsize="small")
        return ax


@dataclass(frozen=True, eq=False)
class _Scale:
    """The final results of models of one size, one model a recipe and seed; `label` is a query that finds them."""

    label: str
    rows: pd.DataFrame
    size: float


def decision_accuracy(
    table: pd.DataFrame,
    small: str | None = None,
    large: str | None = None,
    *,
    metric: str | None = None,
    level: float = 0.9,
) -> DecisionAccuracy:
    """Say how often small models order recipes as large ones do, by task and over all tasks.

    `table` is as `read_points` gives it; a recipe is what the column `recipe` says, or else `ladder`. `small` and
    `large` are queries over the columns, as docs/tables.md says (None: the largest n_params that two recipes share, and
    each that is smaller). A query that leaves a recipe several models stands for each of their sizes. Last final
    checkpoints count; seeds are averaged. The interval is for other recipes on the same tasks: that of so many
    independent pairs as have the jackknife's variance over recipes, no fewer than half the recipes. Nothing to compare,
    and several models of a recipe at one size, raise TasklawsError. Source: Magnusson et al. 2025, arXiv 2504.11393.

    >>> import pandas as pd
    >>> rows = [(r, f"{r}-{n}", n, q * n) for r, q in zip("abc", (1, 2, 3)) for n in (1e7, 1e9)]
    >>> table = pd.DataFrame(rows, columns=["recipe", "model", "n_params", "value"]).assign(task="t", metric="ce")
    >>> decision_accuracy(table).pooled[["small", "n_pairs", "accuracy"]].values.tolist()
    [['n_params == 10000000', 3.0, 1.0]]
    """
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the interval is {level}: give one between 0 and 1, such as 0.9")
    finals, notes = _finals(_runs(table, metric))
    scales, target = _small_and_large(finals, small, large)
    wanted = _recipe_values(target)
    tasks, pooled = [], []
    for scale in scales:
        values, same = _recipe_values(scale), scale.rows["train_flops"].mean() / target.rows["train_flops"].mean()
        common = sorted(values.keys() & wanted.keys(), key=lambda pair: (pair[0], natural(pair[1])))
        agreed = {key: pairs for key in common if (pairs := _agreement(values[key], wanted[key]))[1].to_numpy().any()}
        for name in sorted({name for name, _ in agreed}):
            found = {task: pairs for (of, task), pairs in agreed.items() if of == name}
            start = {"small": scale.label, "metric": name, "share_of_flops": same}
            tasks += [{**start, "task": task, **_accuracy([pairs], level)} for task, pairs in found.items()]
            pooled.append({**start, "n_tasks": len(found), **_accuracy(list(found.values()), level)})
    if not tasks:
        raise TasklawsError("no task has two recipes at both scales that differ at the large one: choose other scales")
    notes = [*table.attrs.get("notes", []), *notes, *_left_out(wanted, tasks)]
    return DecisionAccuracy(
        DECISION_ACCURACY.frame(tasks), POOLED_DECISIONS.frame(pooled), target.label, level, tuple(notes)
    )


def signal_to_noise(
    table: pd.DataFrame, scale: str | None = None, *, metric: str | None = None, last: int = LAST
) -> SignalToNoise:
    """Say how far models of one scale lie apart on each task, over the noise of their late checkpoints.

    `table` is as `read_points` gives it, with checkpoints (`step`, or n_tokens). `scale` is a query over the columns
    that chooses models by their final results (None: each n_params that two models or more share); one that leaves a
    recipe several stands for each of their sizes. With m_j the mean of model j's `last` checkpoints (over its seeds),
    signal is (max m_j - min m_j) / mean m_j, and noise the standard deviation of checkpoints about the mean of their
    own run, pooled over runs (divided by their number less the runs), over the same mean. What cannot be, and no run
    with two checkpoints, raise TasklawsError. Source: Heineman et al. 2025, arXiv 2508.13144.

    >>> import pandas as pd
    >>> rows = [(m, 1e8, s, v + e) for m, v in (("a", 0.4), ("b", 0.6)) for s, e in ((1, -0.01), (2, 0.0), (3, 0.01))]
    >>> table = pd.DataFrame(rows, columns=["model", "n_params", "step", "value"]).assign(task="t", metric="acc")
    >>> signal_to_noise(table).table[["signal", "noise", "signal_to_noise"]].round(6).values.tolist()
    [[0.4, 0.02, 20.0]]
    """
    if last < 2:
        raise TasklawsError(f"last is {last}: noise needs two checkpoints or more")
    runs = _runs(table, metric)
    finals, notes = _finals(runs)
    rows, alike, begins = [], [], {}
    for label, own in _sizes(finals, scale):
        late = _last(runs.merge(own[_UNIT].drop_duplicates()), last)
        groups = sorted(late.groupby(["metric", "task"]), key=lambda group: [natural(str(name)) for name in group[0]])
        for (name, task), part in groups:
            found = _signal_and_noise(part)
            if found is None:
                alike.append(str(task))
            else:
                rows.append({"scale": label, "metric": name, "task": task, **found})
        begins[label] = _first_share(late)
    if not rows:
        raise TasklawsError(
            "no task has two models of one scale, and a run whose late checkpoints differ: give checkpoints by `step`"
        )
    if alike:
        notes.append(f"{len(alike)} tasks are left out, as late checkpoints, or models, do not differ: {_names(alike)}")
    early = [label for label, share in begins.items() if share < _SETTLED]
    if early:
        share = min(begins.values())
        notes.append(f"the rise counts as noise where checkpoints called late begin at {share:.0%}: {_names(early)}")
    return SignalToNoise(SIGNAL_TO_NOISE.frame(rows), last, (*table.attrs.get("notes", []), *notes))


def _runs(table: pd.DataFrame, metric: str | None) -> pd.DataFrame:
    """The rows of a metric (None: of all) with every column that is asked for below."""
    if not isinstance(table, pd.DataFrame):
        raise TasklawsError(f"the table is a {type(table).__name__}: give what read_points gives")
    missing = [name for name in _COLUMNS_NEEDED if name not in table]
    if missing:
        raise TasklawsError(f"the table has no column {missing[0]!r}: it needs {', '.join(_COLUMNS_NEEDED)}")
    if metric is not None and metric not in set(table["metric"]):
        raise TasklawsError(f"no metric {metric!r}: choose one of {_names(table['metric'].unique())}")
    table, _ = without_planned(table)  # which the table's own notes name
    rows = table if metric is None else table[table["metric"] == metric]
    recipe = next((rows[name] for name in ("recipe", "ladder") if name in rows), rows["model"].map(lambda _: "all"))
    unknown = {"seed": 0, "is_final": True, **dict.fromkeys(("step", *SIZES), np.nan)}
    rows = rows.assign(recipe=recipe, **{name: value for name, value in unknown.items() if name not in rows})
    rows = rows.assign(seed=rows["seed"].fillna(0))
    for name in (*_COLUMNS_NEEDED, "recipe"):
        if rows[name].isna().any():
            raise TasklawsError(f"{int(rows[name].isna().sum())} rows have no {name}: name it, or remove them")
    twice = rows.duplicated([*_UNIT, "seed", "step", "n_tokens", "task", "metric"])
    if twice.any():
        row = rows.loc[twice, [*_UNIT, "task", "metric"]].iloc[0].to_dict()
        raise TasklawsError(f"two results of {row} at one step: tell them apart in `step`, or seeds in `seed`")
    return rows.sort_values(["step", "n_tokens"], na_position="last", kind="stable")


def _last(runs: pd.DataFrame, count: int) -> pd.DataFrame:
    """The last checkpoints of each run on each task."""
    return runs.groupby([*_UNIT, "seed", "task", "metric"], sort=False).tail(count)


def _finals(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The last final result of each run on each task, and what to say."""
    final = runs[runs["is_final"].astype(bool)]
    lacking = set(runs["model"]) - set(final["model"])
    notes = [f"{len(lacking)} models without a final result are left out: {_names(lacking)}"] if lacking else []
    return _last(final, 1), notes


def _sizes(finals: pd.DataFrame, query: str | None, name: str = "scale") -> list[tuple[str, pd.DataFrame]]:
    """The final results that a query chooses, by size where it is None or leaves a recipe several models."""
    rows = finals if query is None else finals[matching(finals, query, name)]
    if query is not None and not _several(rows).any():
        return [(query, rows)]
    size = next((size for size in _AXES if len(rows) and rows[size].notna().all()), None)
    if size is None:
        raise TasklawsError(f"some rows have neither n_params nor train_flops: choose models by --{name} QUERY")
    by_size = rows.groupby(size)
    return [(f"{size} == {value:.15g}", own) for value, own in by_size if len(own[_UNIT].drop_duplicates()) > 1]


def _several(rows: pd.DataFrame) -> pd.Series:
    """Which rows are of a second model of their recipe."""
    return rows.duplicated(["recipe", "seed", "task", "metric"])


def _scales(finals: pd.DataFrame, query: str | None, name: str) -> list[_Scale]:
    """The scales that a query chooses, from small to large, each with one model a recipe."""
    found = []
    for label, rows in _sizes(finals, query, name):
        if rows["recipe"].nunique() > 1:
            sizes = rows[list(_AXES)].median()
            found.append(_Scale(label, rows, float(sizes.dropna().iloc[0]) if sizes.notna().any() else np.nan))
    if not found:
        raise TasklawsError(
            f"--{name}: no size has two recipes: name them in a column `recipe` (or `ladder`), and choose models of "
            f"each by --{name} QUERY"
        )
    return found


def _small_and_large(finals: pd.DataFrame, small: str | None, large: str | None) -> tuple[list[_Scale], _Scale]:
    targets = _scales(finals, large, "large")
    if large is not None and len(targets) > 1:
        wanted = targets[-1].label
        raise TasklawsError(f"--large {large!r} chooses {len(targets)} sizes: choose one, such as {wanted!r}")
    target = targets[-1]
    scales = _scales(finals, small, "small")
    if small is None or len(scales) > 1:
        scales = [scale for scale in scales if scale.size < target.size]
    if not scales:
        raise TasklawsError(f"no scale is smaller than {target.label}: choose one by --small QUERY")
    for scale in scales:
        both = scale.rows[_UNIT].merge(target.rows[_UNIT])
        if len(both):
            raise TasklawsError(f"model {both['model'].iloc[0]!r} is among both small and large: choose them apart")
    for scale in (*scales, target):
        second = _several(scale.rows)
        if second.any():
            recipe = scale.rows["recipe"][second].iloc[0]
            models = scale.rows["model"][scale.rows["recipe"] == recipe].unique()
            raise TasklawsError(
                f"recipe {recipe!r} has {len(models)} models at {scale.label}: {_names(models)}: choose one of each "
                "recipe by --small and --large, e.g. 'n_tokens > 1e10', or tell seeds apart in a column `seed`"
            )
    return scales, target


def _recipe_values(scale: _Scale) -> dict[tuple[str, str], pd.Series]:
    """(metric, task) -> the value of each recipe, a mean over seeds."""
    means = scale.rows.groupby(["metric", "task", "recipe"])["value"].mean()
    return {key: values.droplevel([0, 1]) for key, values in means.groupby(level=[0, 1])}  # type: ignore[misc]


def _agreement(small: pd.Series, large: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For each two recipes at both scales: 1 where both order them alike, 1/2 where the small does not order them; and
    1 where the large one does order them, else the pair is none."""
    recipes = small.index.intersection(large.index)
    signs = [np.sign(np.subtract.outer(*[values[recipes].to_numpy(float)] * 2)) for values in (small, large)]
    counts = np.abs(signs[1])
    alike = counts * (1 + signs[0] * signs[1]) / 2
    return pd.DataFrame(alike, recipes, recipes), pd.DataFrame(counts, recipes, recipes)


def _accuracy(tasks: Sequence[tuple[pd.DataFrame, pd.DataFrame]], level: float) -> dict[str, float]:
    """The share of pairs of recipes that are ordered alike, over tasks, and its interval."""
    recipes = sorted(set().union(*(counts.index for _, counts in tasks)))
    alike, counts = (
        sum(part.reindex(index=recipes, columns=recipes, fill_value=0.0).to_numpy(float) for part in parts)
        for parts in zip(*tasks, strict=True)
    )
    total = float(np.sum(counts))
    share = float(np.sum(alike)) / total
    known = np.sum(counts, axis=0) > 0
    n_recipes, n_pairs = int(known.sum()), total / 2
    variance = _jackknife(np.asarray(alike)[known], np.asarray(counts)[known], np.sum(alike), total)
    independent = share * (1 - share) / variance if variance > 0 else 0.0
    worth = min(max(independent, n_recipes / 2), n_pairs)
    low, high = Mean.of(worth, worth * share, worth * share).interval(level)
    limits = {"accuracy": share, "low": float(low), "high": float(high)}
    return {"n_recipes": n_recipes, "n_pairs": n_pairs, **limits}


def _jackknife(alike: Array, counts: Array, all_alike: float, total: float) -> float:
    """Variance of a share of pairs, from leaving out each recipe (Arvesen 1969); 0 where that leaves no pair."""
    left = total - 2 * counts.sum(axis=1)
    if (left <= 0).any():
        return 0.0
    shares = (all_alike - 2 * alike.sum(axis=1)) / left
    return float((len(shares) - 1) / len(shares) * ((shares - shares.mean()) ** 2).sum())


def _left_out(wanted: dict[tuple[str, str], pd.Series], tasks: list[dict[str, object]]) -> list[str]:
    lacking = {task for _, task in wanted} - {str(row["task"]) for row in tasks}
    if not lacking:
        return []
    return [f"{len(lacking)} tasks are left out, as no two recipes have both scales or differ: {_names(lacking)}"]


def _signal_and_noise(late: pd.DataFrame) -> dict[str, float] | None:
    """The figures of one task, None where models or late checkpoints do not differ."""
    by_run = late.groupby([*_UNIT, "seed"])["value"]
    squares = float(((late["value"] - by_run.transform("mean")) ** 2).sum())
    freedom = len(late) - by_run.ngroups
    means = by_run.mean().groupby(level=_UNIT).mean()
    spread, mean = float(means.max() - means.min()), float(means.mean())
    # Equal values may differ by rounding from their mean.
    if freedom == 0 or mean == 0 or np.sqrt(squares / len(late)) <= 1e-12 * abs(mean) or spread == 0:
        return None
    noise = float(np.sqrt(squares / freedom))
    counts = {"n_models": len(means), "n_checkpoints": len(late), "mean": mean}
    return {**counts, "signal": spread / mean, "noise": noise / mean, "signal_to_noise": spread / noise}


def _first_share(late: pd.DataFrame) -> float:
    """Where in a run its late checkpoints begin at the earliest; NaN where neither steps nor tokens are known."""
    ends = late.groupby([*_UNIT, "seed"])[["step", "n_tokens"]].agg(["min", "max"])
    shares = [
        (ends[axis]["min"] / ends[axis]["max"].where(ends[axis]["max"] > 0)).min() for axis in ("step", "n_tokens")
    ]
    return float(shares[0] if pd.notna(shares[0]) else shares[1])


def _by_task(table: pd.DataFrame, scale: str, cells: pd.Series) -> list[str]:
    """Lines with the cells by task and metric, a column a scale; of many the first."""
    wide = table.assign(cell=cells).pivot(index=["task", "metric"], columns=scale, values="cell").fillna("-")
    wide = in_order(wide[table[scale].unique()].reset_index(), ["task", "metric"])
    first = wide.head(_ROWS_SHOWN).assign(task=lambda rows: rows["task"].map(shown))
    lines = first.to_string(index=False, justify="right").splitlines()
    left = len(wide) - len(first)
    return [*lines, f"and {left} more tasks: --out DIR writes all of them"] if left else lines


def _share(row: dict[str, float]) -> str:
    return f"{100 * row['accuracy']:.0f}% ({100 * row['low']:.0f} to {100 * row['high']:.0f})"


def _names(names: Iterable[object]) -> str:
    """A few of the names, in order."""
    return some(sorted(map(str, names), key=natural), 5, str)
