"""Instances that are never asked: what a corpus and few-shot examples are drawn from."""

import itertools
import random

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item
from tasklaws.families.base import Family, generator

_MOST_DRAWS = 1000


def reserved_questions(families: list[Family], seed: int) -> frozenset[str]:
    """Every question that may be asked, in the test or the dev split, in each form that gives it away."""
    items = (item for family in families for item in (*family.items(seed, "test"), *family.items(seed, "dev")))
    by_name = {family.name: family for family in families}
    return frozenset(question for item in items for question in (item.question, *by_name[item.family].reserved(item)))


def draw_unreserved(family: Family, rng: random.Random, reserved: frozenset[str]) -> Item:
    """One instance of a family whose question is not reserved; TasklawsError where a thousand draws find none."""
    for item in itertools.islice(iter(lambda: family.draw(rng), None), _MOST_DRAWS):
        if item.question not in reserved:
            return item
    raise TasklawsError(f"{family.name}: {_MOST_DRAWS} draws were all eval questions: widen its settings")


def shots(family: Family, families: list[Family], seed: int, count: int) -> list[Item]:
    """`count` few-shot examples of a family, no two alike and none of them an item of any family."""
    reserved = reserved_questions(families, seed)
    rng = generator(seed, family.name, "shots")
    found: dict[str, Item] = {}
    for _ in range(_MOST_DRAWS):
        if len(found) == count:
            return list(found.values())
        item = draw_unreserved(family, rng, reserved)
        found[item.question] = item
    raise TasklawsError(f"{family.name}: only {len(found)} of {count} few-shot examples exist: lower n_shots_kept")
