"""The order of names for people: task2 before task10."""

import re
from collections.abc import Sequence

import pandas as pd

_RUNS_OF_DIGITS = re.compile("([0-9]+)")
NaturalKey = tuple[tuple[str | tuple[int, str], ...], str]


def natural(name: str) -> NaturalKey:
    """A sort key by which runs of digits in a name count as numbers; of equal ones the text decides."""
    parts = _RUNS_OF_DIGITS.split(name)
    return tuple(part if place % 2 == 0 else _number(part) for place, part in enumerate(parts)), name


def _number(digits: str) -> tuple[int, str]:
    """Digits as something that sorts as their number, however many there are."""
    bare = digits.lstrip("0")
    return len(bare), bare


def natural_places(names: pd.Series) -> pd.Series:
    """Where each name of a column stands in natural order, as the key of `sort_values`; numbers stay."""
    if names.dtype.kind in "iufb":
        return names
    order = {name: place for place, name in enumerate(sorted(names.dropna().unique(), key=natural))}
    return names.map(order)


def in_order(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """The rows sorted by the keys, names in natural order, numbered from 0."""
    return table.sort_values(list(keys), key=natural_places, ignore_index=True)
