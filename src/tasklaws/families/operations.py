"""The named operations of `step_chain`: eight common ones, and rare ones that each take learning by heart."""

import functools
import random
from dataclasses import dataclass
from types import CodeType

DIGITS = 4
IDENTITY = tuple(range(DIGITS))


@dataclass(frozen=True)
class Operation:
    """A named operation on a string of four digits: `source` is a Python expression on `v`, `plain` says it."""

    name: str
    source: str
    plain: str

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
    Operation("rev", "v[::-1]", "reverse the digits"),
    Operation("inc", digitwise("(int(c)+1)%10"), "add 1 to each digit, 9 becoming 0"),
    Operation("rot", "v[1:]+v[0]", "move the first digit to the end"),
    Operation("sort", "''.join(sorted(v))", "sort the digits, the smallest first"),
    Operation("neg", digitwise("9-int(c)"), "replace each digit d by 9 - d"),
    Operation("swap", "v[1]+v[0]+v[2:]", "swap the first two digits"),
    Operation("dec", digitwise("(int(c)+9)%10"), "subtract 1 from each digit, 0 becoming 9"),
    Operation("desc", "''.join(sorted(v)[::-1])", "sort the digits, the largest first"),
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
        read = ", then ".join(f"digit {place + 1}" for place in places)
        source = "+".join(f"v[{place}]" for place in places)
        operations.append(Operation(name, source, f"write {read} (counted from 1) in place of the four"))
    return tuple(operations)
