"""From a table of observations to the points that a law is fitted to, and those that are left out, with the reason."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.laws.curve import Better, Kind, Points, least_value
from tasklaws.laws.law import AXES, Law
from tasklaws.stats.proportions import items_bounded, known_items
from tasklaws.tables import ACCURACIES, direction, losses


def kind_and_better(table: pd.DataFrame, metric: str | None, values: Array) -> tuple[Kind, Better | None]:
    """Whether the values are accuracies or losses, and which way is better, None where nothing says so.

    The column `higher_is_better` and the metric's name say what is a loss. Of others, known names and values that all
    lie in [0, 1] are accuracies; the rest is fitted as losses are: any positive quantity, such as the tokens of
    `transfer`. Rows that gainsay each other raise TasklawsError."""
    less = losses(table)
    if less.nunique() > 1:
        raise TasklawsError(
            "higher_is_better says True of some rows and False of others: a law is fitted to one metric"
        )
    if less.any():
        return "loss", "down"
    if metric in ACCURACIES or ((values >= 0) & (values <= 1)).all():
        return "accuracy", "up"
    stated = "higher_is_better" in table and table["higher_is_better"].notna().any()
    return "loss", "up" if stated or (metric is not None and direction(metric) == "up") else None


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
    """The table with train_flops = 6 n_params n_tokens, or n_tokens = train_flops / (6 n_params), where that is not
    given (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""
    for name, others, worked_out in (
        ("train_flops", ("n_params", "n_tokens"), lambda n_params, n_tokens: 6.0 * n_params * n_tokens),
        ("n_tokens", ("train_flops", "n_params"), lambda train_flops, n_params: train_flops / (6.0 * n_params)),
    ):
        if set(others) <= set(table) and not (name in table and table[name].notna().all()):
            known = [pd.to_numeric(table[other], errors="coerce") for other in others]
            found = worked_out(*known)
            table = table.assign(**{name: table[name].fillna(found) if name in table else found})
    return table


def _odd_values(value: Array, kind: Kind, chance: Array) -> list[str]:
    """A line on accuracies that all lie below chance, and on values that count as larger ones."""
    if kind == "accuracy":
        below = len(chance) > 0 and value.max() < chance.mean()
        return [f"every value lies below the chance of {chance.mean():g}: is that right?"] if below else []
    small = int((value < least_value(value)).sum())
    return [f"{small} value(s) below {least_value(value):.3g} count as that"] if small else []


def worked_out(given: pd.DataFrame, table: pd.DataFrame, law: Law) -> list[str]:
    """A line for each input of the law that `with_compute` worked out in rows of the `table` as it was `given`."""
    lines = []
    for name, formula in (
        ("n_tokens", "D = C / (6 N), C being train_flops and N n_params"),
        ("train_flops", "C = 6 N D, N being n_params and D n_tokens"),
    ):
        count = (
            int((table[name].notna() & (given[name].isna() if name in given else True)).sum()) if name in table else 0
        )
        if name in law.inputs and count:
            lines.append(f"{name} of {count} of {len(given)} rows was worked out by {formula}")
    return lines


def choose_axis(law: Law, table: pd.DataFrame) -> Law:
    """A law of one axis on the first of its own axis, train_flops, n_params and n_tokens that every row has."""
    if not law.one_axis:
        return law
    for axis in (*law.inputs, *AXES):
        if axis in table and table[axis].notna().all():
            return law.on(axis)
    return law


def points_to_fit(given: pd.DataFrame, law: Law, final: bool = True, best_run: bool = False) -> Points:
    """The points of one task and metric that `law` can use.

    Checkpoints that were annealed (`is_final`) and those that were not are kept apart: `final` says which of the two
    to use where there are both. With `best_run` only the best of the runs with the same inputs is used. No usable row,
    several tasks or metrics, or several levels of chance raise TasklawsError."""
    table = with_compute(given)
    if "value" not in table:
        raise TasklawsError(f"no column 'value' among {', '.join(map(str, table.columns))}: name the scores so")
    for name in law.inputs:
        if name not in table:
            raise TasklawsError(f"law {law.name} needs {name}, which the table lacks: choose another law or axis")
    task, metric, *_ = (only(table, column) for column in ("task", "metric", "family", "elicitation"))
    names = (*law.inputs, "value", "n_items", "stderr", "chance", "weight")
    cells = {name: table[name] if name in table else pd.Series(np.nan, index=table.index) for name in names}
    numbers = {name: pd.to_numeric(part, errors="coerce").to_numpy(dtype=float) for name, part in cells.items()}
    value = numbers["value"]
    kind, better = kind_and_better(table, metric, value[np.isfinite(value)])
    if kind == "loss" and law.gives == "accuracy":
        raise TasklawsError(f"law {law.name} is of accuracies, but {metric or 'the value'} is a loss: choose another")
    reasons = np.full(len(table), "", dtype=object)
    for name in law.inputs:
        set_reason(reasons, ~np.isfinite(numbers[name]), f"no {name}")
        set_reason(reasons, ~(numbers[name] > 0), f"{name} is not positive")
    set_reason(reasons, ~np.isfinite(value), "no value")
    if kind == "accuracy":
        set_reason(reasons, ~((value >= 0) & (value <= 1)), "accuracy outside [0, 1]")
    else:
        set_reason(reasons, ~(value > 0), "loss not above 0")
    weight = numbers["weight"] if "weight" in table else np.ones(len(table))
    set_reason(reasons, ~(weight > 0), "no positive weight")
    if "is_final" in table:
        annealed, usable = table["is_final"].astype(bool).to_numpy(), reasons == ""
        if final and (annealed & usable).any():
            set_reason(reasons, ~annealed, "checkpoint not annealed, kept apart from final ones")
        elif not final and (~annealed & usable).any():
            set_reason(reasons, annealed, "final checkpoint, kept apart from those not annealed")
    if best_run:
        worse = beaten(table, law.inputs, value, reasons == "", better)
        set_reason(reasons, worse, "another run with the same inputs is better")
    used = reasons == ""
    if not used.any():
        most_common = pd.Series(reasons).value_counts().index[0]
        raise TasklawsError(f"no row of {len(table)} can be used ({most_common}): see the table")
    ladder_names = table["ladder"].astype(str) if "ladder" in table else pd.Series("", index=table.index)
    ladder, ladders = pd.factorize(ladder_names[used], sort=True)
    chance = numbers["chance"][used & np.isfinite(numbers["chance"])]
    if len(chance) and np.ptp(chance) > 1e-3:
        raise TasklawsError(f"chance differs between rows ({chance.min()} to {chance.max()}): fit tasks one by one")
    items, notes = np.ones(int(used.sum())), list[str]()
    if kind == "accuracy":
        items, notes = items_behind({name: part[used] for name, part in numbers.items()}, law)
    labels = np.arange(len(table))
    named = next((name for name in ("model", "rung") if name in table), None)
    return Points(
        kind=kind,
        metric=metric,
        task=task,
        better=better,
        x={name: numbers[name][used] for name in law.inputs},
        value=value[used] if kind == "accuracy" else np.maximum(value[used], least_value(value[used])),
        n_items=items,
        stderr=numbers["stderr"][used],
        weight=weight[used],
        chance=float(chance.mean()) if kind == "accuracy" and len(chance) else None,
        ladder=ladder,
        ladders=tuple(map(str, ladders)),
        cluster=clusters(table[used], law.inputs),
        index=tuple(labels[used].tolist()),
        left_out={int(label): str(reasons[label]) for label in labels[~used]},
        model=() if named is None else tuple(table.loc[used, named].astype(str)),
        notes=(*worked_out(given, table, law), *notes, *_odd_values(value[used], kind, chance)),
    )


def items_behind(numbers: dict[str, Array], law: Law) -> tuple[Array, list[str]]:
    """How many items each accuracy is worth (`items_bounded`), and a line where that is not known."""
    value, stderr, n_items = numbers["value"], numbers["stderr"], numbers["n_items"]
    n_items = np.where(n_items >= 1, n_items, np.nan)
    size = numbers[law.inputs[0]]
    items = items_bounded(value, stderr, n_items, np.log(size) if law.inputs[0] != "loss" else -size)
    unknown = ~np.isfinite(known_items(value, stderr, n_items, loss=False))
    if not unknown.any():
        return items, []
    least = items[unknown].min()
    return items, [
        f"n_items of {int(unknown.sum())} of {len(value)} points is unknown: taken as worth {least:.3g} items, from "
        "the other points, or as rounding and scatter allow"
    ]


def beaten(
    table: pd.DataFrame, inputs: tuple[str, ...], value: Array, usable: NDArray[np.bool_], better: Better | None
) -> NDArray[np.bool_]:
    """Which usable rows have another with the same inputs and ladder that is better, or as good and earlier."""
    if better is None:
        raise TasklawsError(
            "which run is best? nothing says whether more or less of the metric is better: give the column "
            "higher_is_better (True or False), or a metric whose name says it, such as loss"
        )
    keys = [name for name in ("ladder", *inputs) if name in table]
    order = np.argsort(value if better == "down" else -value, kind="stable")
    order = order[usable[order]]
    first = order[~table.iloc[order].duplicated(keys).to_numpy()]
    found = usable.copy()
    found[first] = False
    return found


def set_reason(reasons: NDArray[np.object_], rows: NDArray[np.bool_], reason: str) -> None:
    reasons[rows & (reasons == "")] = reason


def clusters(table: pd.DataFrame, inputs: tuple[str, ...]) -> NDArray[np.intp]:
    """Numbers the rungs: the models by ladder, or where they have no name, the distinct inputs."""
    rung = next((name for name in ("model", "rung") if name in table), None)
    keys = list(inputs) if rung is None else [name for name in ("ladder", rung) if name in table]
    return table.groupby(keys, sort=True, dropna=False).ngroup().to_numpy().astype(np.intp)
