"""Names that others chose (of models, tasks, rungs) and what models said, as people may see them."""

from tasklaws.core.errors import printable


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
