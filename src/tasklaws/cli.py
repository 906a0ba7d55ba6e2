"""The `tasklaws` command: each subcommand lives beside what it runs."""

from argparse import ArgumentParser

from tasklaws import compose, tracking
from tasklaws.core import errors
from tasklaws.forecast import command as backtest
from tasklaws.humans import command as humans
from tasklaws.items import command as difficulty
from tasklaws.items import orders_command as orders
from tasklaws.laws import command as fit
from tasklaws.laws import plan_command as plan
from tasklaws.readers import command as imports
from tasklaws.sandbox import command as sandbox


def main() -> None:
    parser = ArgumentParser(prog="tasklaws", description="Task-based scaling laws: forecast, then check.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (backtest, compose, difficulty, fit, humans, imports, orders, plan, sandbox, tracking):
        part.add_parser(subparsers)
    arguments = parser.parse_args()
    errors.run(lambda: arguments.run(arguments))
