"""What a rung's models said, as tables that MLflow shows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import Item, Response, read_items, read_responses
from tasklaws.paths import Paths
from tasklaws.tables import SCORES


class Said(NamedTuple):
    """A row: a task's item, what a checkpoint said to it, and the score of that."""

    task: str
    item: str
    question: str
    answer: str
    response: str
    score: object


def tables(paths: Paths, rung: str, scores: Path, finals: Mapping[int, int]) -> dict[int, bytes]:
    """Of every seed, what its final checkpoint (`finals`: step by seed) said to each item, and the score of it.

    In the JSON that MLflow's log_table writes (pandas' `split`). An item that data/items lacks raises TasklawsError.
    """
    said = [one for one in read_responses(paths.responses(rung), rung) if finals.get(one.seed) == one.step]
    items = {item.id: item for family in {one.family for one in said} for item in _items(paths, family)}
    known = SCORES.read(scores / f"{rung}.csv")
    keys = ["seed", "step", "elicitation", "item"]
    worth = dict(zip(map(tuple, known[keys].itertuples(index=False)), known["exact_match"], strict=True))
    rows: dict[int, list[Said]] = {seed: [] for seed in finals}
    for one in said:
        if one.item not in items:
            raise TasklawsError(f"{paths.items} lacks item {one.item} of {paths.responses(rung)}: run `dvc repro`")
        item, score = items[one.item], worth.get((one.seed, one.step, one.elicitation, one.item))
        task = f"{one.family}_{one.elicitation}"
        rows[one.seed].append(Said(task, one.item, item.question, item.answer, _text(one, item), score))
    return {seed: json.dumps({"columns": Said._fields, "data": data}).encode() for seed, data in rows.items()}


def _items(paths: Paths, family: str) -> list[Item]:
    return read_items(paths.items / f"{family}.jsonl")


def _text(one: Response, item: Item) -> str:
    """What was said, or the likeliest choice."""
    if one.log_likelihoods is None:
        return one.response or ""
    given, due = len(one.log_likelihoods), len(item.choices)
    if given != due:
        raise TasklawsError(f"{one.item} has {due} choices, not {given}: run `dvc repro respond`")
    return item.choices[one.log_likelihoods.index(max(one.log_likelihoods))]
