"""Few-shot examples of other tasks than the families': of the same kinds, never of the same program.

They show a model what is wanted, an answer or a program, without giving away how a family's items are solved.
"""

import hashlib
import itertools
import random
from collections.abc import Callable, Collection

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Elicitation, Item
from tasklaws.families.base import generator, ordinal

_Drawn = tuple[str, str, str, tuple[str, ...]]
MOST_DRAWS = 1000


def related_shots(
    family: str, way: Elicitation, kinds: Collection[str], answers: Collection[str], seed: int, count: int
) -> list[Item]:
    """`count` examples of related tasks, in plain language, no two alike, for a family asked in one way; for a program
    of these `kinds` (names in _PROGRAMS), or of all.

    None has one of `answers`, those of the family's items: no example, and no program of one, solves an item. Where a
    thousand draws find too few, TasklawsError is raised.
    """
    rng = generator(seed, family, way, "related")
    found: dict[str, Item] = {}
    pool = [_PROGRAMS[name] for name in kinds or _PROGRAMS] if way == "python" else _KINDS[way]
    for kind in itertools.islice(itertools.cycle(pool), MOST_DRAWS):
        if len(found) == count:
            break
        question, answer, program, choices = kind(rng)
        if answer not in answers and question not in found:
            found[question] = Item(
                id=f"related-{way}-{len(found):03d}",
                family=family,
                question=question,
                answer=answer,
                skills=("related",),
                n_required=1,
                n_optional=0,
                order_matters=False,
                human_seconds=0.0,
                fuel=100_000_000,
                chance=1 / len(choices) if choices else 0.0,
                programs=(program,),
                choices=choices,
            )
    if len(found) < count:
        raise TasklawsError(f"{family}: only {len(found)} of {count} related examples exist: lower n_shots_kept")
    return list(found.values())


def _word(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choice("klmnoprstuvwxyz") for _ in range(rng.randint(shortest, longest)))


def _hash(rng: random.Random) -> _Drawn:
    name, text = rng.choice(("md5", "sha1", "sha224", "sha512")), _word(rng, 4, 8)
    program = f"import hashlib\nprint(hashlib.{name}('{text}'.encode()).hexdigest())"
    answer = hashlib.new(name, text.encode()).hexdigest()
    return f"Return the {name} hash of the input string '{text}'.", answer, program, ()


def _repeated_hash(rng: random.Random) -> _Drawn:
    name, text, times = rng.choice(("md5", "sha1")), _word(rng, 4, 8), rng.randint(2, 40)
    answer = text
    for _ in range(times):
        answer = hashlib.new(name, answer.encode()).hexdigest()
    program = f"import hashlib\ns = '{text}'\nfor _ in range({times}):\n    "
    program += f"s = hashlib.{name}(s.encode()).hexdigest()\nprint(s)"
    question = (
        f"Return the {ordinal(times)} {name} hash of the input string '{text}'. "
        "Each hash after the first is taken of the hexadecimal digits of the one before."
    )
    return question, answer, program, ()


def _repeated_edit(rng: random.Random) -> _Drawn:
    text, times = _word(rng, 5, 9), rng.randint(3, 40)
    answer = text
    for _ in range(times):
        answer = answer[2:] + answer[:2]
    program = f"s = '{text}'\nfor _ in range({times}):\n    s = s[2:] + s[:2]\nprint(s)"
    return f"Move the first two letters of '{text}' to its end, {times} times over.", answer, program, ()


def _fibonacci(rng: random.Random) -> _Drawn:
    place = rng.randint(8, 60)
    first, second = 0, 1
    for _ in range(place):
        first, second = second, first + second
    program = f"a, b = 0, 1\nfor _ in range({place}):\n    a, b = b, a + b\nprint(a)"
    return f"What is the {ordinal(place)} Fibonacci number, the first two being 1 and 1?", str(first), program, ()


def _product(rng: random.Random) -> _Drawn:
    first, second = rng.randint(12, 99), rng.randint(12, 99)
    return f"What is {first} times {second}?", str(first * second), f"print({first} * {second})", ()


def _difference(rng: random.Random) -> _Drawn:
    second = rng.randint(12, 499)
    first = second + rng.randint(101, 499)
    return f"What is {first} minus {second}?", str(first - second), f"print({first} - {second})", ()


def _length(rng: random.Random) -> _Drawn:
    text = _word(rng, 9, 24)
    return f"How many letters has the word '{text}'?", str(len(text)), f"print(len('{text}'))", ()


def _upper(rng: random.Random) -> _Drawn:
    text = _word(rng, 4, 9)
    return f"Write '{text}' in capital letters.", text.upper(), f"print('{text}'.upper())", ()


def _shortest(rng: random.Random) -> _Drawn:
    words = [_word(rng, length, length) for length in rng.sample(range(3, 10), 4)]
    answer = min(words, key=len)
    return f"Which of these words is the shortest: {', '.join(words)}?", answer, f"print('{answer}')", tuple(words)


def _even(rng: random.Random) -> _Drawn:
    numbers = [2 * rng.randint(50, 499) + 1 for _ in range(3)] + [2 * rng.randint(50, 499)]
    rng.shuffle(numbers)
    (answer,) = (str(number) for number in numbers if number % 2 == 0)
    listed = ", ".join(map(str, numbers))
    program = f"print(next(n for n in ({listed}) if n % 2 == 0))"
    return f"Which of these numbers is even: {listed}?", answer, program, tuple(map(str, numbers))


_Kind = Callable[[random.Random], _Drawn]
_PROGRAMS: dict[str, _Kind] = {
    "hash": _hash,
    "repeated_hash": _repeated_hash,
    "repeated_edit": _repeated_edit,
    "fibonacci": _fibonacci,
    "product": _product,
    "upper": _upper,
    "length": _length,
}
_KINDS: dict[Elicitation, tuple[_Kind, ...]] = {
    "direct": (_product, _difference, _length, _upper),
    "choice": (_shortest, _even),
}
