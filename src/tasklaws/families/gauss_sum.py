"""The sum of 1..n: a loop passes until the budget ends it, n(n+1)/2 always does.

Example: `sum 1..100` -> `5050`

Score: it rises in pieces, if the essay is right: a model that cannot write a program solves none, one that writes the
loop solves the n below the budget (up to about 10^5), one that knows the formula solves all. A budget counts
instructions, not seconds, so the middle piece ends at the same n on every machine.

Source: the second example of "Thinking Out Loud: Task-based Scaling Laws" (2024-10-09).
"""

import math
import random
from dataclasses import dataclass

from tasklaws.core.checked import Count, Share
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, Split, run_seconds


@dataclass(frozen=True)
class GaussSum(Family):
    """Values of n spread evenly in log n from 1 to 10^9, the dev ones halfway between the test ones.

    `per_decade` sets the spacing (rounding merges some small n). The steps of an item are its n - 1 additions (one step
    where n is 1), all of them optional but one for who knows Gauss's formula: the reference program is the loop while
    the budget lets it pass (n < `loop_limit`), and the formula beyond. Of the programs drawn for a corpus,
    `loop_share_below` of those with n under `loop_limit` loop, and `loop_share_above` of the others; `large_share` of
    the documents draw n at or above `loop_limit`. Human seconds: 60 to write the loop, and the run (see `run_seconds`).
    """

    per_decade: Count
    loop_limit: int
    loop_share_below: Share
    loop_share_above: Share
    large_share: Share

    def __post_init__(self) -> None:
        if not 1 < self.loop_limit < 10**9:
            raise TasklawsError(f"{self.name}: loop_limit is {self.loop_limit}: give more than 1, less than 10^9")

    def items(self, seed: int, split: Split) -> list[Item]:
        shift = {"test": 0.0, "dev": 0.5}[split]
        grid = {round(10 ** ((k + shift) / self.per_decade)) for k in range(9 * self.per_decade + 1)}
        if split == "dev":
            grid -= {round(10 ** (k / self.per_decade)) for k in range(9 * self.per_decade + 1)}
        return [
            self._item(n, (_loop(n), _formula(n)) if n < self.loop_limit else (_formula(n), _short(n)))
            for n in sorted(grid)
        ]

    def draw(self, rng: random.Random) -> Item:
        large = rng.random() < self.large_share
        low, high = (self.loop_limit, 10**9) if large else (1, self.loop_limit - 1)
        n = round(math.exp(rng.uniform(math.log(low), math.log(high))))
        looping = rng.random() < (self.loop_share_above if large else self.loop_share_below)
        return self._item(n, (_loop(n),) if looping else (_formula(n),))

    def plain(self, item: Item) -> str:
        return f"What is the sum of all whole numbers from 1 to {item.question.removeprefix('sum 1..')}?"

    def _item(self, n: int, programs: tuple[str, ...]) -> Item:
        return Item(
            id=f"{self.name}-{n:010d}",
            family=self.name,
            question=f"sum 1..{n}",
            answer=str(n * (n + 1) // 2),
            skills=("sum", f"copy_{len(str(n))}_digits"),
            n_required=1,
            n_optional=max(n - 2, 0),
            order_matters=False,
            human_seconds=60 + run_seconds(n),
            fuel=self.fuel,
            chance=0.0,
            programs=programs,
        )


def _loop(n: int) -> str:
    return f"n={n}\ns=0\nfor i in range(n+1):s+=i\nprint(s)"


def _formula(n: int) -> str:
    return f"n={n}\nprint(n*(n+1)//2)"


def _short(n: int) -> str:
    return f"n={n}\nprint(n*-~n//2)"
