"""What attempts say of each item: solve rate, mean score and completion time, and the same by group."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import CensoredData, ecdf

from tasklaws.core.arrays import Array
from tasklaws.core.checked import read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl
from tasklaws.core.result import Result, axes_or_new
from tasklaws.core.settings import Target
from tasklaws.frames.csv_files import labelled, records
from tasklaws.frames.user_tables import open_table
from tasklaws.humans.attempts import GROUP, check_attempts, group_columns, read_attempts
from tasklaws.stats.proportions import Mean, pooled_rates, shared_error
from tasklaws.tables import HUMAN_ESTIMATES, HUMAN_GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_ITEMS_SHOWN = 20  # items in a summary
_ALL = "items"  # the family of items that have none


class Median(NamedTuple):
    """A median completion time and its limits in seconds; None where the data do not bound it.

    Where fewer than half finish, `seconds` is None, as the median lies above the timeout; so does the whole interval
    where `low` is the timeout (of several, the longest that enough people had)."""

    seconds: float | None
    low: float | None
    high: float | None


def median_seconds(attempts: pd.DataFrame, level: float) -> Median:
    """The time by which half of all people have solved the item (Kaplan-Meier), with Brookmeyer-Crowley limits.

    `attempts` are those at one item. A solved one is an event at `seconds`; any other is censored at its `timeout`
    (never, where that is infinite), also when the person gave up or handed in a wrong answer before: people stop
    because the item is hard for them, and to censor them when they stop would take them for people who would have gone
    on like the others (the competing event stays in the risk set, as in Fine and Gray 1999). The limits are the times
    at which the log-log band of the curve crosses one half (Brookmeyer and Crowley 1982); where its lower end does not,
    `low` is as far as enough people were watched (without a timeout: until they stopped) to exclude, by the sign test,
    that half would have finished."""
    seconds, timeout = attempts["seconds"].to_numpy(float), attempts["timeout"].to_numpy(float)
    event = attempts["solved"].to_numpy() == 1
    watched_until = np.where(event | np.isinf(timeout), seconds, timeout)
    enough = math.ceil(math.log2(2 / (1 - level)))
    # Fewer people may all lie above the median.
    watched = None if len(seconds) < enough else float(np.sort(watched_until)[-enough])
    if not event.any():
        return Median(None, watched, None)
    beyond = np.nextafter(
        watched_until.max(), np.inf
    )  # for ever, as far as the curve is concerned: after its last step
    times = np.where(event, seconds, np.where(np.isinf(timeout), beyond, timeout))
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


@dataclass(frozen=True, eq=False, repr=False)
class SolveRates(Result):
    """Solve rates, scores and times of each item, from people's attempts.

    `items` has a row an item, as `item_table` says; `groups` a row an item, group and value of it. Columns in `_low`
    and `_high` are limits of intervals of `level`. `mixed` names the items with attempts of different timeouts;
    `reading` says in lines how the attempts were read."""

    items: pd.DataFrame
    groups: pd.DataFrame
    level: float
    mixed: tuple[str, ...]
    reading: tuple[str, ...] = ()

    def summary(self) -> str:
        """What to mind, each item's rate and time with their intervals (of many items, the first), and their range."""
        rates, people = self.items["solve_rate"], self.items["n_people"]
        tried = f"{len(self.items)} items, each tried by {people.min()} to {people.max()} people"
        shown = self.items.head(_ITEMS_SHOWN)
        table = pd.DataFrame({"item": shown["item"], "people": shown["n_people"], "solved": shown["n_solved"]})
        for column, digits in (("solve_rate", 3), ("median_seconds", 1)):
            rows = shown[_limits(column)].to_numpy(float)
            table[column] = [_with_limits(row, digits) for row in rows]
        more = [f"... and {len(self.items) - _ITEMS_SHOWN} items more"] if len(self.items) > _ITEMS_SHOWN else []
        intervals = f"in brackets: {self.level:.0%} intervals; `-`: not bounded by the data"
        solved = f"{tried} and solved by {rates.min():.1%} to {rates.max():.1%} of them"
        return "\n".join([*self.notes, table.to_string(index=False), *more, intervals, solved])

    @property
    def notes(self) -> list[str]:
        """What to mind, in lines."""
        if not self.mixed:
            return [*self.reading]
        return [
            *self.reading,
            f"{len(self.mixed)} of {len(self.items)} items (first: {self.mixed[0]}) have attempts of different "
            "timeouts: solve rates are within an item's shortest, median times take each attempt's own, mean scores "
            "are as handed in",
        ]

    def to_dict(self) -> dict[str, object]:
        """`items` and `groups` as lists of rows without their empty cells, `level`, `mixed` and `notes`."""
        tables = {"items": records(self.items), "groups": records(self.groups)}
        return {**tables, "level": self.level, "mixed": list(self.mixed), "notes": self.notes}

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

    `attempts`, a table or a CSV of it, has a row a person and item: person, item, seconds, timeout (empty where there
    was no limit), solved (0 or 1), score in [0, 1], and any number of `group_<name>` (docs/humans.md). `families` says
    the family of every item, towards which `pooled_rate` shrinks (default: all are of one). Rates are reweighted to a
    `target` population. Times are in seconds, intervals of `level`. What cannot be in a table, and a level outside
    (0, 1), raise TasklawsError. Sources: Jeffreys' interval; Kaplan and Meier 1958; Brookmeyer and Crowley 1982.

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
        rows = attempts.set_axis([f"attempts: row {row}" for row in attempts.index])
        table = check_attempts(rows, families, "attempts")
    else:
        table = read_attempts(Path(attempts), families)
    if families is None:
        families = dict.fromkeys(table["item"], _ALL)
    if target is not None:
        refuse_unknown(target, table)
    timeouts = table.groupby("item")["timeout"].nunique()
    mixed = tuple(map(str, timeouts.index[timeouts > 1]))
    reading = tuple(table.attrs["notes"])
    return SolveRates(item_table(table, families, level, target), group_table(table, level), level, mixed, reading)


def read_families(paths: Sequence[Path]) -> dict[str, str]:
    """Item -> family, of files of items: tables or JSON lines that name them in `item` or `id`, and perhaps a `family`
    (items without one are of one family); anything else raises TasklawsError."""
    found: dict[str, str] = {}
    for path in paths:
        for place, row in _item_rows(path):
            name, family = row.get("item", row.get("id")), row.get("family")
            if isinstance(name, bool | float) or name in (None, ""):
                raise TasklawsError(f"{place}: no name in `item` or `id`: {_ITEMS_REMEDY}")
            family = _ALL if family in (None, "") else str(family)
            if found.setdefault(str(name), family) != family:
                raise TasklawsError(f"{place}: item {name} is of {family} and of {found[str(name)]}: give one family")
    if not found:
        raise TasklawsError(f"{paths[0]} holds no items: {_ITEMS_REMEDY}")
    return found


_ITEMS_REMEDY = "give JSON lines or a CSV with the items' names in `item` or `id`, or leave out --items"


def _item_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows of a file of items, each with where it stands."""
    if path.suffix == ".json":
        for number, row in enumerate(read_jsonl(path, _ITEMS_REMEDY), 1):
            if not isinstance(row, dict):
                raise TasklawsError(f"{path}:{number}: no object with `item` or `id`: {_ITEMS_REMEDY}")
            yield f"{path}:{number}", row
        return
    columns = ["item", "id", "family"]
    table = labelled(open_table(path).frame(columns, columns).dropna(how="all"))
    if not {"item", "id"} & set(table):
        raise TasklawsError(f"{path}: no column `item` or `id`: {_ITEMS_REMEDY}")
    for line, row in table.iterrows():
        yield str(line), {str(column): value for column, value in row.dropna().items()}


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

    - `timeout` is the item's shortest one, empty where there was none; `solve_rate` is the share of people who solved
      it within that. `mean_score` is of what each handed in within their own timeout.
    - `pooled_rate` is the same, shrunk towards the other items of the family (`pooled_rates`).
    - `n_stopped` gave up or handed in what did not solve it; `n_timed_out` had not finished by their timeout.
    - `median_seconds` takes who does not solve for censored, and is empty where it lies above the timeout
      (`median_seconds`); `solver_seconds` is the geometric mean over solvers, too short wherever some fail.
    - `target_rate` and `target_score` are reweighted to `target`, and empty where nobody of one of its strata
      attempted the item.

    Columns in `_low` and `_high` are the limits of intervals of `level`."""
    events = _events(attempts)
    table = events.groupby("item", as_index=False).agg(
        timeout=("timeout", "min"), n_stopped=("stopped", "sum"), n_timed_out=("timed_out", "sum")
    )
    table.insert(1, "family", table["item"].map(dict(families)))
    table["timeout"] = table["timeout"].replace(np.inf, np.nan)
    moments = _moments(events, ["item"])
    table = pd.concat([table, _estimates(moments, level)], axis=1)
    family_of = events["item"].map(dict(families))
    for family, rows in moments.groupby(table["family"]):
        k, n = (rows[column].to_numpy(float) for column in ("n_solved", "n_people"))
        pooled = pooled_rates(k, n, level, shared_error(events[family_of == family]))
        table.loc[rows.index, _limits("pooled_rate")] = np.stack(pooled, axis=1)
    medians = [median_seconds(rows, level) for _, rows in attempts.groupby("item")]
    table[_limits("median_seconds")] = np.array(medians, dtype=float)
    logs = np.log(attempts["seconds"]).where(attempts["solved"] == 1)
    table["solver_seconds"] = np.exp(logs.groupby(attempts["item"]).mean()).to_numpy()
    if target is not None:
        # Each item's mean in the target, sum_h W_h m_h over its strata h, in each of which people are taken for a
        # random sample of it.
        shares = {value: share for value, share in target.shares.items() if share > 0}
        rows = _moments(events, ["item", GROUP + target.group]).set_index(["item", GROUP + target.group])
        for column, parts in (("target_rate", _RATE_MOMENTS), ("target_score", _SCORE_MOMENTS)):
            strata = (rows[part].unstack().reindex(columns=[*shares]).to_numpy(float) for part in parts)
            _add_mean(table, column, Mean.of(*strata).reweighted([*shares.values()]), level)
    return table


def group_table(attempts: pd.DataFrame, level: float) -> pd.DataFrame:
    """One row an item, group and value of it: the people, their solve rate and mean score, with limits of `level`."""
    events = _events(attempts)
    parts = []
    for column in group_columns(attempts):
        moments = _moments(events, ["item", column])
        keys = moments[["item"]].assign(group=column.removeprefix(GROUP), value=moments[column])
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


# The columns of `_moments` that Mean.of takes: people, sum and sum of squares, of solved or not, and of scores.
_RATE_MOMENTS = ("n_people", "n_solved", "n_solved")
_SCORE_MOMENTS = ("n_people", "total", "squares")


def _moments(events: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return events.groupby(by, as_index=False).agg(
        n_people=("person", "size"), n_solved=("in_time", "sum"), total=("score", "sum"), squares=("squares", "sum")
    )


def _estimates(moments: pd.DataFrame, level: float) -> pd.DataFrame:
    table = moments[["n_people", "n_solved"]].copy()
    for column, parts in (("solve_rate", _RATE_MOMENTS), ("mean_score", _SCORE_MOMENTS)):
        _add_mean(table, column, Mean.of(*(moments[part] for part in parts)), level)
    return table


def _add_mean(table: pd.DataFrame, column: str, mean: Mean, level: float) -> None:
    table[_limits(column)] = np.stack([mean.estimate, *mean.interval(level)], axis=1)


def _limits(column: str) -> list[str]:
    return [column, f"{column}_low", f"{column}_high"]


def _with_limits(limits: Array, digits: int) -> str:
    """An estimate and its two limits; `-` for what is not known."""
    value, low, high = ("-" if np.isnan(each) else f"{each:.{digits}f}" for each in limits)
    return f"{value} ({low} to {high})"
