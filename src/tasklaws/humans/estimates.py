"""What attempts say of each item: solve rate, mean score and completion time, and the same by group."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.core.settings import Target
from tasklaws.humans.attempts import GROUP, group_columns, read_attempts
from tasklaws.stats.proportions import Mean, pooled_rates, shared_error
from tasklaws.tables import HUMAN_ESTIMATES, HUMAN_GROUPS


@dataclass(frozen=True)
class Median:
    """A median completion time and its limits in seconds; None where the data do not bound it.

    Where fewer than half finish, `seconds` is None, as the median lies above the timeout; so does the whole interval
    where `low` is the timeout (of several, the longest that enough people had).
    """

    seconds: float | None
    low: float | None
    high: float | None


def median_seconds(attempts: pd.DataFrame, level: float) -> Median:
    """The time by which half of all people have solved the item (Kaplan-Meier), with Brookmeyer-Crowley limits.

    `attempts` are those at one item. A solved one is an event at `seconds`; one that was not solved is censored at its
    `timeout`, also when the person gave up or handed in a wrong answer before: people stop because the item is hard
    for them, and to censor them when they stop would take them for people who would have gone on like the others (the
    competing event stays in the risk set, as in Fine and Gray 1999). The limits are the times at which the log-log band
    of the curve crosses one half (Brookmeyer and Crowley 1982); where its lower end does not, `low` is as far as enough
    people were watched to exclude, by the sign test, that half would have finished.
    """
    seconds, timeout = attempts["seconds"].to_numpy(float), attempts["timeout"].to_numpy(float)
    event = attempts["solved"].to_numpy() == 1
    times = np.where(event, seconds, timeout)
    enough = math.ceil(math.log2(2 / (1 - level)))
    # Fewer people may all lie above the median.
    watched = None if len(times) < enough else float(np.sort(times)[-enough])
    if not event.any():
        return Median(None, watched, None)
    curve = ecdf(CensoredData.right_censored(times, ~event)).sf
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # undefined where the curve is 0 or 1
        band: Any = curve.confidence_interval(level, method="log-log")
    middle, low, high = (_crossing(each) for each in (curve, band.low, band.high))
    return Median(middle, None if watched is None else low or max(watched, float(times[event].max())), high)


def _crossing(survival: Any) -> float | None:
    """The first time at which a curve (SciPy's EmpiricalDistributionFunction) is at one half or below."""
    below = np.flatnonzero(survival.probabilities <= 0.5)
    return float(survival.quantiles[below[0]]) if below.size else None


def refuse_unknown(target: Target, attempts: pd.DataFrame) -> None:
    """Raise TasklawsError unless the attempts have the target's group, people of each of its values, and no other."""
    if GROUP + target.group not in attempts:
        raise TasklawsError(f"target: no column {GROUP}{target.group} in the attempts: add it, or give no target")
    seen, wanted = set(attempts[GROUP + target.group]), {value for value, share in target.shares.items() if share > 0}
    for value in sorted(seen - set(target.shares)):
        raise TasklawsError(f"target: no share of {target.group} {value!r}: give one (0 where it is not to count)")
    for value in sorted(wanted - seen):
        raise TasklawsError(f"target: no attempt by anyone of {target.group} {value!r}: leave out its share")


def in_target(strata: pd.DataFrame, target: Target, total: str, squares: str) -> Mean:
    """Each item's mean in the target, sum_h W_h m_h; NaN where nobody of a stratum attempted the item.

    `strata` has one row an item and value of the target's group: n_people, and the sum `total` of what is averaged
    and that of its `squares`. Within a stratum people are taken for a random sample of it. Shape of each: (items,),
    sorted by item.
    """
    values = [value for value, share in target.shares.items() if share > 0]
    rows = strata.set_index(["item", GROUP + target.group])
    moments = (rows[part].unstack().reindex(columns=values).to_numpy(float) for part in ("n_people", total, squares))
    return Mean.of(*moments).reweighted([target.shares[value] for value in values])


def write_summary(attempts: Path, items: Sequence[Item], level: float, target: Target | None, out: Path) -> list[str]:
    """Write items.csv and groups.csv in `out`, from a CSV of attempts, and return what to say of them, in lines.

    What `read_attempts` or `refuse_unknown` refuse raises TasklawsError before anything is written.
    """
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the intervals is {level}: give a number between 0 and 1")
    families = {item.id: item.family for item in items}
    table = read_attempts(attempts, families)
    if target is not None:
        refuse_unknown(target, table)
    summary = item_table(table, families, level, target)
    groups = group_table(table, level)
    HUMAN_ESTIMATES.write(out / "items.csv", summary)
    HUMAN_GROUPS.write(out / "groups.csv", groups)
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
    return pd.concat(parts, ignore_index=True) if parts else HUMAN_GROUPS.frame([])


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
