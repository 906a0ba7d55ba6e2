"""The documents of lm-eval's tasks as items, and what is known of each benchmark."""

import hashlib
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import handle_non_serializable

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file, write_json, write_jsonl
from tasklaws.core.schema import BENCHMARKS, BenchmarkItem, read_benchmark_items
from tasklaws.core.settings import Settings
from tasklaws.harness.benchmark_tasks import Asked, family_name, load_benchmarks

ABOUT = "benchmarks.json"
_SUBJECTS = ("subject", "category", "topic", "domain", "skill", "level")
_HUB_COMMIT = re.compile(r"hf://datasets/[^@]+@([0-9a-f]{40})/")


def write_benchmarks(settings: Settings, out: Path = BENCHMARKS) -> dict[str, int]:
    """Write the documents of every benchmark as items, `<benchmark>.jsonl`, and benchmarks.json, what is known of them;
    how many there are of each. Errors are those of `load_benchmarks`."""
    asked, folders = load_benchmarks(settings.benchmarks, Path(settings.benchmark_folder))
    items = {one.family: list(items_of(one)) for one in asked}
    about = {one.family: _about(one, items[one.family]) for one in asked}
    for family, own in items.items():
        write_jsonl(out / f"{family}.jsonl", [item.to_dict() for item in own])
    write_json(out / ABOUT, {"lm_eval": version("lm_eval"), "folders": folders, "benchmarks": about})
    return {family: len(own) for family, own in items.items()}


def read_benchmarks(settings: Settings, folder: Path = BENCHMARKS) -> list[tuple[Asked, list[BenchmarkItem]]]:
    """The benchmarks that `write_benchmarks` wrote, loaded again, with their items. One whose documents are no longer
    the same raises TasklawsError."""
    folders = read_json(folder / ABOUT).get("folders", [])
    found = []
    for one in load_benchmarks(settings.benchmarks, Path(settings.benchmark_folder), folders)[0]:
        items = read_benchmark_items(folder / f"{one.family}.jsonl")
        now = {item_id(task, number): document_sha256(doc) for task, number, doc in documents(one)}
        for item in items:
            if now.pop(item.id, None) != item.sha256:
                raise TasklawsError(f"document {item.id} of {one.family} is not what it was: run `dvc repro --force benchmarks`")
        if now:
            raise TasklawsError(f"{folder} lacks document {min(now)}: run `dvc repro --force benchmarks`")
        found.append((one, items))
    return found


def documents(asked: Asked) -> Iterator[tuple[str, int, Any]]:
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


def items_of(asked: Asked) -> Iterator[BenchmarkItem]:
    """Its documents as items, `<task>-<NNNNN>` by their place from 0."""
    for name, number, doc in documents(asked):
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


def _chance(asked: Asked, name: str, choices: list[str], n_right: int) -> float:
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


def _skills(asked: Asked, name: str, doc: Any) -> Iterator[str]:
    for field in _SUBJECTS:
        if isinstance(doc, dict) and isinstance(value := doc.get(field), str) and value.strip():
            yield f"{field}:{_word(value)}"
    if asked.group is not None:
        yield from (f"group:{_word(each)}" for each in asked.inside[name])
        yield f"task:{_word(name)}"


def _word(text: str) -> str:
    """A skill's name, which spaces and semicolons would part."""
    return re.sub(r"[\s;]+", "_", text.strip())


def _about(asked: Asked, items: list[BenchmarkItem]) -> dict[str, object]:
    """What is known of a benchmark, as JSON has it; what is unknown is left out."""
    metrics = [
        {"name": one.name, "metric": one.metric, "filter": one.filter, "higher_is_better": one.higher_is_better}
        | {"of": "items" if one.by_item else "all answers"}
        for one in asked.metrics
    ]
    tasks = {}
    for name, task in asked.tasks.items():
        own = [item.sha256 for item in items if item.task == name]
        tasks[name] = {
            "version": str(task.VERSION),
            "output_type": task.OUTPUT_TYPE,
            "num_fewshot": task.config.num_fewshot,
            "filters": [each.name for each in task._filters],
            "data_set": _data_set(task),
            "n_documents": len(own),
            "n_documents_of_task": len(task.eval_docs),
            "sha256": hashlib.sha256("\n".join(own).encode()).hexdigest(),
        }
    found: dict[str, object] = {"metrics": metrics, "left_out": asked.left_out, "repeats": asked.repeats, "tasks": tasks}
    return found if asked.solved is None else found | {"solved": ",".join(asked.solved)}


def _data_set(task: ConfigurableTask) -> dict[str, object]:
    """Where the documents are from: path, name and commit of a data set of the hub, files of one that lies here."""
    found: dict[str, object] = {"path": task.DATASET_PATH, "name": task.DATASET_NAME}
    splits = task.dataset.values() if isinstance(task.dataset, dict) else [task.dataset]
    sources = sorted({url for split in splits for url in getattr(split.info, "download_checksums", None) or {}})
    commits = sorted({match[1] for url in sources if (match := _HUB_COMMIT.match(url))})
    found["commit"] = commits[0] if commits else None
    files = {Path(url).name: sha256_file(Path(url)) for url in sources if Path(url).is_file()}
    return {key: value for key, value in (found | {"files": files}).items() if value}
