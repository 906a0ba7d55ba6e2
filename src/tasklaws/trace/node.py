"""A step of a trace: what it is in a line, its facts for scripts, and the steps further back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

DIFFERS = "DIFFERS"  # how a state begins that is not the recorded one
_MOST_NAMED = 3
Facts = dict[str, Any]
"""What a step says of itself, as JSON."""


@dataclass
class Node:
    """`facts` are JSON; `children` lead further back."""

    line: str
    facts: Facts
    children: "list[Node]" = field(default_factory=list)

    def mark(self) -> None:
        """Say on the first line what further back is not as it was recorded."""
        found = list(dict.fromkeys(self._other()))
        if found:
            first, end, more = self.line.partition("\n")
            self.line = f"{first}  ({', '.join(found[:_MOST_NAMED])} DIFFERS: see below){end}{more}"
            self.facts["differs"] = found

    def _other(self) -> Iterator[str]:
        """The names of the steps that say so of themselves."""
        state = str(self.facts.get("state", ""))
        told = self.facts.get("weights_sha256_here") not in (None, self.facts.get("weights_sha256"))
        told |= state.startswith(DIFFERS) or self.facts.get("as_drawn") is False
        if told:
            yield str(self.facts.get("path") or self.facts.get("drawn_from") or self.facts.get("file"))
        for name, each in self.facts.get("code", {}).items() if "stage" not in self.facts else ():
            if isinstance(each, dict) and str(each.get("state")).startswith(DIFFERS):
                yield name
        if self.facts.get("run_anew", {}).get("as_scored") is False:
            yield f"a program's run ({self.facts['file']}:{self.facts['line']})"
        for child in self.children:
            yield from child._other()

    def to_dict(self) -> Facts:
        """The facts, and under `from` those of the steps further back."""
        further = [child.to_dict() for child in self.children]
        return self.facts | ({"from": further} if further else {})

    def text(self) -> str:
        """The tree, a line a step."""
        return "\n".join([self.line.replace("\n", "\n   "), *_branches(self.children, "")])


def _branches(children: list[Node], indent: str) -> list[str]:
    lines = []
    for place, child in enumerate(children, 1):
        last = place == len(children)
        head, *more = child.line.split("\n")
        below = indent + ("   " if last else "│  ")
        lines.append(indent + ("└─ " if last else "├─ ") + head)
        lines += [f"{below}{'│  ' if child.children else '   '}{each}" for each in more]
        lines += _branches(child.children, below)
    return lines
