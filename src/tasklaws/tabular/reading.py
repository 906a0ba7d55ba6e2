"""A table that has one row for each thing, such as a model or an item's score: its columns by their known names."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.frames.user_tables import Source, open_table
from tasklaws.tabular.names import ALIASES, Columns, resolve, with_aliases
from tasklaws.tabular.numbers import as_numbers, day_margins, iso_days, written
from tasklaws.tabular.units import in_units


def read_named(
    path: Path,
    known: Collection[str],
    texts: Collection[str],
    numbers: Collection[str],
    needed: Collection[str],
    aliases: Mapping[str, str] = ALIASES,
    units: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """A person's table with its columns by their `known` names, in an index of its lines; others stay as they are.

    `texts` are text, `numbers` floats in the units that they should have (`units` are stated beside), a `date` an ISO
    day, and the rest as they stand. `attrs["notes"]` has a line on what was read how. What `open_table`, `resolve` and
    `in_units` refuse, and the lack of a `needed` column, raise TasklawsError.
    """
    source = open_table(path)
    columns = resolve(str(path), source.header, known, units, aliases)
    missing = [column for column in needed if column not in columns.names]
    if missing:
        raise TasklawsError(f"{path}: no column {missing[0]!r}: known are {with_aliases(known, aliases)}"[:500])
    notes = list(source.notes)
    table = read_known_cells(source, columns, texts, numbers, notes)
    others = table[[name for name in columns.others if name in table]]
    table = in_units(table.drop(columns=list(others)), str(path), columns, units or {}).join(others)
    table.attrs["notes"] = notes
    return table


def read_known_cells(
    source: Source, columns: Columns, texts: Collection[str], numbers: Collection[str], notes: list[str]
) -> pd.DataFrame:
    """The rows of a file that have any entry, columns by their known names: `texts` stripped, `numbers` as floats in
    the units that they should have, a date as an ISO day."""
    text_names = {columns.names.get(column, column) for column in (*texts, "date")} & set(source.header)
    first = [name for name in source.header[:1] if name in columns.others]
    table = source.frame([*text_names, *first]).dropna(how="all")
    if table.empty:
        raise TasklawsError(f"{source.path}: no rows: give at least one")
    if "" in table and (table[""].isna().all() or _counts(table[""])):
        table = table.drop(columns="")
    for column, name in columns.names.items():
        if column in numbers or column in columns.factors:
            table[name] = as_numbers(source, name, column, table[name], notes, columns.factors.get(column, 1.0))
        elif column == "date":
            margins = day_margins(table[name])
            table[name], line = iso_days(table[name])
            if margins.any():
                table["date_margin"] = margins
            notes += [f"{source.path}: {line}"] if line else []
    for name in columns.others:
        if name in numbers:
            table[name] = as_numbers(source, name, name, table[name], notes)
    for name in text_names - {columns.names.get("date")}:
        table[name] = written(table[name])
    # Copied, as of many columns pandas would warn with each that is added later.
    return table.rename(columns={name: column for column, name in columns.names.items()}).copy()


def _counts(cells: pd.Series) -> bool:
    """Whether a column does no more than number the rows, as pandas and R write their indices."""
    numbers = pd.to_numeric(cells, errors="coerce")
    return bool((numbers.diff().dropna() == 1).all() and numbers.iloc[0] in (0, 1))
