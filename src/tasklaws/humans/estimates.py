"""What attempts say of each item: solve rate, mean score and completion time, and the same by group."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf

from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl, read_rows, records
from tasklaws.core.result import Result, axes_or_new
from tasklaws.core.schema import Item
from tasklaws.core.settings import Target
from tasklaws.humans.attempts import GROUP, check_attempts, group_columns, read_attempts
from tasklaws.stats.proportions import Mean, pooled_rates, shared_error
from tasklaws.tables import HUMAN_ESTIMATES, HUMAN_GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


@dataclass(frozen=True, eq=False, repr=False)
class SolveRates(Result):
    """What people's attempts say of each item.

    `items` has a row an item, as `item_table` says; `groups` a row an item, group and value of it. Columns in `_low`
    and `_high` are limits of intervals of `level`. `mixed` names the items with attempts of different timeouts."""

    items: pd.DataFrame
    groups: pd.DataFrame
    level: float
    mixed: tuple[str, ...]

    def summary(self) -> str:
        """How many items and people, their range of rates, and what to mind."""
        rates, people = self.items["solve_rate"], self.items["n_people"]
        spread = (
            f"{len(self.items)} items, each tried by {people.min()} to {people.max()} people and solved by "
            f"{rates.min():.1%} to {rates.max():.1%} of them"
        )
        return "\n".join([*self.notes, spread])

    @property
    def notes(self) -> list[str]:
        """What to mind, in lines."""
        if not self.mixed:
            return []
        return [
            f"{len(self.mixed)} of {len(self.items)} items (first: {self.mixed[0]}) have attempts of different "
            "timeouts: solve rates are within an item's shortest, median times take each attempt's own, mean scores "
            "are as handed in"
        ]

    def to_dict(self) -> dict[str, Any]:
        """`items` and `groups` as lists of rows without their empty cells, `level` and `mixed`."""
        return {
            "items": records(self.items),
            "groups": records(self.groups),
            "level": self.level,
            "mixed": list(self.mixed),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the solve rates in order, with their intervals."""
        ax = axes_or_new(ax)
        table = self.items.sort_values("solve_rate", ascending=False, ignore_index=True)
        ax.vlines(table.index, table["solve_rate_low"], table["solve_rate_high"], color="0.7")
        ax.plot(table.index, table["solve_rate"], ".")
        ax.set_xlabel("items, from the easiest")
        ax.set_ylabel("solve rate")
        return ax

    def write(self, out: Path) -> None:
        """Write items.csv and groups.csv in `out`."""
        HUMAN_ESTIMATES.write(out / "items.csv", self.items)
        HUMAN_GROUPS.write(out / "groups.csv", self.groups)


def solve_rates(
    attempts: pd.DataFrame | str | Path,
    *,
    families: Mapping[str, str] | None = None,
    target: Target | None = None,
    level: float = 0.9,
) -> SolveRates:
    """Estimate from people's first attempts which share of them solves each item in time, and how long it takes them.

    `attempts`, a table or a CSV of it, has a row a person and item: person, item, seconds, timeout, solved (0 or 1),
    score in [0, 1], and any number of `group_<name>` (docs/humans.md). `families` says the family of every item,
    towards which `pooled_rate` shrinks (default: all are of one). Rates are reweighted to a `target` population.
    Times are in seconds, intervals of `level`. What cannot be in a table, and a level outside (0, 1), raise
    TasklawsError. Sources: Jeffreys' interval; Kaplan and Meier 1958; Brookmeyer and Crowley 1982.

    >>> import pandas as pd
    >>> attempts = pd.DataFrame({"person": ["a", "b", "c"], "item": "sum", "seconds": [20.0, 45.0, 60.0],
    ...     "timeout": 60.0, "solved": [1, 1, 0], "score": [1.0, 1.0, 0.0]})
    >>> rates = solve_rates(attempts)
    >>> rates.items[["item", "n_people", "n_solved", "median_seconds"]].to_dict("records")
    [{'item': 'sum', 'n_people': 3, 'n_solved': 2, 'median_seconds': 45.0}]
    """
    if not 0 < level < 1:
        raise TasklawsError(f"the level of the intervals is {level}: give a number between 0 and 1")
    if isinstance(attempts, pd.DataFrame):
        labelled = attempts.set_axis([f"attempts: row {row}" for row in attempts.index])
        seen = labelled["item"].dropna().unique() if "item" in labelled else ()
        table = check_attempts(labelled, list(families or seen), "attempts")
    else:
        if families is None:
            found = read_rows(Path(attempts), ["item"], [], ["item"])["item"]
            families = dict.fromkeys(found.dropna(), "items")
        table = read_attempts(Path(attempts), families)
    if families is None:
        families = dict.fromkeys(table["item"], "items")
    if target is not None:
        refuse_unknown(target, table)
    timeouts = table.groupby("item")["timeout"].nunique()
    mixed = tuple(map(str, timeouts.index[timeouts > 1]))
    return SolveRates(item_table(table, families, level, target), group_table(table, level), level, mixed)


def write_summary(attempts: Path, items: Sequence[Item], level: float, target: Target | None, out: Path) -> list[str]:
    """Write items.csv and groups.csv in `out`, from a CSV of attempts, and return what to say of them, in lines.

    What `solve_rates` refuses raises TasklawsError before anything is written.
    """
    rates = solve_rates(attempts, families={item.id: item.family for item in items}, target=target, level=level)
    rates.write(out)
    return [*rates.notes, f"{out}/items.csv: {len(rates.items)} items"]


def read_families(paths: Sequence[Path]) -> dict[str, str]:
    """Item -> family, of files of items (JSON lines with `id` and `family`); anything else raises TasklawsError."""
    remedy = "give a file of items, such as data/items/addition.jsonl"
    found: dict[str, str] = {}
    for path in paths:
        for number, row in enumerate(read_jsonl(path, remedy), 1):
            if not (isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("id", "family"))):
                raise TasklawsError(f"{path}:{number}: no id and family: {remedy}")
            if row["id"] in found:
                raise TasklawsError(f"{path}:{number}: item {row['id']} stands twice: give each item once")
            found[row["id"]] = row["family"]
    if not found:
        raise TasklawsError(f"{paths[0]} holds no items: {remedy}")
    return found


def parse_target(text: str) -> Target:
    """`python:yes=.1,no=.9` as a Target; anything else raises TasklawsError."""
    group, _, shares = text.partition(":")
    pairs = [pair.partition("=") for pair in shares.split(",")]
    try:
        given = {value: float(share) for value, _, share in pairs}
    except ValueError as error:
        raise TasklawsError(f"target is {text!r}: write it like python:yes=.1,no=.9") from error
    return read(Target, {"group": group, "shares": given}, "target", "give shares that sum to 1")


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
