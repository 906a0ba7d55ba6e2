"""Numbers, truths and dates as people write them: 7B, 1.4T, 45%, 0,5; C and I; 2024-05."""

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.frames.csv_files import refuse
from tasklaws.tabular.names import COUNTS, SHARES, UNIT_FACTORS

if TYPE_CHECKING:
    from tasklaws.frames.user_tables import Source

_COUNT = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(k|m|b|bn|g|t|thousand|million|billion|trillion)", re.I
)
_SHARE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*%")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?")
_APART = r"[+-]?\d{1,3}(?:[ ,._'\u00a0\u202f]\d{3})+(?:[.,]\d+)?"
_ONE_THOUSAND = r"[+-]?[1-9]\d{0,2},\d{3}"
_COMMA = re.compile(r"[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?\s*(?:%|[a-zA-Z]+)?")
# inspect_ai.scorer.value_to_float: correct, partly correct, incorrect, no answer.
LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_TRUE, _FALSE = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")
_MONTHS = ("%B %Y", "%b %Y")
_DAYS = ("%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%Y/%m/%d", "%Y%m%d")


def suffixed(number: float, digits: int = 12) -> str:
    """A count as people write it, to so many digits: 7B, 1.4T, 2.097152M."""
    for suffix, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= factor:
            return f"{number / factor:.{digits}g}{suffix}"
    return f"{number:.{digits}g}"


def as_numbers(
    source: "Source", name: str, column: str, cells: pd.Series, notes: list[str], factor: float = 1.0
) -> pd.Series:
    """The cells of a file's column `name` as floats, missing where they are empty; `column` is what it holds.

    Plain numbers are multiplied by the `factor` that is the column's unit. Sizes may be written as 7B or 1.4T,
    shares as 45%, whatever that is, and scores as LETTERS; where cells are not divided by commas, 0,5 is a decimal
    comma. A line in `notes` says so. Anything else that is no number raises TasklawsError with its line and value.
    """
    if cells.dtype.kind in "iuf":
        return pd.Series(_in_units(cells.to_numpy("float64"), factor), cells.index, name=cells.name)
    text = written(source.text(name).reindex(cells.index).rename(name))
    text = letters_as_scores(text) if column == "score" else text
    numbers, unit = text_numbers(text, column, source.has_decimal_commas, factor)
    if unit:
        notes.append(f"{source.path}: {name}: {unit}")
    return numbers


def written(cells: pd.Series) -> pd.Series:
    """Cells as text without spaces around it, missing where there is none."""
    text = cells.astype("str").where(cells.notna()).str.strip()
    return text.mask(text == "")


def text_numbers(text: pd.Series, column: str, comma: bool, factor: float = 1.0) -> tuple[pd.Series, str]:
    """Text as floats, and how it was read where that is not plain; `comma`: whether 0,5 is a decimal comma.

    Numbers without a unit of their own are multiplied by `factor`.
    """
    values = pd.to_numeric(text, errors="coerce").to_numpy("float64", copy=True)
    odd = np.isnan(values) & text.notna().to_numpy()
    values = _in_units(values, factor)
    if not odd.any():
        return pd.Series(values, text.index, name=text.name), ""
    cells, ways = text[odd], []
    if comma and cells.map(_COMMA.fullmatch).notna().any():
        points = text.str.contains(".", regex=False).fillna(False).astype(bool)
        refuse(text, points, "other cells have decimal commas: use one mark for all")
        _refuse_doubtful_commas(cells, column)
        ways.append("decimal commas")
        cells = cells.str.replace(",", ".", regex=False)
    values[odd] = cells.map({cell: _number(cell, column, factor) for cell in cells.unique()})
    numbers = pd.Series(values, text.index, name=text.name)
    unread = numbers.isna() & text.notna()
    apart = unread & text.where(unread).str.fullmatch(_APART).eq(True)
    refuse(text, apart, "write it without marks between thousands")
    refuse(text, unread, "give a number, or leave it empty if unknown")
    percent = text.str.endswith("%").fillna(False).astype(bool)
    if percent.any():
        refuse(text, text.notna() & ~percent, "other cells have %: write all of them with it, or none")
        ways.append("cells such as 45% read as shares")
    elif column in COUNTS and cells.str.contains(r"[a-zA-Z]$").any():
        ways.append(f"cells such as {cells.iloc[0]!r} read as {values[odd][0]:g}")
    return numbers, ", ".join(ways)


def _in_units(values: Array, factor: float) -> Array:
    """The values times a factor, to the last digit what they would be if they had been written in that unit."""
    if factor == 1:
        return values
    codes, each = pd.factorize(values)
    return np.array([*(_times(value, factor) for value in each.tolist()), np.nan])[codes]


def _times(value: float, factor: float) -> float:
    return float(Decimal(repr(value)) * Decimal(repr(float(factor))))


def _refuse_doubtful_commas(cells: pd.Series, column: str) -> None:
    """Raise TasklawsError at 10,000 items or tokens, where no cell of the column shows which comma that is."""
    if column in (*COUNTS, "n_items"):
        commas = cells[cells.str.contains(",", regex=False)]
        doubtful = commas.str.fullmatch(_ONE_THOUSAND)
        remedy = "a decimal comma, or thousands? Write 10000 or 10.0"
        refuse(commas, doubtful if doubtful.all() else ~doubtful.notna(), remedy)


def _number(cell: str, column: str, factor: float) -> float:
    """A cell that is no plain number, in units of `factor` where it names none itself; NaN where it is none at all."""
    if column in SHARES and (found := _SHARE.fullmatch(cell)):
        return _times(float(found[1]), 0.01)
    if column in COUNTS and (found := _COUNT.fullmatch(cell)):
        return _times(float(found[1]), UNIT_FACTORS[found[2].lower()])
    if _THOUSANDS.fullmatch(cell):
        return _times(float(cell.replace(",", "")), factor)
    try:
        return _times(float(cell), factor) if re.fullmatch(r"[\d.eE+-]+", cell) else np.nan
    except ValueError:
        return np.nan


def is_numeric(cells: pd.Series) -> bool:
    """Whether a column holds numbers, as most of its cells say."""
    if cells.dtype.kind in "iuf":
        return bool(cells.notna().any())
    if cells.dtype.kind == "b":
        return False
    known = written(cells).dropna().head(1000)
    plain = known.str.fullmatch(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?\s*%?")
    return bool(len(known) and plain.mean() > 0.5)


def truths(column: pd.Series) -> pd.Series:
    """True, false (yes, no, 1, 0; in any capitals) or missing, as objects; anything else raises TasklawsError."""
    codes, cells = pd.factorize(column)
    words = [str(cell).strip().lower() for cell in cells]
    read = [True if word in _TRUE else False if word in _FALSE else None for word in words]
    odd = np.array([truth is None and word != "" for truth, word in zip(read, words, strict=True)] + [False])
    refuse(column, pd.Series(odd[codes], column.index), "write True or False")
    return pd.Series(np.array([*read, None], dtype=object)[codes], column.index, name=column.name, dtype=object)


def letters_as_scores(column: pd.Series) -> pd.Series:
    """Scores of which those in LETTERS, and true and false, are numbers (as text); other cells are as they were.

    Truths beside numbers raise TasklawsError: one of the two is a slip.
    """
    letters = {letter: f"{score:g}" for letter, score in LETTERS.items()}
    letters |= {"true": "1", "false": "0", "True": "1", "False": "0"}
    if column.dtype.kind in "iuf":
        return column
    text = written(column)
    said = text.str.lower().isin(["true", "false"])
    if said.any() and pd.to_numeric(text, errors="coerce").notna().any():
        refuse(column, said, "other cells are numbers: write all as numbers")
    return text.replace(letters)


def iso_days(column: pd.Series) -> tuple[pd.Series, str]:
    """Dates as YYYY-MM-DD, missing where they are empty, and a line on those of a month or year, taken as its middle.

    Read are days (also with a time of day behind), months and years, in ISO form or with a month's name; any other date
    raises TasklawsError with its line: 05/06/2024 may be in May or in June.
    """
    text = written(column).str.replace(r"\.0$", "", regex=True)
    read = {cell: _day(cell) for cell in text.dropna().unique()}
    days = text.map({cell: day for cell, (day, _) in read.items()}).astype("str").where(text.notna())
    days = days.mask(days == "")
    refuse(column, days.isna() & text.notna(), "give a date: YYYY-MM-DD, YYYY-MM or YYYY")
    coarse = [cell for cell, (_, kind) in read.items() if kind]
    rows = int(text.isin(coarse).sum())
    line = (
        f"{column.name}: {rows} row(s) name a month or year only ({coarse[0]}): taken as its middle, "
        f"{'182' if len(coarse[0]) == 4 else '15'} days either way"
        if coarse
        else ""
    )
    return days, line


def day_margins(dates: pd.Series) -> pd.Series:
    """How many days each date (as `iso_days` reads it) may be off either way: 182 of a year and 15 of a month, whose
    middle stands for it; 0 of a day, and where it is empty."""
    text = written(dates).str.replace(r"\.0$", "", regex=True)
    coarse = {cell: 182.0 if len(cell) == 4 else 15.0 for cell in text.dropna().unique() if _day(cell)[1]}
    return text.map(coarse).astype("float64").fillna(0.0)


def _day(cell: str) -> tuple[str, bool]:
    """An ISO day, and whether the cell names less than a day; an empty one where it is no date."""
    if re.fullmatch(r"\d{4}", cell):
        return f"{cell}-07-02", True
    if re.fullmatch(r"\d{4}-\d{1,2}", cell):
        day = pd.to_datetime(f"{cell}-16", format="%Y-%m-%d", errors="coerce")
        return ("" if pd.isna(day) else day.strftime("%Y-%m-%d")), True
    if found := re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:?\d{2}.*)?", cell):
        day = pd.to_datetime(found[1], format="%Y-%m-%d", errors="coerce")
        return ("" if pd.isna(day) else found[1]), False
    for form in (*_MONTHS, *_DAYS):
        day = pd.to_datetime(cell, format=form, errors="coerce")
        if not pd.isna(day):
            months = form in _MONTHS
            return (day.replace(day=16) if months else day).strftime("%Y-%m-%d"), months
    return "", False
