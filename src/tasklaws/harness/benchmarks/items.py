"""The documents of lm-eval's tasks as items."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import handle_non_serializable

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.schema import BENCHMARKS, BenchmarkItem, read_benchmark_items
from tasklaws.core.settings import Settings
from tasklaws.harness.benchmarks.tasks import AskedBenchmark, family_name, load_benchmarks

ABOUT = "benchmarks.json"
_SUBJECTS = ("subject", "category", "topic", "domain", "skill", "level")


def read_benchmarks(settings: Settings, folder: Path = BENCHMARKS) -> list[tuple[AskedBenchmark, list[BenchmarkItem]]]:
    """The benchmarks that `write_benchmarks` wrote, loaded again, with their items. One whose documents are no longer
    the same raises TasklawsError."""
    folders = read_json(folder / ABOUT).get("folders", [])
    found = []
    for one in load_benchmarks(settings.benchmarks, Path(settings.benchmark_folder), folders)[0]:
        items = read_benchmark_items(folder / f"{one.family}.jsonl")
        now = {item_id(task, number): document_sha256(doc) for task, number, doc in asked_documents(one)}
        for item in items:
            if now.pop(item.id, None) != item.sha256:
                raise TasklawsError(
                    f"document {item.id} of {one.family} is not what it was: run `dvc repro --force benchmarks`"
                )
        if now:
            raise TasklawsError(f"{folder} lacks document {min(now)}: run `dvc repro --force benchmarks`")
        found.append((one, items))
    return found


def asked_documents(asked: AskedBenchmark) -> Iterator[tuple[str, int, Any]]:
    """Every document that is asked: its task, its place in it, and what lm-eval has of it."""
    for name, task in asked.tasks.items():
        for number, doc in task.doc_iterator(limit=asked.how.limit):
            yield name, number, doc


def item_id(task: str, number: int) -> str:
    return f"{family_name(task)}-{number:05}"


def document_sha256(doc: Any) -> str:
    """The hash that lm-eval's own samples have of a document, `doc_hash`."""
    text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def items_of(asked: AskedBenchmark) -> Iterator[BenchmarkItem]:
    """Its documents as items, `<task>-<NNNNN>` by their place from 0."""
    for name, number, doc in asked_documents(asked):
        task = asked.tasks[name]
        choices = _choices(task, doc)
        right, answer = _right(task, doc, choices)
        text = task.doc_to_text(doc)
        yield BenchmarkItem(
            id=item_id(name, number),
            family=asked.family,
            task=name,
            document=number,
            sha256=document_sha256(doc),
            question=text if isinstance(text, str) else answer,
            answer=answer,
            skills=tuple(_skills(asked, name, doc)),
            chance=_chance(asked, name, choices, right),
            choices=tuple(choices),
        )


def _choices(task: ConfigurableTask, doc: Any) -> list[str]:
    return [str(one) for one in task.doc_to_choice(doc)] if task.config.doc_to_choice is not None else []


def _right(task: ConfigurableTask, doc: Any, choices: list[str]) -> tuple[int, str]:
    """How many answers are right, and the first of them."""
    # Where the choices are what is read, the text tells the right one.
    given: Any = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    several = given if isinstance(given, list) else [given]
    named = [choices[one] if isinstance(one, int) and 0 <= one < len(choices) else str(one) for one in several]
    return max(len(named), 1), next(iter(named), "").strip()


def _chance(asked: AskedBenchmark, name: str, choices: list[str], n_right: int) -> float:
    """What a guess scores: one of the choices at random; of an answer that is written, nothing."""
    if asked.how.chance is not None:
        return asked.how.chance
    task = asked.tasks[name]
    if task.OUTPUT_TYPE == "multiple_choice" and len(choices) > n_right:
        return n_right / len(choices)
    if task.OUTPUT_TYPE != "multiple_choice" and not choices:
        return 0.0
    raise TasklawsError(
        f"what a guess scores cannot be told of task {name}: state benchmarks.{asked.family}.chance, 0 where it scores "
        "nothing"
    )


def _skills(asked: AskedBenchmark, name: str, doc: Any) -> Iterator[str]:
    for field in _SUBJECTS:
        if isinstance(doc, dict) and isinstance(value := doc.get(field), str) and value.strip():
            yield f"{field}:{_word(value)}"
    if asked.group is not None:
        yield from (f"group:{_word(each)}" for each in asked.inside[name])
        yield f"task:{_word(name)}"


def _word(text: str) -> str:
    """A skill's name, which spaces and semicolons would part."""
    return re.sub(r"[\s;]+", "_", text.strip())
