"""Items as lm-eval documents."""

import os
from pathlib import Path
from typing import Any

from datasets import Dataset

from tasklaws.core.schema import ITEMS, Elicitation, Item, read_items
from tasklaws.families.prompts import prompt, target


def document(item: Item, elicitation: Elicitation) -> dict[str, object]:
    """An item as lm-eval takes it: `prompt` is read, `target` is what a right model writes next."""
    return {
        "id": item.id,
        "elicitation": elicitation,
        "prompt": prompt(item.question, elicitation),
        "target": target(item, elicitation),
        "answer": item.answer,
        "fuel": item.fuel,
        "choices": [f" {choice}" for choice in item.choices],
        "right": item.choices.index(item.answer) if item.choices else -1,
    }


def item_splits(family: str, elicitation: Elicitation, items: str = "", **_: Any) -> dict[str, Dataset]:
    """The splits of a task, for lm-eval's `custom_dataset`: `test` is asked, `shots` serves as few-shot examples.

    Items are read from the directory `items`, else that of TASKLAWS_ITEMS, else data/items below the working directory.
    Further keywords are lm-eval's own metadata and are not ours.
    """
    directory = Path(items or os.environ.get("TASKLAWS_ITEMS", ITEMS))
    files = {"test": directory / f"{family}.jsonl", "shots": directory / f"{family}.shots.jsonl"}
    return {
        split: Dataset.from_list([document(item, elicitation) for item in read_items(path)])
        for split, path in files.items()
    }
