"""Named operations applied one after the other to four digits, with knobs for what makes tasks overlap.

Example: `3815 rev inc` -> `6294`

Some operations are common (`rev`, `inc`, `sort`, ...), and each item needs one rare operation that only knowing helps
with (`va`: a fixed choice of four places). Some steps can be skipped, such as a `rev` before a `sort`; some items
depend on the order of the steps, others do not.

Score: at overlap 0 (`step_chain`) each item needs another rare skill, learned at another point, so the share solved is
expected to rise smoothly. At overlap 1 (`step_chain_shared`) all items stand or fall with one, so it is expected to be
closer to a step. The two differ in overlap alone.

Source: required and optional, ordered and unordered steps are what "Thinking Out Loud: Task-based Scaling Laws"
(2024-10-09) asks of tasks "with a bit more realism"; overlap is what "On Task Based Scaling Laws" holds to decide
whether a law can be found.
"""

import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass, field

from tasklaws.core.checked import Count, Natural, Share
from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, Split, generator
from tasklaws.families.operations import COMMON, DIGITS, Operation, rare

PROBES = ("0123", "9071", "4486", "2750")
_TRIES = 20_000


@dataclass(frozen=True)
class StepChain(Family):
    """Chains in which every item needs one rare skill besides common ones.

    - `lengths`: number of steps -> number of items of that length; in a corpus lengths are as frequent as here.
    - `optional_share`: share of all steps that can be skipped, such as a `rev` before a `sort` (chains of three or more
      steps carry them; at least the rare step and one more stay required).
    - `ordered_share`: share of the items of two or more steps, none optional, whose answer depends on their order.
    - `zipf`: the skill of rank r has frequency proportional to r^-zipf, the common ones first.
    - `overlap`: the chance that two items need the same rare skill. sqrt(overlap) of the items share one, each of the
      others has its own: at 0 no two items share, at 1 all do.
    - `shared_rank`: which rare skill is shared, the others being the most frequent ones. Without it the shared one and
      the others are drawn anew by each seed; of one seed, sets of different overlap then differ only in the items that
      share.

    Human seconds: 5, and 6 for each step.
    """

    lengths: dict[Count, Count]
    optional_share: Share
    ordered_share: Share
    zipf: float
    overlap: Share
    n_rare: Count
    shared_rank: Natural | None = None
    skills: tuple[Operation, ...] = field(init=False)
    frequencies: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        n_needed = sum(self.lengths.values()) - self._n_sharing() + bool(self._n_sharing())
        if self.n_rare < n_needed:
            raise TasklawsError(
                f"{self.name}: overlap {self.overlap} needs {n_needed} rare skills: raise n_rare from {self.n_rare}"
            )
        if not 0 <= (self.shared_rank or 0) < self.n_rare <= 100:
            raise TasklawsError(
                f"{self.name}: shared_rank {self.shared_rank}, n_rare {self.n_rare}: 0 <= rank < n <= 100"
            )
        object.__setattr__(self, "skills", COMMON + rare(self.n_rare))
        weights = [rank**-self.zipf for rank in range(1, len(self.skills) + 1)]
        object.__setattr__(self, "frequencies", tuple(weight / sum(weights) for weight in weights))

    def items(self, seed: int, split: Split) -> list[Item]:
        rng = generator(seed, self.name, split)
        lengths = sorted(Counter(self.lengths).elements())
        rare_skills = self._rare_skills(len(lengths), generator(seed, self.name, "skills"))
        items: dict[str, Item] = {}
        optional_due = ordered_due = 0.0
        for length, skill in zip(lengths, rare_skills, strict=True):
            optional_due += self.optional_share * length
            n_optional = min(max(length - 2, 0), math.floor(optional_due))
            optional_due -= n_optional
            ordered: bool | None = None
            if length > 1 and not n_optional:
                ordered_due += self.ordered_share
                ordered = ordered_due >= 1
                ordered_due -= ordered
            item = self._search(rng, length, skill, n_optional, ordered, items)
            items[item.question] = item
        return sorted(items.values(), key=lambda item: item.id)

    def draw(self, rng: random.Random) -> Item:
        (length,) = rng.choices(list(self.lengths), list(self.lengths.values()))
        value = "".join(rng.choice("0123456789") for _ in range(DIGITS))
        return self._item(value, tuple(rng.choices(self.skills, self.frequencies, k=length)))

    def plain(self, item: Item) -> str:
        """The rule of each step, in words: names alone say nothing to who did not learn them."""
        rules = {skill.name: skill.plain for skill in self.skills}
        value, *steps = item.question.split()
        told = "; ".join(f"{number}. {rules[step]}" for number, step in enumerate(steps, 1))
        return f"Begin with the four digits {value} and do this, in order: {told}. Which four digits result?"

    def _n_sharing(self) -> int:
        return round(math.sqrt(self.overlap) * sum(self.lengths.values()))

    def _rare_skills(self, n_items: int, rng: random.Random) -> list[Operation]:
        tail = list(self.skills[len(COMMON) :])
        n_sharing = self._n_sharing()
        if self.shared_rank is None:
            rng.shuffle(tail)
            skills = tail[:1] * n_sharing + tail[len(tail) - (n_items - n_sharing) :]
        else:
            shared = [tail.pop(self.shared_rank)] * n_sharing if n_sharing else []
            skills = shared + tail[: n_items - n_sharing]
        rng.shuffle(skills)
        return skills

    def _search(
        self,
        rng: random.Random,
        length: int,
        skill: Operation,
        n_optional: int,
        ordered: bool | None,
        taken: dict[str, Item],
    ) -> Item:
        weights = self.frequencies[: len(COMMON)]
        for _ in range(_TRIES):
            steps = [*rng.choices(COMMON, weights, k=length - 1), skill]
            rng.shuffle(steps)
            value = "".join(rng.sample("0123456789", DIGITS))
            item = self._item(value, tuple(steps))
            if item.n_optional != n_optional or item.question in taken or ordered not in (None, item.order_matters):
                continue
            if skill in _shortest(tuple(steps), value):
                return item
        raise TasklawsError(
            f"{self.name}: no chain of {length} steps with {skill.name}, {n_optional} optional, ordered {ordered}: "
            "lower optional_share or change ordered_share"
        )

    def _item(self, value: str, steps: tuple[Operation, ...]) -> Item:
        answer = _run(steps, value)
        needed = _shortest(steps, value)
        return Item(
            id=f"{self.name}-{len(steps)}-{value}-" + "-".join(step.name for step in steps),
            family=self.name,
            question=" ".join([value, *(step.name for step in steps)]),
            answer=answer,
            skills=tuple(step.name for step in steps),
            n_required=len(needed),
            n_optional=len(steps) - len(needed),
            order_matters=any(_run(order, value) != answer for order in itertools.permutations(steps)),
            human_seconds=5.0 + 6.0 * len(steps),
            fuel=self.fuel,
            chance=0.0,
            programs=tuple(_program(value, chain) for chain in dict.fromkeys((steps, needed))),
        )


def _run(steps: tuple[Operation, ...], value: str) -> str:
    for step in steps:
        value = step.apply(value)
    return value


def _shortest(steps: tuple[Operation, ...], value: str) -> tuple[Operation, ...]:
    """The fewest of the steps, in order, that do the same on the value and on every probe."""
    values = (value, *PROBES)
    wanted = [_run(steps, each) for each in values]
    for length in range(len(steps)):
        for kept in itertools.combinations(steps, length):
            if [_run(kept, each) for each in values] == wanted:
                return kept
    return steps


def _program(value: str, steps: tuple[Operation, ...]) -> str:
    return "\n".join([f"v='{value}'", *(f"v={step.source}" for step in steps), "print(v)"])
