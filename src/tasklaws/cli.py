"""The `tasklaws` command: each subcommand lives beside what it runs."""

from argparse import ArgumentParser

from tasklaws import config, errors, tracking
from tasklaws.difficulty import command as difficulty
from tasklaws.sandbox import command as sandbox


def main() -> None:
    parser = ArgumentParser(prog="tasklaws", description="Task-based scaling laws: forecast, then check.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (config, sandbox, difficulty, tracking):
        part.add_parser(subparsers)
    arguments = parser.parse_args()
    errors.run(lambda: arguments.run(arguments))
