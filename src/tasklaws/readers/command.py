"""`tasklaws import PATH... --out TABLE`: result files of lm-eval and tidy tables, merged into one table of points."""

import json
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_csv, read_text
from tasklaws.points import RESULT, check, complete, parse, write_points
from tasklaws.readers.lm_eval import GUESSABLE, Rows, describe, fill, is_result, no_models, read_models, rows, usable
from tasklaws.tables import POINTS

REMEDY = "give a result file of lm-eval, a tidy table, or a directory of them"


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "import", help="turn results of lm-eval and tidy tables into one table", description=run.__doc__
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a file, or a directory with all below it")
    parser.add_argument("--out", type=Path, required=True, metavar="TABLE", help="the table, .csv or .csv.gz")
    parser.add_argument(
        "--models",
        type=Path,
        metavar="MODELS",
        help="CSV with a row a model: model, and any of ladder, n_params (non-embedding), n_tokens (at the end of "
        "training), train_flops, tokens_per_step",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> None:
    """Read results, add what --models knows of each model, and write one table; nothing is written at an error."""
    models = read_models(arguments.models) if arguments.models else no_models()
    stem = arguments.out.name.removesuffix(".gz").removesuffix(".csv")
    results, tables = gather(arguments.paths, arguments.out)
    scores = usable(results)
    if not scores.empty:
        tables.append(describe(scores, models, stem))
    if not tables:
        raise TasklawsError(f"no results in {', '.join(map(str, arguments.paths))}: {REMEDY}")
    table = complete(pd.concat([fill(table, models) for table in tables]))
    check(table, RESULT, POINTS.keys)
    write_points(arguments.out, table)
    unknown = sorted(table.loc[table["chance"].isna() & table["metric"].isin(GUESSABLE), "task"].unique())
    if unknown:
        print(f"chance is unknown for {', '.join(unknown)}: fill in that column where a guess scores more than 0")
    counts = ", ".join(f"{table[column].nunique()} {column}(s)" for column in ("ladder", "model", "task"))
    print(f"{arguments.out}: {len(table)} rows, {counts}")


def gather(paths: list[Path], out: Path) -> tuple[Rows, list[pd.DataFrame]]:
    """The rows of lm-eval's files and the tidy tables, all labelled by where they stand."""
    results: Rows = {}
    tables = []
    for path in _files(paths, out):
        named = path in paths
        if path.name.endswith((".csv", ".csv.gz")) and (named or set(RESULT) <= set(read_csv(path, REMEDY, nrows=0))):
            tables.append(complete(parse(path, RESULT)))
        elif path.suffix == ".json" and is_result(document := _document(path)):
            results |= rows(path, document)
        elif named:
            raise TasklawsError(f"{path} has no `results` and `config` of lm-eval: {REMEDY}")
        else:
            print(f"skipped {path}: no results in it")
    return results, tables


def _files(paths: list[Path], out: Path) -> Iterator[Path]:
    """Every file once, in the order of names; the table of an earlier import is none of them."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise TasklawsError(f"{path} does not exist: {REMEDY}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.resolve() != out.resolve():
                found.setdefault(file.resolve(), file)
    yield from found.values()


def _document(path: Path) -> Any:
    try:
        return json.loads(read_text(path))  # NaN and all: lm-eval writes it where a standard error is undefined
    except ValueError as error:
        raise TasklawsError(f"{path}: malformed JSON ({error}): give the whole file, or take it away") from error
