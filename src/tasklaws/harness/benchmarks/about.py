"""data/benchmarks: the documents of every benchmark, and what is known of it."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lm_eval.api.task import ConfigurableTask

from tasklaws.core.files import sha256_file, write_json, write_jsonl
from tasklaws.core.schema import BENCHMARKS, BenchmarkItem
from tasklaws.core.settings import Settings
from tasklaws.harness.benchmarks.items import ABOUT, items_of
from tasklaws.harness.benchmarks.metrics import dropped_metrics, kept_metrics, solved_by
from tasklaws.harness.benchmarks.tasks import LM_EVAL_TASKS, AskedBenchmark, load_benchmarks

_CACHED_COMMIT = re.compile(r"/([0-9a-f]{40})/")


def write_benchmarks(settings: Settings, out: Path = BENCHMARKS) -> dict[str, int]:
    """Write the documents of every benchmark as items, `<benchmark>.jsonl`, and benchmarks.json, what is known of them;
    how many there are of each. Errors are those of `load_benchmarks`."""
    asked, folders = load_benchmarks(settings.benchmarks, Path(settings.benchmark_folder))
    items = {one.family: list(items_of(one)) for one in asked}
    about = {one.family: _about(one, items[one.family]) for one in asked}
    for family, own in items.items():
        write_jsonl(out / f"{family}.jsonl", [item.to_dict() for item in own])
    made = {"lm_eval": version("lm_eval"), "folders": folders, "benchmarks": about}
    write_json(out / ABOUT, made | _own_files(asked, Path(settings.benchmark_folder)))
    return {family: len(own) for family, own in items.items()}


def _own_files(asked: Sequence[AskedBenchmark], folder: Path) -> dict[str, object]:
    """The hashes of all files in the user's folder, where a task lies there, so that a change of it is seen."""
    sources = [
        Path(str((task.config.metadata or {}).get("config_source"))) for one in asked for task in one.tasks.values()
    ]
    if all(source.is_relative_to(LM_EVAL_TASKS) for source in sources):
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {"own_files": {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}}


def _about(asked: AskedBenchmark, items: list[BenchmarkItem]) -> dict[str, object]:
    """What is known of a benchmark, as JSON has it; what is unknown is left out."""
    metrics = [
        {"name": one.name, "metric": one.metric, "filter": one.filter, "higher_is_better": one.higher_is_better}
        | {"of": "items" if one.by_item else "all answers"}
        for one in kept_metrics(asked)
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
    found: dict[str, object] = {
        "metrics": metrics,
        "left_out": dropped_metrics(asked),
        "repeats": asked.repeats,
        "tasks": tasks,
    }
    solved = solved_by(asked)
    return found if solved is None else found | {"solved": ",".join(solved)}


def _data_set(task: ConfigurableTask) -> dict[str, object]:
    """Where the documents are from: path, name and commit of a data set of the hub, files of one that lies here."""
    found: dict[str, object] = {"path": task.DATASET_PATH, "name": task.DATASET_NAME}
    splits = task.dataset.values() if isinstance(task.dataset, dict) else [task.dataset]
    # The folder of the cache that holds a data set of the hub is called after its commit.
    kept = [file["filename"] for split in splits for file in getattr(split, "cache_files", [])]
    commits = sorted({match[1] for path in kept if (match := _CACHED_COMMIT.search(path))})
    found["commit"] = commits[0] if commits else None
    files = _paths((task.config.dataset_kwargs or {}).get("data_files"))
    found["files"] = {path.name: sha256_file(path) for path in files if path.is_file()}
    return {key: value for key, value in found.items() if value}


def _paths(data_files: Any) -> list[Path]:
    """The paths in what `load_dataset` takes for data_files: one, several, or those of each split."""
    if isinstance(data_files, Mapping):
        return [path for each in data_files.values() for path in _paths(each)]
    if isinstance(data_files, str):
        return [Path(data_files)]
    return [Path(each) for each in data_files or []]
