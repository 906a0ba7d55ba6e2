"""A fuzzer of readers: valid files are changed in ways that keep their structure, and read again.

A reader's test makes `Valid` files, each with a way to read it and the changes that fit it, and calls `failures`. What
must hold of each changed file: it is read or refused in one line of at most 500 characters, nothing else is raised, no
number read is infinite and none that a result needs is unknown; and what is read is what the clean file gives, unless a
line says why (a note that the clean file does not get) or the change says that it may differ.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.tabular.points import write_points

LONGEST = 500  # characters of an error's line
NEEDED = ("model", "task", "metric", "value")


@dataclass(frozen=True)
class Changed:
    """A changed file: its name and content, and what its answer may be.

    `same`: that of the clean file, or a refusal. Not so, it may also differ with a line that says why, and the cells of
    `unknown` columns may be unknown; `free` of all this, nothing is compared.
    """

    name: str
    content: bytes
    same: bool = False
    free: bool = False
    unknown: tuple[str, ...] = ()
    refusable: bool = True


@dataclass(frozen=True)
class Valid:
    """A file that is read as it should be: its name and content, how it is read, and how it may be changed."""

    name: str
    content: bytes
    read: Callable[[Path], pd.DataFrame]
    changes: Sequence[Callable[["Valid", random.Random], Changed]]
    source: Any = None  # what the content was made from, for the changes


def failures(valid: Sequence[Valid], cases: int, seed: int, folder: Path) -> list[str]:
    """What went wrong in so many cases, a line each."""
    rng = random.Random(seed)
    clean = [_read(file.read, folder, file.name, file.content) for file in valid]
    found = [
        f"{file.name}: the clean file: {answer}"
        for file, answer in zip(valid, clean, strict=True)
        if isinstance(answer, str)
    ]
    for case in range(cases):
        if found:
            break
        place = rng.randrange(len(valid))
        file = valid[place]
        change = rng.choice(file.changes)
        changed = change(file, rng)
        what = f"case {case} of seed {seed}: {file.name}, {change.__name__}"
        found += [f"{what}: {fault}" for fault in _faults(file, clean[place], changed, folder)]
    return found


def _read(read: Callable[[Path], pd.DataFrame], folder: Path, name: str, content: bytes) -> pd.DataFrame | str:
    """What a file gives, or the line that refuses it; any other exception passes."""
    path = folder / name
    path.write_bytes(content)
    try:
        return read(path)
    except TasklawsError as error:
        return str(error)


def _faults(file: Valid, clean: pd.DataFrame | str, changed: Changed, folder: Path) -> Iterator[str]:
    try:
        answer = _read(file.read, folder, changed.name, changed.content)
    except Exception as error:  # whatever it is, it is a fault
        yield f"{type(error).__name__}: {error}"
        return
    if isinstance(answer, str):
        if len(answer) > LONGEST or "\n" in answer:
            yield f"an error of {len(answer)} characters: {answer[:200]}"
        if not changed.refusable:
            yield f"refused: {answer}"
        return
    yield from _unwritable(answer, folder)
    if changed.free or isinstance(clean, str):
        return
    if differs := _difference(clean, answer, () if changed.same else changed.unknown):
        said = set(answer.attrs["notes"]) - set(clean.attrs["notes"])
        if changed.same or not said:
            yield f"{differs}, and no line says why"


def _unwritable(answer: pd.DataFrame, folder: Path) -> Iterator[str]:
    """What no answer may hold."""
    for column in (name for name in NEEDED if name in answer):
        if answer[column].isna().any():
            yield f"{column} is unknown in a row"
    numbers = answer.select_dtypes("number")
    if np.isinf(numbers.to_numpy(dtype=float, na_value=np.nan)).any():
        yield "a number is infinite"
    if set(NEEDED) <= set(answer) and "ladder" in answer and "n_items" in answer:
        write_points(folder / "written.csv", answer.reindex(columns=list(dict.fromkeys([*_POINTS, *answer]))))
        cells = pd.read_csv(folder / "written.csv", dtype=str, keep_default_na=False)
        odd = cells[[name for name in _POINTS if name not in ("ladder", "model", "task", "metric")]]
        if odd.isin(["nan", "NaN", "inf", "-inf", "None", "<NA>"]).any(axis=None):
            yield "what was written holds NaN, infinity or None"


_POINTS = [
    *("ladder", "model", "n_params", "n_tokens", "train_flops", "step", "is_final", "task", "metric", "value"),
    *("stderr", "n_items", "chance"),
]


def _difference(clean: pd.DataFrame, answer: pd.DataFrame, unknown: Sequence[str]) -> str:
    """Where two answers differ, if they do: rows in any order, columns that only one has where they say nothing."""
    columns = [name for name in [*_POINTS[1:], "seed", "date"] if name in clean or name in answer]
    both = [table.reindex(columns=columns) for table in (clean, answer)]
    if len(clean) != len(answer):
        return f"{len(answer)} rows instead of {len(clean)}"
    keys = [name for name in ("model", "task", "metric", "step", "seed", "value") if name in columns]
    one, other = (table.sort_values(keys, ignore_index=True, key=_alike) for table in both)
    for name in columns:
        left, right = one[name], other[name]
        if pd.api.types.is_numeric_dtype(left) and pd.api.types.is_numeric_dtype(right):
            near = 1e-4 if name == "train_flops" else 1e-8  # 6 N D may stand there with few digits
            apart = ~np.isclose(left.astype(float), right.astype(float), rtol=near, atol=1e-300, equal_nan=True)
        else:
            apart = (left.astype("str").fillna("") != right.astype("str").fillna("")).to_numpy()
        if name in unknown:
            apart &= right.notna().to_numpy()
        if apart.any():
            row = int(np.flatnonzero(apart)[0])
            return f"{name} is {right.iloc[row]} instead of {left.iloc[row]}"
    return ""


def _alike(column: pd.Series) -> pd.Series:
    return column.round(10) if pd.api.types.is_float_dtype(column) and column.abs().max() < 1 else column
