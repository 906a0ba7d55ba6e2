"""Which of four numbers is the largest: multiple choice, scored by log-likelihood.

Example: `largest 37 12 58 40` -> `58`, chance 1/4

Score: a guess is right one time in four. `partial_credit` and `brier` move before the first item is solved.

Source: not from the essays; made for this repository, as a family whose score does not begin at 0.
"""

import itertools
import math
import random
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from tasklaws.core.checked import Count
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item
from tasklaws.families.base import Family, Split, generator


@dataclass(frozen=True)
class LargestOfFour(Family):
    """`per_length` items for each number of digits from 1 to `largest_length`; the four numbers differ.

    The same numbers in another order count as the same question: a corpus has none of them.

    Human seconds: 2, and half a second for each digit read.
    """

    per_length: Count
    largest_length: Count
    elicitations: ClassVar[tuple[Elicitation, ...]] = ("choice",)

    def __post_init__(self) -> None:
        if self.per_length > math.comb(10, 4) // 4:
            raise TasklawsError(f"{self.name}: per_length is {self.per_length}: give 1 to {math.comb(10, 4) // 4}")

    def items(self, seed: int, split: Split) -> list[Item]:
        items = []
        for length in range(1, self.largest_length + 1):
            rng = generator(seed, self.name, length)
            drawn = self.part_of(split, self.per_length, partial(self._numbers, rng, length), frozenset)
            items += [self._item(numbers) for numbers in drawn]
        return items

    def draw(self, rng: random.Random) -> Item:
        return self._item(self._numbers(rng, rng.randint(1, self.largest_length)))

    def reserved(self, item: Item) -> frozenset[str]:
        return frozenset("largest " + " ".join(order) for order in itertools.permutations(item.choices))

    def plain(self, item: Item) -> str:
        return f"Which of these numbers is the largest: {', '.join(item.choices)}?"

    def _numbers(self, rng: random.Random, length: int) -> tuple[int, ...]:
        low = 10 ** (length - 1) if length > 1 else 0
        return tuple(rng.sample(range(low, 10**length), 4))

    def _item(self, numbers: tuple[int, ...]) -> Item:
        texts = tuple(map(str, numbers))
        length = max(map(len, texts))
        return Item(
            id=f"{self.name}-{length}-" + "-".join(texts),
            family=self.name,
            question="largest " + " ".join(texts),
            answer=str(max(numbers)),
            skills=("compare", f"copy_{length}_digits"),
            n_required=3,
            n_optional=0,
            order_matters=False,
            human_seconds=2.0 + 0.5 * sum(map(len, texts)),
            fuel=self.fuel,
            chance=0.25,
            programs=(f"print(max({','.join(texts)}))",),
            choices=texts,
        )
