"""Result files of lm-eval and tidy tables, merged into one table of points."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.frames import labelled, read_csv
from tasklaws.core.progress import progress
from tasklaws.points import RESULT, check, complete, parse
from tasklaws.readers.lm_eval import (
    GUESSABLE,
    Rows,
    fill,
    is_result,
    place_in_ladders,
    read_models,
    result_rows,
    usable,
)
from tasklaws.tables import MODELS, POINTS

_RESULTS_REMEDY = "give a result file of lm-eval, a tidy table, or a directory of them"


def merge_results(
    paths: Sequence[Path], ladder: str, models: Path | None = None, besides: Path | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Results as one table of points, with what a table of `models` knows of each, and lines on what was left out.

    `paths` are files, or directories with all below them, less the file `besides`. `ladder` is the name of results that
    name none. What cannot be read, or holds no results, raises TasklawsError.
    """
    known = read_models(models) if models else pd.DataFrame(columns=MODELS.columns, dtype=float)
    results, tables, notes = gather(paths, besides)
    scores = usable(results, notes)
    if not scores.empty:
        tables.append(place_in_ladders(scores, known, ladder, notes))
    if not tables:
        raise TasklawsError(f"no results in {', '.join(map(str, paths))}: {_RESULTS_REMEDY}")
    table = complete(pd.concat([fill(table, known) for table in tables]))
    check(table, RESULT, POINTS.keys)
    unknown = sorted(table.loc[table["chance"].isna() & table["metric"].isin(GUESSABLE), "task"].unique())
    if unknown:
        remedy = "fill in that column where a guess scores more than 0"
        notes.append(f"chance is unknown for {', '.join(unknown)}: {remedy}")
    return table, notes


def gather(paths: Sequence[Path], besides: Path | None) -> tuple[Rows, list[pd.DataFrame], list[str]]:
    """The rows of lm-eval's files and the tidy tables, all labelled by where they stand; a line a skipped file."""
    results: Rows = {}
    tables, notes = [], []
    files = list(_files(paths, besides))
    with progress("import", len(files)) as advance:
        for path in files:
            table = path.name.endswith((".csv", ".csv.gz"))
            if table and (path in paths or set(RESULT) <= set(read_csv(path, _RESULTS_REMEDY, nrows=0))):
                tables.append(labelled(complete(parse(path, RESULT))))
            elif path.suffix == ".json" and is_result(document := _document(path)):
                results |= result_rows(path, document)
            elif path in paths:
                raise TasklawsError(f"{path} has no `results` and `config` of lm-eval: {_RESULTS_REMEDY}")
            else:
                notes.append(f"skipped {path}: no results in it")
            advance()
    return results, tables, notes


def _files(paths: Sequence[Path], besides: Path | None) -> Iterator[Path]:
    """Every file once, in the order of names; the table of an earlier import is none of them."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise TasklawsError(f"{path} does not exist: {_RESULTS_REMEDY}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and (besides is None or file.resolve() != besides.resolve()):
                found.setdefault(file.resolve(), file)
    yield from found.values()


def _document(path: Path) -> Any:
    try:
        # NaN and all: lm-eval writes it where a standard error is undefined.
        return json.loads(read_text(path, _RESULTS_REMEDY))
    except ValueError as error:
        raise TasklawsError(f"{path}: malformed JSON ({error}): give the whole file, or take it away") from error
