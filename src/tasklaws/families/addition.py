"""The sum of two whole numbers of few digits.

Example: `482+917` -> `1399`

Score: each further digit is one more step of the same kind; the share solved is expected to rise with model size over a
long range. Under `python` it asks only for copying two numbers.

Source: not from the essays; long addition is the usual probe of arithmetic in language models, and the family of
ordinary difficulty beside the two extreme ones of "Thinking Out Loud: Task-based Scaling Laws" (2024-10-09).
"""

import random
from dataclasses import dataclass
from functools import partial

from tasklaws.core.checked import Count
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, Split, generator


@dataclass(frozen=True)
class Addition(Family):
    """`per_length` items for each number of digits from `smallest_length` to `largest_length`, both addends having that
    many; no pair stands twice.

    A pair and its swap count as one question: neither order of a reserved pair enters a corpus, in
    which addends of one digit more are half as frequent. Human seconds: 2, and 2 for each column.
    """

    per_length: Count
    smallest_length: Count
    largest_length: Count

    def __post_init__(self) -> None:
        if self.smallest_length > self.largest_length:
            raise TasklawsError(
                f"{self.name}: smallest_length {self.smallest_length} is above largest_length {self.largest_length}"
            )

    def items(self, seed: int, split: Split) -> list[Item]:
        items = []
        for length in range(self.smallest_length, self.largest_length + 1):
            rng = generator(seed, self.name, length)
            n_addends = 9 * 10 ** (length - 1) + (length == 1)  # 0 is one of a digit
            wanted = min(self.per_length, n_addends**2 // 8)
            pairs = self.part_of(split, wanted, partial(_addends, rng, length), frozenset)
            items += [self._item(*pair) for pair in pairs]
        return items

    def draw(self, rng: random.Random) -> Item:
        lengths = range(self.smallest_length, self.largest_length + 1)
        (length,) = rng.choices(lengths, [2.0**-length for length in lengths])
        return self._item(*_addends(rng, length))

    def reserved(self, item: Item) -> frozenset[str]:
        first, second = item.question.split("+")
        return frozenset({f"{first}+{second}", f"{second}+{first}"})

    def plain(self, item: Item) -> str:
        first, second = item.question.split("+")
        return f"What is {first} + {second}?"

    def _item(self, first: int, second: int) -> Item:
        length = max(len(str(first)), len(str(second)))
        carries, carry = 0, 0
        for column in range(length):
            carry = (first // 10**column % 10 + second // 10**column % 10 + carry) // 10
            carries += carry
        return Item(
            id=f"{self.name}-{length}-{first:06d}-{second:06d}",
            family=self.name,
            question=f"{first}+{second}",
            answer=str(first + second),
            skills=("add_digits", *(("carry",) if carries else ()), *(("columns",) if length > 1 else ())),
            n_required=length,
            n_optional=0,
            order_matters=carries > 0,
            human_seconds=2.0 + 2.0 * length,
            fuel=self.fuel,
            chance=0.0,
            programs=(f"print({first}+{second})",),
        )


def _addends(rng: random.Random, length: int) -> tuple[int, int]:
    low, high = 10 ** (length - 1) if length > 1 else 0, 10**length - 1
    return rng.randint(low, high), rng.randint(low, high)
