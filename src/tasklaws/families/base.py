"""What a family is: a generator of test items, and of other instances for the corpus."""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from tasklaws.core.checked import Count
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item

Split = Literal["test", "dev"]
Draw = TypeVar("Draw", tuple[int, int], tuple[int, ...], str)
_MOST_MISSES = 10_000


@dataclass(frozen=True)
class Family(ABC):
    """A generator of alike items. The same seed and settings give the same items, to the byte.

    A family's file derives one dataclass from it, whose fields are the family's settings besides `name` and `fuel` (the
    sandbox budget of a program for an item). Its docstring, and the file's, are what custom_tasks/ says of it.
    """

    name: str
    fuel: Count
    elicitations: ClassVar[tuple[Elicitation, ...]] = ("direct", "python")
    """The ways in which its items can be put to a model, the usual one first."""
    answer_tokens: ClassVar[int] = 32
    """Tokens after which a model is stopped that is asked `direct`: more than any right answer takes."""
    program_tokens: ClassVar[int] = 96
    """The same of a program, asked `python`."""
    prose_tokens: ClassVar[int] = 96
    """Tokens that an answer may take beside this when it is asked in plain language: a sentence or two around it."""
    fenced_tokens: ClassVar[int] = 288
    """The same of a program: a fence, comments, a function where a line would do."""

    related: ClassVar[tuple[str, ...]] = ()
    """The kinds of related tasks (related.py) that serve as its examples of programs; all where it names none."""

    @abstractmethod
    def items(self, seed: int, split: Split) -> list[Item]:
        """The items asked: split `test` is reported, split `dev` is for choosing settings; no two alike."""

    @abstractmethod
    def draw(self, rng: random.Random) -> Item:
        """One more instance, for a corpus or as a few-shot example; it may happen to be an item."""

    def plain(self, item: Item) -> str:
        """The question of an item in plain language, for models that know no other; a family need not have it.

        It says all that a person has to know who never saw the family. A family without it raises TasklawsError.
        """
        raise TasklawsError(f"{self.name} has no question in plain language: give its class a method `plain`")

    @property
    def is_plain(self) -> bool:
        """Whether its items can be put in plain language."""
        return type(self).plain is not Family.plain

    def reserved(self, item: Item) -> frozenset[str]:
        """Questions that give an item away, besides its own: no corpus, and no few-shot example, has one of them."""
        return frozenset({item.question})

    def part_of(
        self, split: Split, count: int, draw: Callable[[], Draw], key: Callable[[Draw], Any] = lambda drawn: drawn
    ) -> list[Draw]:
        """`count` draws of different `key`, sorted: the first ones for split `test`, the next ones for `dev`.

        Where ten thousand draws in a row find no other, TasklawsError is raised.
        """
        found: dict[Any, Draw] = {}
        misses = 0
        while len(found) < 2 * count:
            known, drawn = len(found), draw()
            found.setdefault(key(drawn), drawn)
            misses = misses + 1 if len(found) == known else 0
            if misses == _MOST_MISSES:
                raise TasklawsError(
                    f"{self.name}: {count} items a split need {2 * count} different draws, and there are {known}: ask "
                    "for fewer, or widen its settings"
                )
        both = list(found.values())
        return sorted(both[:count] if split == "test" else both[count:])


def generator(seed: int, *names: object) -> random.Random:
    """A random generator of its own for each purpose, so that one family's settings never move another's items."""
    return random.Random(":".join(map(str, (seed, *names))))


def refuse_terse_families(rung: str, families: Iterable[Family]) -> None:
    """Raise TasklawsError for the first family that a rung asked in plain language can not be put."""
    for family in families:
        if not family.is_plain:
            raise TasklawsError(
                f"rung {rung} is asked in plain language, which {family.name} has no question in: give its class a "
                "method `plain`, leave it out of elicitation.ask, or ask with prompts terse"
            )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def run_seconds(repeats: int) -> float:
    """Seconds a person waits for a loop of `repeats` cheap turns: 10 (repeats / 100)^0.42.

    The power through the essays' two figures: ten seconds for a hundred turns, 55 minutes for 10^8 ("Thinking Out
    Loud: Task-based Scaling Laws"). It is their stated guess, not a measurement.
    """
    return 10.0 * math.pow(repeats / 100, 0.42)
