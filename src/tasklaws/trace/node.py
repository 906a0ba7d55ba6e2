"""A step of a trace: what it is in a line, its facts for scripts, and the steps further back."""

from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, Any]
"""What a step says of itself, as JSON."""


@dataclass
class Node:
    """`facts` are JSON; `children` lead further back."""

    line: str
    facts: Facts
    children: "list[Node]" = field(default_factory=list)

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
