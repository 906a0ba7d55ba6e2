"""How the digest of a provenance record stands in a figure and on a page."""

import re

SHOWN = 12
"""Hex digits of a digest that people see; the metadata of a figure has all 64."""
_MARK = re.compile(rb"tasklaws provenance sha256:([0-9a-f]{64})")


def mark(digest: str) -> str:
    """A digest as a figure's metadata has it."""
    return f"tasklaws provenance sha256:{digest}"


def marked(data: bytes) -> str | None:
    """The digest in the metadata of a figure's file, whatever its format; None where there is none."""
    found = _MARK.search(data)
    return found[1].decode() if found else None
