"""The i-th iterated SHA-256 of 'abc': people take longer as i grows, one program does them all.

Example: `sha256^2('abc')` -> `dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c`

The first hash is SHA-256 of the UTF-8 text; each further one is SHA-256 of the previous *hex digest text* (64
lower-case ASCII characters), never of the raw digest.
"""

import hashlib
import random
from dataclasses import dataclass

from tasklaws.core.schema import Elicitation, Item
from tasklaws.core.typed import Count
from tasklaws.families.base import Split, run_seconds

_LETTERS = "abcdef"
PROGRAM = """import hashlib
h='{text}'
for i in range({power}):h=hashlib.sha256(h.encode()).hexdigest()
print(h)"""


@dataclass(frozen=True)
class Sha256Power:
    """One hundred items, i = 1..100, on 'abc' (test) or 'cab' (dev); other strings and powers fill the corpus.

    Human seconds: 300 to write the program, and the run (see `run_seconds`).
    """

    name: str
    fuel: Count
    largest_drawn: Count
    elicitations: tuple[Elicitation, ...] = ("python", "direct")

    def items(self, seed: int, split: Split) -> list[Item]:
        text = {"test": "abc", "dev": "cab"}[split]
        return [self._item(text, power) for power in range(1, 101)]

    def draw(self, rng: random.Random) -> Item:
        text = "".join(rng.choice(_LETTERS) for _ in range(3))
        digits = rng.randint(1, len(str(self.largest_drawn)))
        return self._item(text, rng.randint(10 ** (digits - 1), min(10**digits - 1, self.largest_drawn)))

    def reserved(self, item: Item) -> frozenset[str]:
        return frozenset({item.question})

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
