"""What a family is: a generator of test items, and of other instances for the corpus."""

import math
import random
from typing import Literal, Protocol

from tasklaws.core.schema import Elicitation, Item

Split = Literal["test", "dev"]


class Family(Protocol):
    """A generator of alike items. The same seed and settings give the same items, to the byte.

    `items` are the ones asked: split `test` is reported, split `dev` is for choosing settings. `draw` gives one more
    instance, which may happen to be an item: the corpus leaves out every instance whose question is `reserved` by an
    item of either split. `elicitations` are the ways in which its items can be put to a model.
    """

    name: str
    elicitations: tuple[Elicitation, ...]

    def items(self, seed: int, split: Split) -> list[Item]: ...

    def draw(self, rng: random.Random) -> Item: ...

    def reserved(self, item: Item) -> frozenset[str]: ...


def generator(seed: int, *names: object) -> random.Random:
    """A random generator of its own for each purpose, so that one family's settings never move another's items."""
    return random.Random(":".join(map(str, (seed, *names))))


def run_seconds(repeats: int) -> float:
    """Seconds a person waits for a loop of `repeats` cheap turns: 10 (repeats / 100)^0.42.

    The power through the essays' two figures: ten seconds for a hundred turns, 55 minutes for 10^8 ("Thinking Out
    Loud: Task-based Scaling Laws"). It is their stated guess, not a measurement.
    """
    return 10.0 * math.pow(repeats / 100, 0.42)
