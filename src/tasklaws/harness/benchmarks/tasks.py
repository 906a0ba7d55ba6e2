"""lm-eval's own tasks and groups: found by name, loaded, and asked as the settings say."""

import difflib
import logging
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lm_eval.tasks
import numpy as np
from lm_eval.api.group import Group
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from tasklaws.core.errors import TasklawsError
from tasklaws.core.settings import Benchmark

LM_EVAL_TASKS = Path(lm_eval.tasks.__file__).parent
SEED = 1234  # lm-eval's own, of examples and of what is drawn


@dataclass(frozen=True, eq=False)
class AskedBenchmark:
    """A benchmark that is asked: lm-eval's tasks in it, and the group that makes one of them, where there is one.

    `inside` are the groups below that one in which a task lies."""

    family: str
    how: Benchmark
    tasks: dict[str, ConfigurableTask]
    group: Group | None
    inside: Mapping[str, tuple[str, ...]]

    @property
    def repeats(self) -> int:
        return max(int(task.config.repeats) for task in self.tasks.values())


def load_benchmarks(
    benchmarks: Mapping[str, Benchmark],
    folder: Path,
    folders: Sequence[str] | None = None,
    where: str = "conf/benchmarks",
) -> tuple[list[AskedBenchmark], list[str]]:
    """The benchmarks of the settings, and the folders of lm-eval in which their tasks lie, which make the next time
    quick: all of lm-eval's take half a minute to read. `where` they were named is what errors have to be corrected.

    Tasks in `folder` come before lm-eval's. A name that neither has, a data set that cannot be had, tasks that run what
    a model writes or show pictures, and shots or repeats that a task forbids raise TasklawsError.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    logging.getLogger("datasets").setLevel(logging.ERROR)
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
    manager = _manager(list(benchmarks), folder, folders, where)
    asked = [one for name, how in benchmarks.items() for one in _asked(name, how, _load(manager, name))]
    every = [name for one in asked for name in one.tasks]
    twice = [name for name in every if every.count(name) > 1]
    if twice:
        raise TasklawsError(f"benchmarks ask {twice[0]!r} twice: ask it alone, or the group that has it")
    return asked, sorted(_folders(manager, asked, list(benchmarks)))


def refuse_unknown_benchmarks(names: Sequence[str], folder: Path) -> None:
    """Raise TasklawsError at a name that is no task or group of `folder` or lm-eval."""
    _manager(names, folder, None, "conf/benchmarks")


def _manager(names: Sequence[str], folder: Path, folders: Sequence[str] | None, where: str) -> TaskManager:
    if not folder.is_dir():
        raise TasklawsError(f"benchmark_folder {folder} is no folder: give one with lm-eval tasks, or custom_tasks")
    known = [str(LM_EVAL_TASKS / one) for one in folders or []]
    manager = TaskManager(include_path=[*known, str(folder)], include_defaults=False)
    if folders is None and not all(_is_whole(manager, name) for name in names):
        manager = TaskManager(include_path=str(folder))
    unknown = [name for name in names if name not in manager.all_tasks]
    if unknown:
        near = ", ".join(difflib.get_close_matches(unknown[0], manager.all_tasks, 3, 0.5)) or "none"
        raise TasklawsError(
            f"neither lm-eval nor {folder} has a task or group {unknown[0]!r}: near names are {near}: correct {where}"
        )
    return manager


def _is_whole(manager: TaskManager, name: str) -> bool:
    """Whether a name and all that it stands for is in the index."""
    entry = manager.task_index.get(name)
    if entry is None:
        return False
    members = (entry.cfg or {}).get("task") if name in manager.all_groups else None
    return all(_is_whole(manager, one) for one in members or [] if isinstance(one, str))


def _load(manager: TaskManager, name: str) -> Any:
    random.seed(0)  # as lm-eval does before it loads: some tasks draw their documents
    np.random.seed(SEED)
    try:
        return manager.load([name])
    except TasklawsError:
        raise
    except Exception as error:  # whatever a task's own code, the data set or the network raises
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise TasklawsError(
            f"benchmark {name} cannot be loaded ({type(error).__name__}: {reason:.200}): its data set must be in the "
            "cache of Hugging Face, or be reached by the network"
        ) from error


def _asked(name: str, how: Benchmark, loaded: Any) -> Iterator[AskedBenchmark]:
    """One for a group that lm-eval makes one score of, else one for each task."""
    tasks, group = loaded["tasks"], loaded.get("groups", {}).get(name)
    for task_name, task in tasks.items():
        _refuse(task_name, task)
        _configure(task_name, task, how)
    if group is not None and group.has_aggregation:
        yield AskedBenchmark(family_name(name), how, tasks, group, dict(_inside(group)))
        return
    for task_name, task in tasks.items():
        yield AskedBenchmark(family_name(task_name), how, {task_name: task}, None, {})


def family_name(name: str) -> str:
    """A task's name as a file may have it."""
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)


def _inside(group: Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    for child in group:
        if isinstance(child, Group):
            yield from _inside(child, (*above, child.name))
        else:
            yield child.task_name, above


def _refuse(name: str, task: Any) -> None:
    if not isinstance(task, ConfigurableTask):
        raise TasklawsError(f"task {name} is a Python class of its own: ask a task that a YAML file describes")
    if getattr(task, "UNSAFE_CODE", False):
        raise TasklawsError(
            f"task {name} runs what a model writes outside any sandbox: take it out of benchmarks (the families of "
            "programs run in one)"
        )
    if getattr(task, "MULTIMODAL", False):
        raise TasklawsError(f"task {name} shows pictures or sounds: take it out of benchmarks")


def _configure(name: str, task: ConfigurableTask, how: Benchmark) -> None:
    shots, own = how.num_fewshot, task.config.num_fewshot
    if shots is not None and shots != own:
        if own == 0:
            raise TasklawsError(
                f"task {name} forbids examples (num_fewshot: 0), {shots} are asked for: leave num_fewshot out"
            )
        if task.fewshot_cfg.split is None and not (task.has_training_docs() or task.has_validation_docs()):
            raise TasklawsError(f"task {name} has no examples but the documents that are asked: leave num_fewshot out")
        task.set_config("num_fewshot", shots)
    if task.config.num_fewshot is None:
        task.set_config("num_fewshot", 0)
    if task.config.num_fewshot:
        there = len(task.sampler.df) if hasattr(task, "sampler") else 0
        there -= task.fewshot_cfg.split == task.config.test_split  # the document that is asked is none
        if there < task.config.num_fewshot:
            raise TasklawsError(
                f"task {name} has {there} examples to show, {task.config.num_fewshot} are asked for: lower num_fewshot"
            )
    generates = task.OUTPUT_TYPE == "generate_until"
    if not generates and ((how.repeats or 1) > 1 or how.generation_kwargs):
        raise TasklawsError(
            f"task {name} writes nothing ({task.OUTPUT_TYPE}): leave repeats and generation_kwargs out of it"
        )
    if how.repeats is not None:
        task.set_config("repeats", how.repeats)
    if how.generation_kwargs:
        task.set_config("generation_kwargs", dict(how.generation_kwargs), update=True)


def _folders(manager: TaskManager, asked: Sequence[AskedBenchmark], names: Sequence[str]) -> set[str]:
    """Where the files of these tasks and groups lie, below lm-eval's own."""
    known = {
        *names,
        *(task for one in asked for task in one.tasks),
        *(up for one in asked for all_ in one.inside.values() for up in all_),
    }
    paths = [entry.yaml_path for name in known if (entry := manager.task_index.get(name)) and entry.yaml_path]
    inside = [path.parent for path in map(Path, paths) if path.is_relative_to(LM_EVAL_TASKS)]
    return {path.relative_to(LM_EVAL_TASKS).as_posix() for path in inside}
