"""Ask one model all its tasks through lm-eval, and keep what it said."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import opening
from tasklaws.core.settings import Ask, Settings
from tasklaws.families.prompts import TASKS, task_name

_DIGITS = 6
SHOTS_SEED = 1234  # lm-eval's own: `lm_eval --num_fewshot` shows the same examples


def tasks_of(ask: Ask) -> list[str]:
    """The lm-eval tasks that put every family in every way: what it says, and how likely it finds what is right."""
    names = [task_name(family, elicitation) for family, ways in ask.items() for elicitation in ways]
    return names + [f"{name}_likelihood" for name in names if not name.endswith("_choice")]


def respond(model: Path, settings: Settings, ask: Ask, items: Path) -> list[dict[str, object]]:
    """What the model in a directory says to every item in `items`: one row an item and elicitation, sorted by them.

    A row holds `response` (text) and `log_likelihood` of the right text, or `log_likelihoods` of the choices, in nats,
    rounded to 1e-6. In float64 the rows do not depend on the batch size or on what was asked before. A task that
    custom_tasks/ does not have raises TasklawsError.
    """
    own: Any = {"items": str(items)}  # lm-eval hands it to lm_eval_task.item_splits
    manager = TaskManager(include_path=str(TASKS), include_defaults=False, metadata=own)
    tasks = tasks_of(ask)
    unknown = [task for task in tasks if task not in manager.all_tasks]
    if unknown:
        raise TasklawsError(f"custom_tasks/ has no task {unknown[0]!r}: run `tasklaws custom-tasks`")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with opening(model, "remove it and run `dvc repro`"):
        dtype = getattr(torch, settings.models.dtype)
        language_model = HFLM(
            pretrained=str(model), device="cpu", dtype=dtype, batch_size=settings.execution.batch_size
        )
    # What lm-eval's simple_evaluate(predict_only=True) does, but for its account of the machine, which runs pip.
    loaded = manager.load(tasks)
    for task in loaded["tasks"].values():
        task.override_metric("bypass")
        task.set_config("num_fewshot", settings.elicitation.num_fewshot)
        task.set_fewshot_seed(SHOTS_SEED)
    output = evaluate(language_model, loaded, bootstrap_iters=0, verbosity="ERROR")
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    for name, samples in output["samples"].items():
        for sample in samples:
            document = sample["doc"]
            family = name.removesuffix("_likelihood").removesuffix(f"_{document['elicitation']}")
            key = (family, document["elicitation"], document["id"])
            row = rows.setdefault(key, dict(zip(("family", "elicitation", "item"), key, strict=True)))
            row.update(_said(sample["resps"]))
    return [rows[key] for key in sorted(rows)]


def _said(responses: list[list[Any]]) -> Iterator[tuple[str, Any]]:
    firsts = [repeats[0] for repeats in responses]
    if isinstance(firsts[0], str):
        yield "response", firsts[0]
    elif len(firsts) == 1:
        yield "log_likelihood", round(float(firsts[0][0]), _DIGITS)
    else:
        yield "log_likelihoods", [round(float(log_likelihood), _DIGITS) for log_likelihood, _ in firsts]
