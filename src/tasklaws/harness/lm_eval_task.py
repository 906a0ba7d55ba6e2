"""Items as lm-eval documents."""

import os
from pathlib import Path
from typing import Any, Literal

from datasets import Dataset

from tasklaws.core.schema import ITEMS, Elicitation, Item, read_items
from tasklaws.families.prompts import Prompts, prompt, target


def document(item: Item, elicitation: Elicitation, prompts: Prompts = "terse") -> dict[str, object]:
    """An item as lm-eval takes it: `prompt` is read, `target` is what a right model writes next."""
    return {
        "id": item.id,
        "family": item.family,
        "elicitation": elicitation,
        "question": item.question,
        "prompt": prompt(item.question, elicitation, prompts),
        "target": target(item, elicitation, prompts),
        "answer": item.answer,
        "fuel": item.fuel,
        "choices": [f" {choice}" for choice in item.choices],
        "right": item.choices.index(item.answer) if item.choices else -1,
    }


def item_splits(
    family: str,
    elicitation: Elicitation,
    prompts: Prompts = "terse",
    items: str = "",
    shots: Literal["same", "related"] = "same",
    **_: Any,
) -> dict[str, Dataset]:
    """The splits of a task, for lm-eval's `custom_dataset`: `test` is asked, `shots` serves as few-shot examples: of
    the `same` family, or of `related` tasks.

    Items are read from the directory `items`, else that of TASKLAWS_ITEMS, else data/items below the working directory.
    Further keywords are lm-eval's own metadata and are not ours.
    """
    directory = Path(items or os.environ.get("TASKLAWS_ITEMS", ITEMS))
    name = f"{family}.plain" if prompts == "plain" else family
    files = {"test": name, "shots": f"{name}.shots" if shots == "same" else f"{family}.related.{elicitation}"}
    return {
        split: Dataset.from_list(
            [document(item, elicitation, prompts) for item in read_items(directory / f"{file}.jsonl")]
        )
        for split, file in files.items()
    }
