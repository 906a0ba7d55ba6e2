"""Instances that are never asked: what a corpus and few-shot examples are drawn from."""

import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import get_args

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS, Item
from tasklaws.families.base import Family, Split, generator
from tasklaws.families.related import MOST_DRAWS, related_shots


def reserved_questions(families: list[Family], seed: int) -> frozenset[str]:
    """Every question that may be asked, in the test or the dev split, in each form that gives it away."""
    items = (item for family in families for item in (*family.items(seed, "test"), *family.items(seed, "dev")))
    by_name = {family.name: family for family in families}
    return frozenset(question for item in items for question in (item.question, *by_name[item.family].reserved(item)))


def draw_unreserved(family: Family, rng: random.Random, reserved: frozenset[str]) -> Item:
    """One instance of a family whose question is not reserved; TasklawsError where a thousand draws find none."""
    for item in itertools.islice(iter(lambda: family.draw(rng), None), MOST_DRAWS):
        if item.question not in reserved:
            return item
    raise TasklawsError(f"{family.name}: {MOST_DRAWS} draws were all eval questions: widen its settings")


def shots(family: Family, families: list[Family], seed: int, count: int) -> list[Item]:
    """`count` few-shot examples of a family, no two alike and none of them an item of any family."""
    reserved = reserved_questions(families, seed)
    rng = generator(seed, family.name, "shots")
    found: dict[str, Item] = {}
    for _ in range(MOST_DRAWS):
        if len(found) == count:
            return list(found.values())
        item = draw_unreserved(family, rng, reserved)
        found[item.question] = item
    raise TasklawsError(f"{family.name}: only {len(found)} of {count} few-shot examples exist: lower n_shots_kept")


def write_items(
    family: Family, families: list[Family], seed: int, split: Split, n_shots: int, folder: Path = ITEMS
) -> int:
    """Write all that is kept of a family in data/items; how many items it has."""
    files = item_files(family, families, seed, split, n_shots)
    for name, items in files.items():
        write_jsonl(folder / f"{name}.jsonl", [item.to_dict() for item in items])
    return len(files[family.name])


def item_files(family: Family, families: list[Family], seed: int, split: Split, n_shots: int) -> dict[str, list[Item]]:
    """File name -> items, of all that is kept of a family in data/items (`NAME.jsonl` each).

    `<family>` and `<family>.shots` hold its items and its few-shot examples; the same behind `.plain` with their
    questions in plain language, where the family has them so; `<family>.related.<elicitation>` the examples of other
    tasks.
    """
    of_split = {each: family.items(seed, each) for each in get_args(Split)}
    answers = {item.answer for items in of_split.values() for item in items}
    files = {family.name: of_split[split], f"{family.name}.shots": shots(family, families, seed, n_shots)}
    if family.is_plain:
        plain = f"{family.name}.plain"
        files |= {f"{plain}{name.removeprefix(family.name)}": in_plain(family, files[name]) for name in files}
    for way in family.elicitations:
        files[f"{family.name}.related.{way}"] = related_shots(family.name, way, family.related, answers, seed, n_shots)
    return files


def in_plain(family: Family, items: list[Item]) -> list[Item]:
    """The items with their questions in plain language."""
    return [replace(item, question=family.plain(item)) for item in items]
