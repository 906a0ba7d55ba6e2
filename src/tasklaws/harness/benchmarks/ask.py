"""Benchmarks put to a model, as lm-eval puts them."""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM

from tasklaws.core.schema import BENCHMARK
from tasklaws.harness.benchmarks.items import item_id
from tasklaws.harness.benchmarks.tasks import SEED, Asked


def ask_benchmarks(
    model: LM, asked: Sequence[Asked], chat_template: bool, answering: Callable[[list[Instance]], Sequence[Any]]
) -> list[dict[str, object]]:
    """What a model says to every document, a row each, sorted: `answers` has a list for each of its requests, in
    lm-eval's order, of what `answering` gave to each repeat of it (text, or nats and whether that is greedy).

    The requests are lm-eval's own, those of one kind together, each as often as it repeats.
    """
    places: list[tuple[str, Instance]] = []
    template = {"chat_template": model.apply_chat_template, "tokenizer_name": model.tokenizer_name}
    for one in asked:
        for task in one.tasks.values():
            task.set_fewshot_seed(SEED)
            task.build_all_requests(
                limit=one.how.limit, apply_chat_template=chat_template, **(template if chat_template else {})
            )
            places += [(one.family, request) for request in task.instances]
    random.seed(0)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    requests: dict[str, list[Instance]] = defaultdict(list)
    for _, request in places:
        requests[request.request_type] += [request] * (request.repeats or 1)
    given = {kind: iter(answering(own)) for kind, own in requests.items()}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for family, request in places:
        item = item_id(str(request.task_name), int(request.doc_id or 0))
        row = rows.setdefault((family, item), {"family": family, "elicitation": BENCHMARK, "item": item, "answers": []})
        answers = [_plain(next(given[request.request_type])) for _ in range(request.repeats or 1)]
        row["answers"].append((request.idx, answers))
    for row in rows.values():
        row["answers"] = [answers for _, answers in sorted(row["answers"], key=lambda pair: pair[0])]
    return [rows[key] for key in sorted(rows)]


def _plain(answer: Any) -> object:
    """An answer as JSON has it."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, tuple | list):
        nats, is_greedy = answer
        return [float(nats), bool(is_greedy)]
    return float(answer)
