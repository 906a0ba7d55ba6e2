"""`tasklaws sandbox FILE`: run one program in the sandbox and print its verdict."""

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
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.set_defaults(run=run_file)


def run_file(arguments: Namespace) -> None:
    """Run a program and print its verdict; a program that fails is a verdict too, so the exit status is 0."""
    program = arguments.file.read_bytes().decode("utf-8", "surrogateescape")
    verdict = run(program, arguments.fuel)
    if arguments.json:
        print(json.dumps(verdict.to_dict()))
        return
    print(f"status  {verdict.status}\nfuel    {verdict.fuel}")
    if verdict.error:
        print(f"error   {verdict.error}")
    print(f"stdout\n{verdict.stdout}", end="" if verdict.stdout.endswith("\n") else "\n")
