"""What attempts say of each item: solve rate, mean score and completion time, and the same by group."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.files import write_table
from tasklaws.humans.attempts import GROUP, group_columns, read_attempts
from tasklaws.humans.completion import median_seconds
from tasklaws.humans.intervals import Mean
from tasklaws.humans.pooling import pooled_rates, shared_error
from tasklaws.humans.target import Target, in_target
from tasklaws.schema import Item

ITEM_KEYS = ["item"]
GROUP_KEYS = ["item", "group", "value"]


def write_summary(attempts: Path, items: Sequence[Item], level: float, target: Target | None, out: Path) -> list[str]:
    """Write items.csv and groups.csv in `out`, from a CSV of attempts, and return what to say of them, in lines.

    What `read_attempts` or `Target` refuse raises TasklawsError before anything is written.
    """
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the intervals is {level}: give a number between 0 and 1")
    families = {item.id: item.family for item in items}
    table = read_attempts(attempts, families)
    if target is not None:
        target.refuse_unknown(table)
    summary = item_table(table, families, level, target)
    groups = group_table(table, level)
    write_table(out / "items.csv", summary, ITEM_KEYS)
    write_table(out / "groups.csv", groups, GROUP_KEYS)
    timeouts = table.groupby("item")["timeout"].nunique()
    mixed = timeouts.index[timeouts > 1]
    written = f"{out}/items.csv: {len(summary)} items"
    if mixed.empty:
        return [written]
    return [
        f"{len(mixed)} of {len(summary)} items (first: {mixed[0]}) have attempts of different timeouts: solve rates "
        "are within an item's shortest, median times take each attempt's own, mean scores are as handed in",
        written,
    ]


def item_table(
    attempts: pd.DataFrame, families: Mapping[str, str], level: float, target: Target | None = None
) -> pd.DataFrame:
    """One row an item of checked attempts; `families` says the family of each item.

    - `timeout` is the item's shortest one; `solve_rate` is the share of people who solved it within that. `mean_score`
      is of what each handed in within their own timeout.
    - `pooled_rate` is the same, shrunk towards the other items of the family (`pooling.pooled_rates`).
    - `n_stopped` gave up or handed in what did not solve it; `n_timed_out` had not finished by their timeout.
    - `median_seconds` takes who does not solve for censored, and is empty where it lies above the timeout
      (`completion.median_seconds`); `solver_seconds` is the geometric mean over solvers, too short wherever some fail.
    - `target_rate` and `target_score` are reweighted to `target`, and empty where nobody of one of its strata
      attempted the item.

    Columns in `_low` and `_high` are the limits of intervals of `level`.
    """
    events = _events(attempts)
    counts = events.groupby("item", as_index=False).agg(
        timeout=("timeout", "min"), n_stopped=("stopped", "sum"), n_timed_out=("timed_out", "sum")
    )
    counts.insert(1, "family", counts["item"].map(dict(families)))
    moments = _moments(events, ["item"])
    table = pd.concat([counts, _estimates(moments, level)], axis=1)
    by_family = events.groupby(events["item"].map(dict(families)))
    for family, rows in moments.groupby(counts["family"]):
        k, n = (rows[column].to_numpy(float) for column in ("n_solved", "n_people"))
        pooled = pooled_rates(k, n, level, shared_error(by_family.get_group(family)))
        for column, values in zip(_limits("pooled_rate"), pooled, strict=True):
            table.loc[rows.index, column] = values
    medians = [median_seconds(rows, level) for _, rows in attempts.groupby("item")]
    for column, part in zip(_limits("median_seconds"), ("seconds", "low", "high"), strict=True):
        table[column] = [getattr(median, part) for median in medians]
    logs = np.log(attempts["seconds"]).where(attempts["solved"] == 1)
    table["solver_seconds"] = np.exp(logs.groupby(attempts["item"]).mean()).to_numpy()
    if target is not None:
        strata = _moments(events, ["item", GROUP + target.group])
        for column, total, squares in (("target_rate", "n_solved", "n_solved"), ("target_score", "total", "squares")):
            mean = in_target(strata, target, total, squares)
            for name, values in zip(_limits(column), (mean.estimate, *mean.interval(level)), strict=True):
                table[name] = values
    return table


def group_table(attempts: pd.DataFrame, level: float) -> pd.DataFrame:
    """One row an item, group and value of it: the people, their solve rate and mean score, with limits of `level`."""
    events = _events(attempts)
    parts = []
    for column in group_columns(attempts):
        moments = _moments(events, ["item", column])
        keys = pd.DataFrame(
            {"item": moments["item"], "group": column.removeprefix(GROUP), "value": moments[column]},
        )
        parts.append(pd.concat([keys, _estimates(moments, level)], axis=1))
    columns = [*GROUP_KEYS, "n_people", "n_solved", *_limits("solve_rate"), *_limits("mean_score")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _events(attempts: pd.DataFrame) -> pd.DataFrame:
    solved = attempts["solved"] == 1
    shortest = attempts.groupby("item")["timeout"].transform("min")
    early = attempts["seconds"] < attempts["timeout"]
    return attempts.assign(
        in_time=solved & (attempts["seconds"] <= shortest),
        stopped=~solved & early,
        timed_out=~solved & ~early,
        squares=attempts["score"] ** 2,
    )


def _moments(events: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return events.groupby(by, as_index=False).agg(
        n_people=("person", "size"), n_solved=("in_time", "sum"), total=("score", "sum"), squares=("squares", "sum")
    )


def _estimates(moments: pd.DataFrame, level: float) -> pd.DataFrame:
    table = moments[["n_people", "n_solved"]].copy()
    for column, total, squares in (("solve_rate", "n_solved", "n_solved"), ("mean_score", "total", "squares")):
        mean = Mean.of(moments["n_people"], moments[total], moments[squares])
        for name, values in zip(_limits(column), (mean.estimate, *mean.interval(level)), strict=True):
            table[name] = values
    return table


def _limits(column: str) -> list[str]:
    return [column, f"{column}_low", f"{column}_high"]
