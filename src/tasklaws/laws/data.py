"""From a table of observations to the points that a law is fitted to, and those that are left out, with the reason."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.law import AXES, Law
from tasklaws.stats.proportions import binomial_items
from tasklaws.tables import ACCURACIES, is_loss

Kind = Literal["accuracy", "loss"]
NOMINAL_ITEMS = 100.0  # behind an accuracy of which neither n_items nor stderr is known: all points then weigh the same
FLOOR = 1e-6  # a smaller loss counts as this one, so that its logarithm exists


@dataclass(frozen=True, eq=False)
class Points:
    """What one fit sees: n points, inputs and values in their own units.

    `index` are the rows' labels in the table, `ladder` numbers the ladders named in `ladders`, `cluster` the rungs
    (models), which are resampled together. `stderr` is NaN where unknown, `weight` 1. `left_out` gives the reason for
    each other row by label."""

    kind: Kind
    x: dict[str, Array]
    value: Array
    n_items: Array
    stderr: Array
    weight: Array
    chance: float | None
    ladder: NDArray[np.intp]
    ladders: tuple[str, ...]
    cluster: NDArray[np.intp]
    index: tuple[int, ...]
    left_out: dict[int, str]


def metric_kind(metric: str | None, values: Array) -> Kind:
    """What the schema says of a metric; of one that it does not list, or without a name, values that all lie in [0, 1]
    are accuracies, and others are fitted as losses: any positive quantity, such as the tokens of `transfer`."""
    if metric is not None and is_loss(metric):
        return "loss"
    return "accuracy" if metric in ACCURACIES or ((values >= 0) & (values <= 1)).all() else "loss"


def only(table: pd.DataFrame, column: str) -> str | None:
    """The one entry of a column, None where it is absent; several raise TasklawsError."""
    if column not in table:
        return None
    found = table[column].dropna().unique()
    if len(found) > 1:
        names = ", ".join(map(str, found[:5])) + ", ..." * (len(found) > 5)
        raise TasklawsError(f"the table holds several of {column}: {names}: a law is fitted to one, choose it")
    return str(found[0]) if len(found) else None


def choose(table: pd.DataFrame, task: str | None, metric: str | None) -> pd.DataFrame:
    """The rows of one task and metric, numbered from 0; None takes all. An unknown name raises TasklawsError."""
    for column, wanted in (("metric", metric), ("task", task)):
        if wanted is not None:
            known = table[column].dropna().unique().tolist() if column in table else []
            if wanted not in known:
                raise TasklawsError(f"no {column} {wanted!r}: choose one of {', '.join(map(str, known)) or 'none'}")
            table = table[table[column] == wanted]
    return table.reset_index(drop=True)


def with_compute(table: pd.DataFrame) -> pd.DataFrame:
    """The table with train_flops = 6 n_params n_tokens where that is not given."""
    if {"n_params", "n_tokens"} <= set(table) and not ("train_flops" in table and table["train_flops"].notna().all()):
        flops = 6.0 * table["n_params"] * table["n_tokens"]
        table = table.assign(train_flops=table["train_flops"].fillna(flops) if "train_flops" in table else flops)
    return table


def choose_axis(law: Law, table: pd.DataFrame) -> Law:
    """A law of one axis on the first of its own axis, train_flops, n_params and n_tokens that every row has."""
    if not law.one_axis:
        return law
    for axis in (*law.inputs, *AXES):
        if axis in table and table[axis].notna().all():
            return law.on(axis)
    return law


def points_to_fit(table: pd.DataFrame, law: Law, final: bool = True) -> Points:
    """The points of one task and metric that `law` can use.

    Checkpoints that were annealed (`is_final`) and those that were not are kept apart: `final` says which of the two
    to use where there are both. No usable row, several tasks or metrics, or several levels of chance raise
    TasklawsError."""
    if "value" not in table:
        raise TasklawsError(f"no column 'value' among {', '.join(map(str, table.columns))}: name the scores so")
    for name in law.inputs:
        if name not in table:
            raise TasklawsError(f"law {law.name} needs {name}, which the table lacks: choose another law or axis")
    for column in ("task", "family", "elicitation"):
        only(table, column)
    metric = only(table, "metric")
    names = (*law.inputs, "value", "n_items", "stderr", "chance", "weight")
    cells = {name: table[name] if name in table else pd.Series(np.nan, index=table.index) for name in names}
    numbers = {name: pd.to_numeric(part, errors="coerce").to_numpy(dtype=float) for name, part in cells.items()}
    value = numbers["value"]
    kind = metric_kind(metric, value[np.isfinite(value)])
    if kind == "loss" and law.gives == "accuracy":
        raise TasklawsError(f"law {law.name} is of accuracies, but {metric or 'the value'} is a loss: choose another")
    reasons = np.full(len(table), "", dtype=object)
    for name in law.inputs:
        mark(reasons, ~np.isfinite(numbers[name]), f"no {name}")
        mark(reasons, ~(numbers[name] > 0), f"{name} is not positive")
    mark(reasons, ~np.isfinite(value), "no value")
    if kind == "accuracy":
        mark(reasons, ~((value >= 0) & (value <= 1)), "accuracy outside [0, 1]")
    else:
        mark(reasons, ~(value > 0), "loss not above 0")
    weight = numbers["weight"] if "weight" in table else np.ones(len(table))
    mark(reasons, ~(weight > 0), "no positive weight")
    if "is_final" in table:
        annealed, usable = table["is_final"].astype(bool).to_numpy(), reasons == ""
        if final and (annealed & usable).any():
            mark(reasons, ~annealed, "checkpoint not annealed, kept apart from final ones")
        elif not final and (~annealed & usable).any():
            mark(reasons, annealed, "final checkpoint, kept apart from those not annealed")
    used = reasons == ""
    if not used.any():
        most_common = pd.Series(reasons).value_counts().index[0]
        raise TasklawsError(f"no row of {len(table)} can be used ({most_common}): see the table")
    ladder_names = table["ladder"].astype(str) if "ladder" in table else pd.Series("", index=table.index)
    ladder, ladders = pd.factorize(ladder_names[used], sort=True)
    chance = numbers["chance"][used & np.isfinite(numbers["chance"])]
    if len(chance) and np.ptp(chance) > 1e-3:
        raise TasklawsError(f"chance differs between rows ({chance.min()} to {chance.max()}): fit tasks one by one")
    items = np.where(numbers["n_items"] >= 1, numbers["n_items"], binomial_items(value, numbers["stderr"]))
    labels = np.arange(len(table))
    return Points(
        kind=kind,
        x={name: numbers[name][used] for name in law.inputs},
        value=value[used] if kind == "accuracy" else np.maximum(value[used], FLOOR),
        n_items=np.where(np.isfinite(items), items, NOMINAL_ITEMS)[used],
        stderr=numbers["stderr"][used],
        weight=weight[used],
        chance=float(chance.mean()) if kind == "accuracy" and len(chance) else None,
        ladder=ladder,
        ladders=tuple(map(str, ladders)),
        cluster=clusters(table[used], law.inputs),
        index=tuple(labels[used].tolist()),
        left_out={int(label): str(reasons[label]) for label in labels[~used]},
    )


def mark(reasons: NDArray[np.object_], rows: NDArray[np.bool_], reason: str) -> None:
    reasons[rows & (reasons == "")] = reason


def clusters(table: pd.DataFrame, inputs: tuple[str, ...]) -> NDArray[np.intp]:
    """Numbers the rungs: the models by ladder, or where they have no name, the distinct inputs."""
    rung = next((name for name in ("model", "rung") if name in table), None)
    keys = list(inputs) if rung is None else [name for name in ("ladder", rung) if name in table]
    return table.groupby(keys, sort=True, dropna=False).ngroup().to_numpy().astype(np.intp)
