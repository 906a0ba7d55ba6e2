"""One edit of a short string of capital letters: copy, reverse, sort, ...

Example: `reverse BDAC` -> `CADB`

Score: seven skills of unlike difficulty: some edits are had by small models, others by larger ones.

Source: not from the essays; made for this repository, as a family of short and diverse tasks (what "On Task Based
Scaling Laws" asks about under "less pathologically constructed tasks").
"""

import random
from dataclasses import dataclass
from functools import partial

from tasklaws.core.checked import Count
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, Split, generator

_LETTERS = "ABCDEFGH"
PROGRAMS = {
    "copy": "print(s)",
    "double": "print(''.join(c+c for c in s))",
    "first": "print(s[0])",
    "last": "print(s[-1])",
    "reverse": "print(s[::-1])",
    "rotate": "print(s[1:]+s[0])",
    "sort": "print(''.join(sorted(s)))",
}


_IN_PLAIN = {
    "copy": "Write the string '{}' unchanged.",
    "double": "Write the string '{}' with each letter twice in a row.",
    "first": "What is the first letter of the string '{}'?",
    "last": "What is the last letter of the string '{}'?",
    "reverse": "Write the string '{}' backwards.",
    "rotate": "Move the first letter of the string '{}' to its end, and write the string that results.",
    "sort": "Write the letters of the string '{}' in alphabetical order, repeated ones as often as they stand there.",
}


def edit(name: str, text: str) -> str:
    """The text after one named edit."""
    edits = {
        "copy": text,
        "double": "".join(letter * 2 for letter in text),
        "first": text[0],
        "last": text[-1],
        "reverse": text[::-1],
        "rotate": text[1:] + text[0],
        "sort": "".join(sorted(text)),
    }
    return edits[name]


@dataclass(frozen=True)
class StringEdit(Family):
    """`per_cell` items for each edit and each length from `shortest` to `longest`; letters may repeat.

    Human seconds: 3, and 1 for each letter, 2 when sorting.
    """

    per_cell: Count
    shortest: Count
    longest: Count

    def __post_init__(self) -> None:
        if self.shortest > self.longest or 4 * self.per_cell > len(_LETTERS) ** self.shortest:
            raise TasklawsError(
                f"{self.name}: {self.per_cell} items a cell of {self.shortest} to {self.longest} letters cannot be: "
                f"give lengths of 1 or more and at most {len(_LETTERS)}^shortest / 4 items a cell"
            )

    def items(self, seed: int, split: Split) -> list[Item]:
        items = []
        for name in PROGRAMS:
            for length in range(self.shortest, self.longest + 1):
                rng = generator(seed, self.name, name, length)
                texts = self.part_of(split, self.per_cell, partial(_letters, rng, length))
                items += [self._item(name, text) for text in texts]
        return items

    def draw(self, rng: random.Random) -> Item:
        length = rng.randint(self.shortest, self.longest)
        return self._item(rng.choice(list(PROGRAMS)), _letters(rng, length))

    def plain(self, item: Item) -> str:
        name, text = item.question.split()
        return _IN_PLAIN[name].format(text)

    def _item(self, name: str, text: str) -> Item:
        return Item(
            id=f"{self.name}-{name}-{text}",
            family=self.name,
            question=f"{name} {text}",
            answer=edit(name, text),
            skills=(name, f"length_{len(text)}"),
            n_required=1,
            n_optional=0,
            order_matters=False,
            human_seconds=3.0 + len(text) * (2.0 if name == "sort" else 1.0),
            fuel=self.fuel,
            chance=0.0,
            programs=(f"s='{text}'\n{PROGRAMS[name]}",),
        )


def _letters(rng: random.Random, length: int) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(length))
