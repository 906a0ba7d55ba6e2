"""Items as lm-eval documents."""

import os
from pathlib import Path
from typing import Any

from datasets import Dataset

from tasklaws.core.schema import ITEMS, Elicitation, Item, read_items
from tasklaws.families.prompts import prompt, target
from tasklaws.harness import metrics as judging
from tasklaws.sandbox import run


def document(item: Item, elicitation: Elicitation) -> dict[str, Any]:
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


def load(family: str, elicitation: Elicitation, items: str = "", **_: Any) -> dict[str, Dataset]:
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


def judge(document: dict[str, Any], results: list[Any]) -> dict[str, float]:
    """The metrics of a document, by what was asked: a text, a program (run in the sandbox), or log-likelihoods."""
    if document["choices"]:
        log_likelihoods = [log_likelihood for log_likelihood, _ in results]
        probabilities = judging.choice_probabilities(log_likelihoods)
        right = document["right"]
        return {
            "exact_match": float(log_likelihoods.index(max(log_likelihoods)) == right),
            "partial_credit": probabilities[right],
            "brier": judging.brier(probabilities, right),
            "target_bits_per_byte": judging.bits_per_byte(log_likelihoods[right], document["target"]),
        }
    (result,) = results
    if isinstance(result, tuple):
        return {"target_bits_per_byte": judging.bits_per_byte(result[0], document["target"])}
    if document["elicitation"] == "python":
        verdict = run(judging.program_of(result), document["fuel"])
        given = verdict.stdout if verdict.status == "ok" else ""
    else:
        given = judging.answer_of(result)
    return {
        "exact_match": judging.exact_match(given, document["answer"]),
        "partial_credit": judging.partial_credit(given, document["answer"]),
    }
