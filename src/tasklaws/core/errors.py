"""The one exception whose message a person reads, and how it is printed."""

import sys
from typing import NoReturn

LONGEST_MESSAGE = 2000  # characters


class TasklawsError(Exception):
    """A failure a person can mend: its message is one line that names the value and the remedy."""


def printable(text: str) -> str:
    """Text whose characters that a terminal obeys, or that turn its direction, are shown as codes; lines stay."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape", "replace").decode()
        for each in text
    )


def fail(message: str, status: int = 1) -> NoReturn:
    """Print `error: message` on one line of stderr, cut where it is very long, and exit."""
    line = printable(" ".join(message.split()))
    print("error: " + (line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]} ..."), file=sys.stderr)
    raise SystemExit(status)
