"""The items whose human times the essay gives."""

import dataclasses

import tiny
from tasklaws.core.schema import Item
from tasklaws.families.base import run_seconds


def sha256(power: int) -> Item:
    """The item as the family would have it; a hundred million hashes are too many to run here."""
    return dataclasses.replace(
        tiny.items("sha256_power")[0],
        id=f"sha256_power-abc-{power}",
        n_required=power,
        human_seconds=300 + run_seconds(power),
    )


def gauss(n: int) -> Item:
    return next(item for item in tiny.items("gauss_sum") if item.question == f"sum 1..{n}")
