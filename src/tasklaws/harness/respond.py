"""Ask models all their tasks, as lm-eval puts them, and keep what they said."""

import logging
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening
from tasklaws.core.settings import Ask, Asking
from tasklaws.families.prompts import TASKS, task_name
from tasklaws.harness.answers import Question, answers, question
from tasklaws.ladder.card import CARD

_DIGITS = 6
SHOTS_SEED = 1234  # lm-eval's own: `lm_eval --num_fewshot` shows the same examples


def tasks_of(ask: Ask) -> list[str]:
    """The lm-eval tasks that put every family in every way: what it says, and how likely it finds what is right."""
    names = [task_name(family, elicitation) for family, ways in ask.items() for elicitation in ways]
    return names + [f"{name}_likelihood" for name in names if not name.endswith("_choice")]


def respond(
    models: Iterable[Path],
    asking: Asking,
    batch_size: int | str,
    ask: Ask,
    items: Path,
    only: Container[str] | None = None,
) -> Iterator[list[dict[str, object]]]:
    """For each model, a directory, what it says to every item in `items`: one row an item and elicitation, sorted.

    A row holds `response` (text) and `log_likelihood` of the right text, or `log_likelihoods` of the choices, in nats,
    rounded to 1e-6. lm-eval makes the requests, and in float64 the rows are those of its own `HFLM`, one request at a
    time: they do not depend on the batch size or on what else is asked. `only` leaves some items, by their ids, whose
    examples are those that they have among all. A task that custom_tasks/ does not have raises
    TasklawsError.
    """
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    requests = [one for one in _requests(asking, ask, items) if only is None or one.doc["id"] in only]
    tokenizing, questions = dict[str, bytes](), list[Question]()
    for directory in models:
        with opening(directory, "remove it and run `dvc repro`"):
            model = HFLM(pretrained=str(directory), device="cpu", dtype=getattr(torch, asking.dtype))
        if (told := _tokenizing(directory)) != tokenizing:
            tokenizing, questions = told, [question(model, request) for request in requests]
        rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for request, said in zip(
            requests, answers(model, questions, 256 if isinstance(batch_size, str) else batch_size), strict=True
        ):
            way = request.doc["elicitation"]
            family = request.task_name.removesuffix("_likelihood").removesuffix(f"_{way}")
            key = (family, way, request.doc["id"])
            row = rows.setdefault(key, dict(zip(("family", "elicitation", "item"), key, strict=True)))
            if isinstance(said, str):
                row["response"] = said
            elif way == "choice":
                row.setdefault("log_likelihoods", []).append(round(said, _DIGITS))
            else:
                row["log_likelihood"] = round(said, _DIGITS)
        yield [rows[key] for key in sorted(rows)]


def _tokenizing(model: Path) -> dict[str, bytes]:
    """The files of a model but for weights and card: where they are the same, a request has the same tokens."""
    files = [path for path in model.iterdir() if path.is_file() and path.suffix not in (".safetensors", ".bin")]
    return {path.name: path.read_bytes() for path in files if path.name != CARD}


def _requests(asking: Asking, ask: Ask, items: Path) -> list[Instance]:
    """What lm-eval asks a model; the same of every model."""
    own: Any = {"items": str(items)}  # lm-eval hands it to lm_eval_task.item_splits
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=own)
    names = tasks_of(ask)
    unknown = [name for name in names if name not in manager.all_tasks]
    if unknown:
        raise TasklawsError(f"custom_tasks/ has no task {unknown[0]!r}: run `tasklaws custom-tasks`")
    requests: list[Instance] = []
    for task in manager.load(names)["tasks"].values():
        task.set_config("num_fewshot", asking.num_fewshot)
        task.set_fewshot_seed(SHOTS_SEED)
        task.build_all_requests()
        requests += task.instances
    return requests
