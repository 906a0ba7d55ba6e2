"""`tasklaws sandbox FILE`: run one program in the sandbox and print its outcome."""

import json
from argparse import ArgumentParser, Namespace, _SubParsersAction
from pathlib import Path

from tasklaws.sandbox.runner import run

DEFAULT_FUEL = 1_000_000_000


def add_parser(subparsers: "_SubParsersAction[ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "sandbox", help="run one Python program in the sandbox", description=run_file.__doc__
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the program")
    parser.add_argument(
        "--fuel",
        type=int,
        default=DEFAULT_FUEL,
        help="WebAssembly instructions it may take (default %(default)s, 0.1 to 0.3 s)",
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run_file)


def run_file(arguments: Namespace) -> None:
    """Run a program and print its outcome; a program that fails is an outcome too, so the exit status is 0."""
    program = arguments.file.read_bytes().decode("utf-8", "surrogateescape")
    outcome = run(program, arguments.fuel)
    if arguments.json:
        print(json.dumps(outcome.to_dict()))
        return
    print(f"status  {outcome.status}\nfuel    {outcome.fuel}")
    if outcome.error:
        print(f"error   {outcome.error}")
    print(f"stdout\n{outcome.stdout}", end="" if outcome.stdout.endswith("\n") else "\n")
