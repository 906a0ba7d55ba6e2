"""What a rung's models said, as tables that MLflow shows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import AnyItem, read_asked_items, read_responses
from tasklaws.harness.said import text_of
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
    items: dict[str, AnyItem] = {item.id: item for item in read_asked_items({one.family for one in said}, paths.root)}
    known = SCORES.read(scores / f"{rung}.csv")
    keys = ["seed", "step", "elicitation", "item"]
    worth = dict(zip(map(tuple, known[keys].itertuples(index=False)), known["exact_match"], strict=True))
    rows: dict[int, list[Said]] = {seed: [] for seed in finals}
    for one in said:
        if one.item not in items:
            raise TasklawsError(f"{paths.items} lacks item {one.item} of {paths.responses(rung)}: run `dvc repro`")
        item, score = items[one.item], worth.get((one.seed, one.step, one.elicitation, one.item))
        task = f"{one.family}_{one.elicitation}"
        rows[one.seed].append(Said(task, one.item, item.question, item.answer, text_of(one, item.choices), score))
    return {seed: json.dumps({"columns": Said._fields, "data": data}).encode() for seed, data in rows.items()}
