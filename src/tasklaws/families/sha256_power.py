"""The i-th iterated SHA-256 of 'abc': people take longer as i grows, one program does them all.

Example: `sha256^2('abc')` -> `dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c`

The first hash is SHA-256 of the UTF-8 text; each further one is SHA-256 of the previous *hex digest text* (64
lower-case ASCII characters), never of the raw digest.

Score: all hundred items need the same skill: whoever can write the program for one i can write it for every i, as far
as i is copied right. So the share of items solved is expected to be a step in model size, 0 or 1, although human time
grows with i. Under `direct` a model would have to compute SHA-256 itself; 0 is expected at any size.

Source: the first example of "On Task Based Scaling Laws" (100 tasks, "Return the {i}th sha256 hash of the input string
'abc'") and of "Thinking Out Loud: Task-based Scaling Laws" (2024-10-09).
"""

import hashlib
import random
from dataclasses import dataclass
from typing import ClassVar

from tasklaws.core.checked import Count
from tasklaws.core.schema import Elicitation, Item
from tasklaws.families.base import Family, Split, ordinal, run_seconds

_TEXT_LETTERS = "abcdef"
PROGRAM = """import hashlib
h='{text}'
for i in range({power}):h=hashlib.sha256(h.encode()).hexdigest()
print(h)"""


@dataclass(frozen=True)
class Sha256Power(Family):
    """One hundred items, i = 1..100, on 'abc' (test) or 'cab' (dev); other strings and powers fill the corpus.

    Human seconds: 300 to write the program, and the run (see `run_seconds`).
    """

    largest_drawn: Count
    elicitations: ClassVar[tuple[Elicitation, ...]] = ("python", "direct")
    answer_tokens: ClassVar[int] = 96
    related: ClassVar[tuple[str, ...]] = ("repeated_hash", "hash", "repeated_edit")

    def items(self, seed: int, split: Split) -> list[Item]:
        text = {"test": "abc", "dev": "cab"}[split]
        return [self._item(text, power) for power in range(1, 101)]

    def draw(self, rng: random.Random) -> Item:
        text = "".join(rng.choice(_TEXT_LETTERS) for _ in range(3))
        digits = rng.randint(1, len(str(self.largest_drawn)))
        return self._item(text, rng.randint(10 ** (digits - 1), min(10**digits - 1, self.largest_drawn)))

    def plain(self, item: Item) -> str:
        """The essay's own sentence, and what it leaves open: of what the second hash is taken."""
        power, text = item.question.removeprefix("sha256^").removesuffix(")").split("(")
        return (
            f"Return the {ordinal(int(power))} sha256 hash of the input string {text}. "
            "Each hash after the first is taken of the hexadecimal digits of the one before."
        )

    def _item(self, text: str, power: int) -> Item:
        digest = text
        for _ in range(power):
            digest = hashlib.sha256(digest.encode()).hexdigest()
        return Item(
            id=f"{self.name}-{text}-{power:03d}",
            family=self.name,
            question=f"sha256^{power}('{text}')",
            answer=digest,
            skills=("sha256", "iterate", f"copy_{len(str(power))}_digits"),
            n_required=power,
            n_optional=0,
            order_matters=power > 1,
            human_seconds=300 + run_seconds(power),
            fuel=self.fuel,
            chance=0.0,
            programs=(PROGRAM.format(text=text, power=power),),
        )
