"""Which of several readings of the same answers is kept, so that none counts twice: groups, variants, reruns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.shown import some
from tasklaws.readers.runs import EvalRun, LeftOut, rows_left_out, shortened
from tasklaws.tabular.gaps import agreed
from tasklaws.tabular.layouts import Layout

Groups = Literal["subtasks", "groups", "all"]


@dataclass(frozen=True)
class Choices:
    """How files are to be read: what models are called, which of several readings is kept, what becomes of odd entries.

    `metrics` are those to keep, "all" of them, or where empty one of those that read the same answers. `layout` and
    `units` state what tables do not, `directions` of a metric whether "up" or "down" is better (points.read_points).
    """

    model_name: str | None = None
    name_from: str | Path = "config"
    groups: Groups = "subtasks"
    metrics: Sequence[str] = ()
    latest: bool = False
    strict: bool = False
    layout: Layout | None = None
    units: Mapping[str, float] | None = None
    directions: Mapping[str, str] | None = None


# Metrics that differ only in how an answer's likelihood is divided, the plain one first.
_VARIANTS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")
FILTERS = ("", "strict-match")  # before others, which go by name
_SAME_RUN = ["ladder", "model", "step", "n_shot", "task", "metric"]
_SEVERAL_VALUES = "its file has several values of it, and nothing tells which counts: keep one"


def once_a_file(table: pd.DataFrame, runs: Sequence[EvalRun], found: list[LeftOut]) -> pd.DataFrame:
    """The rows of which a file has one value each, as of `acc` beside `acc,none`; several equal ones are one, and of
    others an entry is added to `found`."""
    keys = ["run", "n_shot", "task", "metric"]
    if not table.duplicated(keys).any():
        return table
    differ = table.groupby(keys, dropna=False)["value"].transform("nunique") > 1
    found += rows_left_out(table[differ].assign(reason=_SEVERAL_VALUES), runs)
    return table[~differ & ~table.duplicated(keys)]


def without_doubles(table: pd.DataFrame, runs: Sequence[EvalRun], groups: Groups, notes: list[str]) -> pd.DataFrame:
    """The rows without those that say again what others of their run say.

    Of a group and its tasks, `groups` says which stay where both have the metric: "subtasks", "groups", or "all" of
    them; lighteval's `all`, the mean over everything, goes unless "all" are kept.
    """
    if groups == "all":
        return table
    labels = []
    for _, rows in table.groupby("run"):
        run = runs[int(rows["run"].iloc[0])]
        if run.groups:
            pairs = list(zip(rows["task"], rows["metric"], strict=True))
            again = _subtasks_tell(pairs, run.groups) if groups == "subtasks" else _groups_tell(pairs, run.groups)
            labels += [label for label, twice in zip(rows.index, again, strict=True) if twice]
    doubled = pd.Series(table.index.isin(labels), index=table.index)
    if doubled.any():
        what = "group(s) whose tasks are there too" if groups == "subtasks" else "task(s) whose group is there too"
        names = table.loc[doubled, "task"].unique()
        other = "groups" if groups == "subtasks" else "subtasks"
        notes.append(
            f"left out {doubled.sum()} row(s) of {len(names)} {what}, as {shortened(names[0])}: they say the same "
            f"again; --groups {other} keeps those instead, --groups all both"
        )
    return table[~doubled]


def _subtasks_tell(pairs: Sequence[tuple[str, str]], groups: Mapping[str, Sequence[str]]) -> list[bool]:
    """Of which (task, metric) the task is a group one of whose tasks has the metric too; no task is above its group."""
    has = set(pairs)
    return [
        any((one, metric) in has for one in groups.get(task, ()) if one != task and task not in groups.get(one, ()))
        for task, metric in pairs
    ]


def _groups_tell(pairs: Sequence[tuple[str, str]], groups: Mapping[str, Sequence[str]]) -> list[bool]:
    """Of which (task, metric) the task is in a group that has the metric too; `all`, which is none, beside any task."""
    has = set(pairs)
    above: dict[str, list[str]] = {}
    for group, below in groups.items():
        for task in below if group != "all" else ():
            above.setdefault(task, []).append(group)
    return [
        any((group, metric) in has for group in above.get(task, ()) if group != task)
        or (task == "all" and any((one, metric) in has for one in groups.get("all", ())))
        for task, metric in pairs
    ]


def one_variant(table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows without further readings of the same answers: of acc, acc_norm and the like, and of the filters of one
    metric, a task keeps the one that most runs have, the plainer where several do."""
    family = table["base"].where(~table["base"].isin(_VARIANTS), _VARIANTS[0])
    several = table.groupby([table["task"], family])["metric"].transform("nunique") > 1
    if not several.any():
        return table
    rows = table[several].assign(family=family[several])
    kinds = rows.groupby(["task", "family", "base", "filter", "metric"])["run"].nunique().reset_index()
    kinds["variant"] = kinds["base"].map({name: place for place, name in enumerate(_VARIANTS)}).fillna(0)
    kinds["plain"] = kinds["filter"].map({name: place for place, name in enumerate(FILTERS)}).fillna(len(FILTERS))
    order = ["run", "variant", "plain", "filter"]
    kinds = kinds.sort_values(order, ascending=[False, True, True, True], kind="stable")
    kept = kinds.drop_duplicates(["task", "family"]).set_index(["task", "family"])["metric"]
    chosen = pd.Series(kept.loc[pd.MultiIndex.from_frame(rows[["task", "family"]])].to_numpy(), index=rows.index)
    out = rows[rows["metric"] != chosen]
    first = out.iloc[0]
    notes.append(
        f"left out {len(out)} row(s) of {some(sorted(out['metric'].unique()), 5, str)}: other readings of the answers "
        f"that count already, as {shortened(first['task'])} by {shortened(chosen[out.index[0]])}; --metric names what "
        "is kept instead, --metric all keeps all"
    )
    return table.drop(out.index)


def only_metrics(table: pd.DataFrame, wanted: Sequence[str]) -> pd.DataFrame:
    """The rows of metrics that are named, with their filter or without; one that no row has raises TasklawsError."""
    for name in wanted:
        if not (table["metric"].eq(name) | table["base"].eq(name)).any():
            there = some(sorted(table["metric"].unique()), 8, lambda metric: shortened(metric, 30))
            raise TasklawsError(f"--metric {shortened(name)}: no row has it: there are {there}")
    return table[table["metric"].isin(wanted) | table["base"].isin(wanted)]


def one_run(table: pd.DataFrame, latest: bool, notes: list[str]) -> pd.DataFrame:
    """The rows, of which those that two runs have are refused (TasklawsError), or with `latest` taken from the last.

    An unknown number of shots may be the one that is known beside it."""
    only = agreed(table["n_shot"], table[[name for name in _SAME_RUN if name != "n_shot"]])
    keyed = table.assign(n_shot=table["n_shot"].fillna(only))
    twice = keyed.duplicated(_SAME_RUN, keep=False)
    if not twice.any():
        return table
    if not latest:
        _refuse_rerun(keyed[twice], "two runs: give one of them, or --latest takes the later")
    timed = keyed[twice]
    if timed["ran"].isna().any():
        where = timed["label"][timed["ran"].isna()].iloc[0]
        raise TasklawsError(f"{where}: no time of its run, by `date` or in its file's name, for --latest to go by")
    last = timed.groupby(_SAME_RUN, dropna=False)["ran"].transform("max")
    kept = timed[timed["ran"] == last]
    again = kept.duplicated(_SAME_RUN, keep=False)
    if again.any():
        _refuse_rerun(kept[again], "two runs of one time: give one of them")
    notes.append(f"left out {len(timed) - len(kept)} row(s) of earlier runs, of {timed['model'].nunique()} model(s)")
    return table.drop(timed.index.difference(kept.index))


def _refuse_rerun(rows: pd.DataFrame, remedy: str) -> None:
    group = rows.groupby(_SAME_RUN, dropna=False, sort=False).ngroup()
    first, second, *_ = rows[group == group.iloc[0]].itertuples()
    named = {name: getattr(first, name) for name in ("model", "step", "task", "metric")}
    what = ", ".join(f"{name} {shortened(str(value), 30)}" for name, value in named.items() if pd.notna(value))
    labels = shortened(str(second.label), 160), shortened(str(first.label), 160)
    raise TasklawsError(f"{labels[0]}: same as {labels[1]} ({what}): {remedy}")
