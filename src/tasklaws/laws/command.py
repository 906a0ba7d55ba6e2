"""`tasklaws fit TABLE --law NAME`: one law, its report and its picture."""

import json
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing
from tasklaws.laws.fitting import fit
from tasklaws.laws.forms import LAWS
from tasklaws.laws.law import AXES
from tasklaws.laws.result import Fit
from tasklaws.points import read_curves

KINDS = (".svg", ".png", ".pdf")


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser("fit", help="fit one law to a table of observations", description=run_fit.__doc__)
    parser.add_argument("table", type=Path, metavar="TABLE", help="CSV: value, or loss, and n_params, n_tokens ...")
    parser.add_argument("--law", required=True, choices=list(LAWS), metavar="NAME", help=", ".join(LAWS))
    parser.add_argument("--metric", help="the metric to fit, where the table has several")
    parser.add_argument("--task", help="the task to fit, where the table has several")
    parser.add_argument("--axis", choices=AXES, help="of a law of one input (default: the first that all rows have)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default %(default)s)")
    parser.add_argument("--replicates", type=int, default=200, help="bootstrap refits (default %(default)s)")
    parser.add_argument("--picture", type=Path, help="where to draw it (default: TABLE-LAW.svg in this directory)")
    parser.add_argument("--json", action="store_true", help="print the fit as JSON, for `tasklaws plan`; no picture")
    parser.set_defaults(run=run_fit)


def run_fit(arguments: Namespace) -> None:
    """Fit a law to the observations of one task and metric; print a report and draw a picture, or print JSON."""
    for name in ("seed", "replicates"):
        if getattr(arguments, name) < 0:
            raise TasklawsError(f"--{name} is {getattr(arguments, name)}: give 0 or more")
    picture: Path = arguments.picture or Path(f"{arguments.table.name.split('.')[0]}-{arguments.law}.svg")
    if picture.suffix.lower() not in KINDS:
        raise TasklawsError(f"--picture {picture}: the name must end in {', '.join(KINDS)}")
    table = read_observations(arguments.table, arguments.metric, arguments.task)
    found = fit(table, arguments.law, axis=arguments.axis, seed=arguments.seed, replicates=arguments.replicates)
    if arguments.json:
        print(json.dumps(found.to_dict(), sort_keys=True, allow_nan=False))
        return
    print(found.summary())
    print(f"picture: {draw(found, picture)}")


def draw(found: Fit, path: Path) -> Path:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    kind = path.suffix.lstrip(".").lower()
    with mpl.rc_context({"svg.hashsalt": "tasklaws", "backend": "agg"}):
        figure, ax = plt.subplots(layout="constrained")
        found.plot(ax)
        with replacing(path) as file:
            figure.savefig(
                file,
                format=kind,
                metadata=None if kind == "png" else {"Date" if kind == "svg" else "CreationDate": None},
            )
        plt.close(figure)
    return path


def read_observations(path: Path, metric: str | None, task: str | None = None) -> pd.DataFrame:
    """The rows of a table (as `read_curves` takes it) of one metric and task; None takes all."""
    table = read_curves(path)
    for column, wanted in (("metric", metric), ("task", task)):
        if wanted is not None:
            known = table[column].dropna().unique().tolist() if column in table else []
            if wanted not in known:
                raise TasklawsError(
                    f"{path}: no {column} {wanted!r}: choose one of {', '.join(map(str, known)) or 'none'}"
                )
            table = table[table[column] == wanted]
    return table.reset_index(drop=True)
