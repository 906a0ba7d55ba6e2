"""Which numbers are scores in [0, 1] or losses; what is in percent, as far as that is certain."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tasklaws.readers.chance import guessable
from tasklaws.readers.runs import EvalRun, LeftOut, implied_n_items, rows_left_out, shortened
from tasklaws.tables import ACCURACIES, direction, losses
from tasklaws.tabular.gaps import agreed

_ALWAYS_SHARES = ACCURACIES | {"f1", "mc1", "mc2"}  # in [0, 1] by their definition, as all guessable metrics are
# Written in [0, 1] by some tools and in [0, 100] by others.
_EITHER_UNIT = frozenset({"bleu", "sacrebleu", "chrf", "chrf++", "ter", "rouge1", "rouge2", "rougel", "rougelsum"})
_BETWEEN_WORDS = re.compile(r"[_\-./, ]+")
_STDERR_AGREES = 0.02  # of a standard error beside that of n right-or-wrong items
_NO_SCORE = "neither a known loss nor a score in [0, 1]"
_NO_DIRECTION = "neither the file nor the name tells whether more is better: say --direction METRIC=up, or down"
_BOTH_DIRECTIONS = "some files say that more of this metric is better, others that less is: --direction settles it"
_MOST_OF_A_SHARE = 0.5
_NO_STDERR = "a standard error of a score in [0, 1] is at most 0.5: taken as unknown"
_OTHER_RANGE = "its file states a range that is neither 0 to 1 nor 0 to 100: bring it to 0 to 1"
_NO_UNIT = "its unit is not told, a share or percent: divide by 100 what is in percent, or take it away"


def usable(
    table: pd.DataFrame, runs: Sequence[EvalRun], directions: Mapping[str, str], found: list[LeftOut], notes: list[str]
) -> pd.DataFrame:
    """The rows that are scores in [0, 1] or losses of 0 or more; what is certainly in percent is divided by 100.

    Which it is the file tells, or `directions`, or else the metric's name; where none does, a row is left out.

    Certain is what the file states, and of right-or-wrong items what the standard error shows. The shares of a task
    (acc, exact_match, f1 ...) have one unit: where one is above 1, those that could be either are left out. A metric
    that is no known share is left out of a task where one of its values is outside [0, 1].
    """
    if table.empty:
        return table
    table = _directed(table, directions)
    loss = losses(table)
    share = of_which(table["base"], lambda name: name in _ALWAYS_SHARES or guessable(name))
    either = of_which(table["base"], _either_unit)
    stated = table["unit"].notna()
    percent = table["unit"].eq("percent") & ~loss
    beyond = ~loss & ~stated & ~table["value"].between(0, 1)
    doubtful = share & ~loss & ~stated & (beyond & share & (table["value"] > 1)).groupby(table["task"]).transform("any")
    shown = pd.Series(
        [
            _unit(*row)
            for row in zip(*(table.loc[doubtful, name] for name in ("value", "stderr", "n_items")), strict=True)
        ],
        index=table.index[doubtful],
        dtype="str",
    )
    percent |= shown.eq("percent").reindex(table.index, fill_value=False)
    no_unit = doubtful & ~shown.notna().reindex(table.index, fill_value=False)
    odd = beyond & ~doubtful
    odd = (odd & ~share).groupby([table["task"], table["metric"]]).transform("any") & ~loss & ~stated | odd
    scaled = table["value"].where(~percent, table["value"] / 100)
    reasons = pd.Series(None, index=table.index, dtype="object")
    reasons[(loss & (table["value"] < 0))] = "a loss is 0 or more"
    reasons[either & ~stated | (~loss & stated & ~scaled.between(0, 1)) | odd] = _NO_SCORE
    reasons[no_unit] = _NO_UNIT
    reasons[~loss & table["unit"].eq("other")] = _OTHER_RANGE
    reasons[table["higher_is_better"].isna() & ~of_which(table["metric"], direction) & reasons.isna()] = _NO_DIRECTION
    reasons[_contradicted(table) & reasons.isna()] = _BOTH_DIRECTIONS
    bad = reasons.notna()
    found += rows_left_out(table.assign(reason=reasons)[bad], runs)
    percent &= ~bad
    if percent.any():
        first = table[percent].iloc[0]
        notes.append(
            f"{percent.sum()} value(s) in percent are divided by 100, as {shortened(first['task'])} "
            f"{shortened(first['metric'])} {first['value']:g} in {runs[first['run']].file}"
        )
    stderr = table["stderr"].where(~percent, table["stderr"] / 100)
    wide = ~bad & ~loss & (stderr > _MOST_OF_A_SHARE)
    errors = table.assign(metric=table["metric"] + "_stderr", value=table["stderr"], reason=_NO_STDERR)
    found += rows_left_out(errors[wide], runs)
    stderr = stderr.mask(wide)
    n_items = table["n_items"].fillna(
        pd.Series(
            {label: implied_n_items(scaled[label], stderr[label]) for label in table.index[percent]}, dtype="float64"
        )
    )
    return table.assign(value=scaled, stderr=stderr, n_items=n_items)[~bad]


def of_which(names: pd.Series, says: Callable[[str], object]) -> pd.Series:
    """Of which rows the name is one of which `says` says something true."""
    return names.isin([name for name in names.unique() if says(name)])


def _directed(table: pd.DataFrame, directions: Mapping[str, str]) -> pd.DataFrame:
    """The table with `higher_is_better` as stated beside it, or as a name tells whose filter would obscure it."""
    stated = {name: way == "up" for name, way in directions.items()}
    better = table["metric"].map(stated).combine_first(table["base"].map(stated))
    plain = {name: direction(name) for name in table["base"].unique()}
    told = table["base"].map({name: way == "up" for name, way in plain.items() if way is not None})
    told = told.where(~of_which(table["metric"], direction))
    own = table["higher_is_better"]
    others = agreed(own, table[["task", "metric"]])
    return table.assign(higher_is_better=better.combine_first(own).combine_first(others).combine_first(told))


def _contradicted(table: pd.DataFrame) -> pd.Series:
    """Where files state both directions of a metric: rows that gainsay its name, or all where the name tells none."""
    stated = table["higher_is_better"]
    both = stated.groupby(table["metric"]).transform("nunique") > 1
    if not both.any():
        return both
    told = table["metric"].map({name: direction(name) for name in table["metric"].unique()})
    return both & stated.notna() & (told.isna() | (stated.eq(True) != told.eq("up")))


def _either_unit(metric: str) -> bool:
    *words, last = _BETWEEN_WORDS.split(metric.lower())
    return last != "acc" and not _EITHER_UNIT.isdisjoint([*words, last])


def _unit(value: float, stderr: float, n_items: float) -> str | None:
    """ "share" or "percent", whichever alone agrees with the standard error of right-or-wrong items; 0 is both."""
    if value == 0:
        return "share"
    fits = [unit for unit, size in (("share", 1), ("percent", 100)) if _fits(value / size, stderr / size, n_items)]
    return fits[0] if len(fits) == 1 else None


def _fits(value: float, stderr: float, n_items: float) -> bool:
    if not 0 < value <= 1 or not stderr > 0:
        return False
    if not n_items > 1:
        return implied_n_items(value, stderr) is not None
    return bool(abs(np.sqrt(value * (1 - value) / (n_items - 1)) / stderr - 1) < _STDERR_AGREES)
