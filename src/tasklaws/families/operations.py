"""The named operations of `step_chain`: eight common ones, and rare ones that each take learning by heart."""

import functools
import random
from dataclasses import dataclass
from types import CodeType

DIGITS = 4
IDENTITY = tuple(range(DIGITS))


@dataclass(frozen=True)
class Operation:
    """A named operation on a string of four digits: `source` is a Python expression on `v`."""

    name: str
    source: str

    def apply(self, value: str) -> str:
        return _apply(self.source, value)


@functools.lru_cache(maxsize=200_000)
def _apply(source: str, value: str) -> str:
    result: str = eval(_compiled(source), {"__builtins__": {}, "str": str, "int": int, "sorted": sorted}, {"v": value})
    return result


@functools.cache
def _compiled(source: str) -> CodeType:
    return compile(source, "operation", "eval")


def digitwise(expression: str) -> str:
    return f"''.join([str({expression}) for c in v])"


COMMON = (
    Operation("rev", "v[::-1]"),
    Operation("inc", digitwise("(int(c)+1)%10")),
    Operation("rot", "v[1:]+v[0]"),
    Operation("sort", "''.join(sorted(v))"),
    Operation("neg", digitwise("9-int(c)")),
    Operation("swap", "v[1]+v[0]+v[2:]"),
    Operation("dec", digitwise("(int(c)+9)%10")),
    Operation("desc", "''.join(sorted(v)[::-1])"),
)


def rare(count: int) -> tuple[Operation, ...]:
    """`count` operations with two-letter names; each reads four places of its own choice, e.g. v[2]+v[0]+v[0]+v[3].

    No two are alike, none is the identity or a common one. The table is fixed: a longer one begins with a shorter one.
    """
    rng = random.Random("rare operations")
    names = [consonant + vowel for consonant in "bcdfghjklmnpqrstvwxz" for vowel in "aeiou"]
    rng.shuffle(names)
    taken = {IDENTITY, (3, 2, 1, 0), (1, 2, 3, 0), (1, 0, 2, 3)}
    operations = []
    for name in names[:count]:
        places = IDENTITY
        while places in taken:
            places = tuple(rng.randrange(DIGITS) for _ in range(DIGITS))
        taken.add(places)
        operations.append(Operation(name, "+".join(f"v[{place}]" for place in places)))
    return tuple(operations)
