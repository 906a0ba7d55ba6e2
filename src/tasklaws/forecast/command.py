"""`tasklaws backtest`: forecast held-out models of a table, compare, and write tables, a summary and figures."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json, write_table
from tasklaws.forecast.backtest import choose_metrics, choose_tasks, rolling_backtest, split_backtest, summarise
from tasklaws.forecast.baselines import BASELINES
from tasklaws.forecast.engine import BACKWARD
from tasklaws.forecast.methods import METHODS
from tasklaws.points import read_points
from tasklaws.tables import BACKTEST_FORECASTS, is_loss


def add_parser(subparsers: Any) -> None:
    parser: ArgumentParser = subparsers.add_parser("backtest", help="forecast held-out models of a table, and compare")
    parser.add_argument("table", type=Path, help="CSV of results: ladder, model, sizes, task, metric, value ...")
    parser.add_argument("--fit", metavar="QUERY", help="rows to learn from, a pandas query over the columns")
    parser.add_argument("--holdout", metavar="QUERY", help="rows to forecast")
    parser.add_argument(
        "--rolling", type=int, metavar="K", help="instead: from each origin, forecast the next K models"
    )
    parser.add_argument("--min-rungs", type=int, default=4, metavar="M", help="models known at the first origin (4)")
    parser.add_argument("--metric", help="one metric (default: all scores, or all losses if there is no score)")
    parser.add_argument("--tasks", default="", help="names, separated by commas (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> None:
    from tasklaws.forecast.figures import draw_figures  # matplotlib takes a third of a second, which --help need not

    split = (arguments.fit, arguments.holdout)
    if (arguments.rolling is None) == (None in split) or (arguments.rolling is not None and any(split)):
        raise TasklawsError("give either --fit and --holdout, or --rolling K: which models are to be forecast?")
    for name, value in (("--rolling", arguments.rolling), ("--min-rungs", arguments.min_rungs)):
        if value is not None and value < 1:
            raise TasklawsError(f"{name} is {value}: give 1 or more")
    table = read_points(arguments.table)
    metrics = choose_metrics(table, arguments.metric)
    table = choose_tasks(table, [task for task in arguments.tasks.split(",") if task], metrics)
    if arguments.rolling is None:
        forecasts, methods = split_backtest(table, metrics, *split)
    else:
        forecasts, methods = rolling_backtest(table, metrics, arguments.rolling, arguments.min_rungs)
    summary = summarise(forecasts, methods)
    out: Path = arguments.out
    with written_together(out) as directory:
        BACKTEST_FORECASTS.write(directory / "forecasts.csv", forecasts)
        write_table(directory / "methods.csv", methods, [*BACKTEST_FORECASTS.keys, "method"])
        draw_figures(directory / "figures", forecasts, methods)
        write_json(directory / "summary.json", summary)
    lacking = sorted({method.name for method in (*METHODS, *BASELINES)} - set(methods["method"]))
    if lacking and not all(map(is_loss, metrics)):
        print(f"the table lacks what these need (losses, tokens, chance ...): {', '.join(lacking)}")
    backward = int(forecasts["evidence"].str.endswith(BACKWARD).sum())
    if backward:
        print(
            f"{backward} of {len(forecasts)} forecasts are of models smaller than the largest known one: see `evidence`"
        )
    print(f"{len(forecasts)} forecasts: mean error {summary['mae']:.4f}, 90% intervals hold {summary['coverage']:.1%}")
    print(f"{out}: forecasts.csv, methods.csv, summary.json, figures")


@contextmanager
def written_together(out: Path) -> Iterator[Path]:
    """A directory whose files appear in `out` once the block ends without an error, summary.json as the last.

    A new `out` appears whole; in an old one files of the same name are replaced, and others stay. A file in its place
    raises TasklawsError.
    """
    if out.exists() and not out.is_dir():
        raise TasklawsError(f"--out {out} is a file: give a directory")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tasklaws.", dir=out.absolute().parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        yield made
        if not out.exists():
            made.rename(out)
            return
        (out / "summary.json").unlink(missing_ok=True)
        for path in sorted(path for path in made.rglob("*") if path.is_file() and path.name != "summary.json"):
            (out / path.relative_to(made)).parent.mkdir(exist_ok=True)
            path.replace(out / path.relative_to(made))
        (made / "summary.json").replace(out / "summary.json")
