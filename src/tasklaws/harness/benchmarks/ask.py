"""Benchmarks put to a model, as lm-eval puts them."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import BENCHMARK, RawAnswer
from tasklaws.core.settings import Asking
from tasklaws.harness.benchmarks.items import item_id
from tasklaws.harness.benchmarks.tasks import SEED, AskedBenchmark
from tasklaws.harness.models import questions_of
from tasklaws.harness.respond import chatting, kept_answers


def ask_benchmarks(
    model: LM,
    asked: Sequence[AskedBenchmark],
    asking: Asking,
    batch_size: int | str = "auto",
    likelihoods: bool = True,
    folder: Path | None = None,
) -> list[dict[str, object]]:
    """What a model says to every document, a row each, sorted: `answers` has a list for each of its requests, in
    lm-eval's order, of its answers to each repeat of it (text, or nats and whether that is greedy).

    The requests are lm-eval's own, those of one kind together, each as often as it repeats. Examples are the task's, a
    chat template is as `asking` says. `folder` keeps answers as `kept_answers` does, but for those that are drawn by
    chance. A model without a chat template, or without `likelihoods`, where they are asked for raises TasklawsError.
    """
    places: list[tuple[str, Instance]] = []
    for one in asked:
        for task in one.tasks.values():
            task.set_fewshot_seed(SEED)
            task.build_all_requests(limit=one.how.limit, **chatting(model, asking))
            places += [(one.family, request) for request in task.instances]
    random.seed(0)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    requests: dict[str, list[Instance]] = defaultdict(list)
    for _, request in places:
        requests[request.request_type] += [request] * (request.repeats or 1)
    given: dict[str, Iterator[RawAnswer]] = {}
    for kind, own in requests.items():
        if kind != "generate_until" and not likelihoods:
            raise TasklawsError(
                f"task {own[0].task_name} asks for likelihoods, which this model does not give: leave it out"
            )
        kept = None if folder is None or any(_is_drawn(one) for one in own) else folder / kind
        given[kind] = iter(kept_answers(model, own, batch_size, questions_of(model, own), kept))
    rows: dict[tuple[str, str], list[tuple[int, list[object]]]] = defaultdict(list)
    for family, request in places:
        item = item_id(str(request.task_name), int(request.doc_id or 0))
        answers = [_plain(next(given[request.request_type])) for _ in range(request.repeats or 1)]
        rows[family, item].append((request.idx, answers))
    found: list[dict[str, object]] = []
    for (family, item), said in sorted(rows.items()):
        answers = [own for _, own in sorted(said, key=lambda pair: pair[0])]
        found.append({"family": family, "elicitation": BENCHMARK, "item": item, "answers": answers})
    return found


def _is_drawn(request: Instance) -> bool:
    return request.request_type == "generate_until" and bool(request.args[1].get("do_sample"))


def _plain(answer: Any) -> object:
    """An answer as JSON has it."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, tuple | list):
        nats, is_greedy = answer
        return [float(nats), bool(is_greedy)]
    return float(answer)
