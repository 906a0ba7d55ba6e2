"""Names that others chose (of models, tasks, rungs) and what models said, as people may see them."""

from collections.abc import Callable, Iterable
from typing import Any

from tasklaws.core.errors import printable

LONGEST_SHOWN = 80  # characters of a cell in a message


def shown(text: str) -> str:
    """Text on one line: characters that a terminal obeys, that turn the direction or that nobody sees, as codes.

    ESC becomes `\\x1b`, a line's end `\\n`, the right-to-left override `\\u202e`. For tables, pages and messages.
    """
    return printable(text).replace("\n", "\\n")


def drawn(text: str) -> str:
    """Text as matplotlib draws it, letter by letter: `shown`, and each `$` escaped, which would begin a formula.

    A space without width stands before a leading `_`, by which matplotlib leaves a label out of legends.
    """
    escaped = shown(text).replace("$", "\\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped


def quoted(value: Any) -> str:
    """A cell as messages have it: on one line, and cut where it is long."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def some(names: Iterable[Any], most: int = 6, text: Callable[[Any], str] = quoted) -> str:
    """The first of many names, as `text` has them, on one line, and how many there are in all."""
    listed = list(names)
    return ", ".join(shown(text(name)) for name in listed[:most]) + (
        f" ... {len(listed)} in all" if len(listed) > most else ""
    )
