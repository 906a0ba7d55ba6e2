"""Benchmarks put to a model as lm-eval puts them, and what it said scored as lm-eval scores it, from stored answers."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import BENCHMARK, BenchmarkItem, RawAnswer, Response
from tasklaws.harness.benchmark_items import item_id
from tasklaws.harness.benchmark_tasks import SEED, Asked, Metric

Answering = Callable[[Any, Sequence[Instance]], Sequence[Any]]
Key = tuple[str, str]
"""A metric and a filter, as lm-eval names them."""


def ask_benchmarks(
    model: LM, asked: Iterable[Asked], chat_template: bool, answering: Callable[[list[Instance]], Sequence[Any]]
) -> list[dict[str, object]]:
    """What a model says to every document, a row each, sorted: `answers` has a list for each of its requests, in
    lm-eval's order, of what `answering` gave to each repeat of it (text, or nats and whether that is greedy).

    The requests are lm-eval's own, those of one kind together, each as often as it repeats.
    """
    tasks = [(one.family, name, task) for one in asked for name, task in one.tasks.items()]
    places: list[tuple[str, Instance]] = []
    for family, name, task in tasks:
        task.set_fewshot_seed(SEED)
        limit = next(one.how.limit for one in asked if one.family == family)
        template = {"chat_template": model.apply_chat_template, "tokenizer_name": model.tokenizer_name}
        task.build_all_requests(
            limit=limit, apply_chat_template=chat_template, **(template if chat_template else {})
        )
        places += [(family, one) for one in task.instances]
    random.seed(0)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    requests: dict[str, list[Instance]] = defaultdict(list)
    for _, one in places:
        requests[one.request_type] += [one] * (one.repeats or 1)
    given = {kind: iter(answering(own)) for kind, own in requests.items()}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for family, one in places:
        item = item_id(str(one.task_name), int(one.doc_id or 0))
        row = rows.setdefault((family, item), {"family": family, "elicitation": BENCHMARK, "item": item, "answers": []})
        answers = [_plain(next(given[one.request_type])) for _ in range(one.repeats or 1)]
        row["answers"].append((one.idx, answers))
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


class Scored:
    """What one checkpoint's answers to a benchmark are worth: a row an item, and the metrics of all answers together.

    lm-eval's own filters and metrics are applied to the answers of all its tasks."""

    def __init__(self, asked: Asked, items: Sequence[BenchmarkItem], said: Mapping[str, Response]) -> None:
        """`said` has the response to each item; one that is missing, and too few answers, raise TasklawsError."""
        self.asked, self.items = asked, items
        self.n_repeats = asked.repeats
        answers = {item.id: _answers(item, said, self.n_repeats) for item in items}
        docs = {name: list(task.doc_iterator(limit=asked.how.limit)) for name, task in asked.tasks.items()}
        self._values = self._judge(docs, answers)
        self._alone: list[dict[Key, dict[str, Any]]] = []
        if self.n_repeats > 1:
            each = ({key: [own[place : place + 1] for own in all_] for key, all_ in answers.items()} for place in range(self.n_repeats))
            self._alone = [self._judge(docs, one, alone=True) for one in each]

    def rows(self) -> Iterator[tuple[BenchmarkItem, dict[str, float]]]:
        """Each item with its scores: lm-eval's of all metrics that are means of items', `exact_match` of the one that
        says whether an answer is right, and with repeats what they say together."""
        by_item = [one for one in self.asked.metrics if one.by_item]
        for item in self.items:
            found = {one.name: value for one in by_item if (value := self._score(self._values, one, item)) is not None}
            for one in by_item if self._alone else []:
                each = [value for repeat in self._alone if (value := self._score(repeat, one, item)) is not None]
                if len(each) == self.n_repeats:
                    found[f"{one.name},mean@{self.n_repeats}"] = math.fsum(each) / len(each)
            yield item, found | self._solved(item)

    def whole(self) -> Iterator[tuple[Metric, float, int]]:
        """The metrics that lm-eval makes of all answers together, their values, and of how many items."""
        tasks = self.by_task()
        for one in (one for one in self.asked.metrics if not one.by_item):
            value = tasks[next(iter(self.asked.tasks))].get(one.key)
            if self.asked.group is not None:
                value = self.asked.group.aggregate(tasks).get(one.key)
            if value is None or not math.isfinite(value):
                raise TasklawsError(
                    f"{one.name} of benchmark {self.asked.family} is {value}: leave it out by benchmarks."
                    f"{self.asked.family}.metrics"
                )
            yield one, float(value), len(self.items)

    def by_task(self) -> dict[str, Any]:
        """Of each task lm-eval's own results, `metric,filter` -> value."""
        found: dict[str, Any] = {}
        for name, task in self.asked.tasks.items():
            own = [item.id for item in self.items if item.task == name]
            found[name] = {"sample_len": len(own)}
            for (metric, kind), values in self._values.items():
                listed = [values[item] for item in own if item in values]
                if listed:
                    found[name][f"{metric},{kind}"] = task.aggregation().get(metric, mean)(listed)
        return found

    def _judge(self, docs: Mapping[str, list[Any]], answers: Mapping[str, Any], alone: bool = False) -> dict[Key, dict[str, Any]]:
        """What lm-eval's metrics say of each item; `alone` leaves filters out that need more than one repeat."""
        found: dict[Key, dict[str, Any]] = defaultdict(dict)
        for name, task in self.asked.tasks.items():
            requests = {number: _instances(task, name, number, doc, answers[item_id(name, number)]) for number, doc in docs[name]}
            every = [one for own in requests.values() for one in own]
            for one in task._filters:
                try:
                    one.apply(every)
                except AssertionError:  # as lm-eval's take_first_k has it
                    if alone:
                        continue
                    raise TasklawsError(
                        f"filter {one.name} of task {name} needs more than {self.n_repeats} repeats: raise "
                        f"benchmarks.{self.asked.family}.repeats"
                    ) from None
                for number, doc in docs[name]:
                    given = [request.filtered_resps[one.name] for request in requests[number]]
                    for metric, value in task.process_results(doc, given).items():
                        found[metric, one.name][item_id(name, number)] = value
        return found

    def _score(self, values: Mapping[Key, Mapping[str, Any]], one: Metric, item: BenchmarkItem) -> float | None:
        value = values.get((one.metric, one.filter), {}).get(item.id)
        if value is None:
            return None
        if not one.higher_is_better or (isinstance(value, int | float | np.number | bool) and 0 <= value <= 1):
            return float(value)
        raise TasklawsError(
            f"{one.name} of {item.id} is {value}, no share of 1: leave it out by benchmarks.{self.asked.family}.metrics"
        )

    def _solved(self, item: BenchmarkItem) -> dict[str, float]:
        """`exact_match`, the mean over repeats, and pass@k: the probability that one of k is right, estimated without
        bias as 1 - C(n - c, k) / C(n, k) from c right ones of n (Chen et al. 2021, arXiv 2107.03374, equation 1)."""
        key = self.asked.solved
        if key is None:
            return {}
        each = [float(one[key][item.id]) for one in self._alone or [self._values]]
        strange = [value for value in each if value not in (0, 1)]
        if strange:
            raise TasklawsError(
                f"{key[0]} of {item.id} is {strange[0]:g}, neither 0 nor 1: state benchmarks.{self.asked.family}.solved"
            )
        n, right = len(each), sum(map(int, each))
        found = {"exact_match": right / n}
        for k in sorted({2**power for power in range(1, n.bit_length())} | {n}):
            if 1 < k <= n:
                found[f"pass@{k}"] = 1 - math.comb(n - right, k) / math.comb(n, k)
        return found


def _answers(item: BenchmarkItem, said: Mapping[str, Response], repeats: int) -> tuple[tuple[RawAnswer, ...], ...]:
    answers = said[item.id].answers if item.id in said else None
    if not answers or any(len(each) != repeats for each in answers):
        raise TasklawsError(f"{item.id} lacks answers, {repeats} to each request are due")
    return answers


def _instances(
    task: ConfigurableTask, name: str, number: int, doc: Any, answers: Sequence[Sequence[RawAnswer]]
) -> list[Instance]:
    kind: Any = "loglikelihood" if task.OUTPUT_TYPE == "multiple_choice" else task.OUTPUT_TYPE
    return [
        Instance(kind, doc, (), place, (name, number, len(each)), resps=list(each)) for place, each in enumerate(answers)
    ]
