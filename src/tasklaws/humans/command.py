"""`tasklaws humans` (what a CSV of attempts says of its items) and `tasklaws people` (how many to ask)."""

from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path
from typing import TYPE_CHECKING

from tasklaws.core.errors import TasklawsError

if TYPE_CHECKING:  # SciPy takes a second to import, which the other commands need not
    from tasklaws.core.settings import Target


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    humans = subparsers.add_parser(
        "humans",
        help="estimate solve rates and times from people's attempts",
        description="Estimate from people's first attempts, with intervals, which share of them solves each item "
        "within its timeout, how long it takes them and what they score. Writes items.csv (a row an item) and "
        "groups.csv (a row an item and value of a group). Columns and formulas: docs/humans.md.",
    )
    humans.add_argument("attempts", type=Path, metavar="ATTEMPTS.csv", help="columns: see docs/humans.md")
    humans.add_argument(
        "--items", type=Path, nargs="+", required=True, metavar="FILE", help="the items, e.g. data/items/addition.jsonl"
    )
    humans.add_argument("--target", metavar="GROUP:VALUE=SHARE,...", help="reweight to it, e.g. python:yes=.1,no=.9")
    humans.add_argument("--interval", type=float, default=0.9, help="level of the intervals (default %(default)s)")
    humans.add_argument("--out", type=Path, required=True, metavar="DIR", help="for items.csv and groups.csv")
    humans.set_defaults(run=run_humans)
    people = subparsers.add_parser(
        "people",
        help="tabulate and draw how many people an estimate needs",
        description="Say how many people must attempt an item for a 90% interval of a given width, and how many must "
        "attempt two items to tell them apart, by solve rate. Writes people_for_width and people_to_tell_apart, each "
        "as .csv and .svg (docs/humans.md).",
    )
    people.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the tables and pictures")
    people.set_defaults(run=run_people)


def run_humans(arguments: Namespace) -> None:
    from tasklaws.core.schema import read_items
    from tasklaws.humans.estimates import write_summary

    items = [item for path in arguments.items for item in read_items(path)]
    target = None if arguments.target is None else parse_target(arguments.target)
    print("\n".join(write_summary(arguments.attempts, items, arguments.interval, target, arguments.out)))


def run_people(arguments: Namespace) -> None:
    from tasklaws.core.files import write_table
    from tasklaws.humans.sample_size import apart_figure, apart_table, width_figure, width_table
    from tasklaws.plotting import house_style, save

    write_table(arguments.out / "people_for_width.csv", width_table(), ["rate", "width"])
    write_table(arguments.out / "people_to_tell_apart.csv", apart_table(), ["rate", "odds_ratio"])
    with house_style():
        save(width_figure(), arguments.out / "people_for_width.svg")
        save(apart_figure(), arguments.out / "people_to_tell_apart.svg")
    print(f"wrote people_for_width and people_to_tell_apart, .csv and .svg, in {arguments.out}")


def parse_target(text: str) -> "Target":
    """`python:yes=.1,no=.9` as a Target; anything else raises TasklawsError."""
    from tasklaws.core.checked import read
    from tasklaws.core.settings import Target

    group, _, shares = text.partition(":")
    pairs = [pair.partition("=") for pair in shares.split(",")]
    try:
        given = {value: float(share) for value, _, share in pairs}
    except ValueError as error:
        raise TasklawsError(f"--target is {text!r}: write it like python:yes=.1,no=.9") from error
    return read(Target, {"group": group, "shares": given}, "--target", "give shares that sum to 1")
