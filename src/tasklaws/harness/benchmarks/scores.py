"""What was said to benchmarks, scored as lm-eval scores it, from stored answers."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask

from tasklaws.core.errors import TasklawsError
from tasklaws.core.schema import BENCHMARK, BenchmarkItem, RawAnswer, Response, read_responses, response_digest
from tasklaws.core.settings import Settings
from tasklaws.harness.benchmarks.items import item_id, read_benchmarks
from tasklaws.harness.benchmarks.metrics import BenchmarkMetric, Key, kept_metrics, solved_by
from tasklaws.harness.benchmarks.tasks import AskedBenchmark
from tasklaws.ladder.card import read_card

Values = dict[Key, dict[str, Any]]
"""What lm-eval's metrics say of each item, by its id: numbers, or what their aggregation takes."""


def score_benchmarks(
    rung_dir: Path, settings: Settings, responses: Path
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The rows (tables.SCORES and further metrics) of what the checkpoints of a rung said to the benchmarks; and of
    each the metrics that are of all answers together, as `card.Whole`.

    A document that is not what it was, and one without answers, raise TasklawsError."""
    rung, rows, whole = rung_dir.name, list[dict[str, object]](), list[dict[str, object]]()
    said: dict[tuple[str, int, int], dict[str, Response]] = defaultdict(dict)
    for one in read_responses(responses, rung):
        if one.elicitation == BENCHMARK:
            said[one.family, one.seed, one.step][one.item] = one
    for asked, items in read_benchmarks(settings):
        for seed, step in ((one.seed, one.step) for one in read_card(rung_dir).checkpoints):
            own, place = said[asked.family, seed, step], {"seed": seed, "step": step, "family": asked.family}
            try:
                scored = Scored(asked, items, own)
            except NotAllAnswered as error:
                raise TasklawsError(f"{rung}: {error}: run `dvc repro --force respond@{rung}`") from error
            rows += scored.rows(rung, seed, step)
            for metric, value, n_items in scored.whole():
                whole.append(place | {"metric": metric.name, "value": value, "n_items": n_items})
    return rows, whole


class NotAllAnswered(TasklawsError):
    """An item lacks answers."""


class Scored:
    """What one checkpoint's answers to a benchmark are worth: a row an item, and the metrics of all answers together.

    lm-eval's own filters and metrics are applied to the answers of all its tasks."""

    def __init__(self, asked: AskedBenchmark, items: Sequence[BenchmarkItem], said: Mapping[str, Response]) -> None:
        """`said` has the response to each item; one that is missing, and too few answers, raise NotAllAnswered."""
        self.asked, self.items, self._said = asked, items, said
        self.n_repeats, self._metrics, self._solved_by = asked.repeats, kept_metrics(asked), solved_by(asked)
        answers = {item.id: _answers(item, said, self.n_repeats) for item in items}
        docs = {name: list(task.doc_iterator(limit=asked.how.limit)) for name, task in asked.tasks.items()}
        self._values = self._judge(docs, answers)
        self._alone: list[Values] = []
        if self.n_repeats > 1:
            each = (
                {key: [own[place : place + 1] for own in all_] for key, all_ in answers.items()}
                for place in range(self.n_repeats)
            )
            self._alone = [self._judge(docs, one, alone=True) for one in each]

    def rows(self, rung: str, seed: int, step: int) -> Iterator[dict[str, object]]:
        """A row an item (tables.SCORES) with its scores: lm-eval's of all metrics that are means of items',
        `exact_match` of the one that says whether an answer is right, and with repeats what they say together."""
        by_item = [one for one in self._metrics if one.by_item]
        where = {"rung": rung, "seed": seed, "step": step, "family": self.asked.family, "elicitation": BENCHMARK}
        for item in self.items:
            about = {"item": item.id, "chance": item.chance, "response": response_digest(self._said[item.id])}
            found = {one.name: value for one in by_item if (value := self._score(self._values, one, item)) is not None}
            for one in by_item if self._alone else []:
                each = [value for repeat in self._alone if (value := self._score(repeat, one, item)) is not None]
                if len(each) == self.n_repeats:
                    found[f"{one.name},mean@{self.n_repeats}"] = math.fsum(each) / len(each)
            yield {**where, **about, **found, **self._solved(item)}

    def whole(self) -> Iterator[tuple[BenchmarkMetric, float, int]]:
        """The metrics that lm-eval makes of all answers together, their values, and of how many items."""
        tasks = self.by_task()
        for one in (one for one in self._metrics if not one.by_item):
            value = tasks[next(iter(self.asked.tasks))].get(",".join(one.key))
            if self.asked.group is not None:
                value = self.asked.group.aggregate(tasks).get(",".join(one.key))
            if value is None or not math.isfinite(value):
                raise TasklawsError(
                    f"{one.name} of benchmark {self.asked.family} is {value}: leave it out by benchmarks."
                    f"{self.asked.family}.metrics"
                )
            yield one, float(value), len(self.items)

    def by_task(self) -> dict[str, dict[str, float]]:
        """Of each task lm-eval's own results, `metric,filter` -> value."""
        found: dict[str, dict[str, float]] = {}
        for name, task in self.asked.tasks.items():
            own = [item.id for item in self.items if item.task == name]
            found[name] = {"sample_len": len(own)}
            for (metric, kind), values in self._values.items():
                listed = [values[item] for item in own if item in values]
                if listed:
                    found[name][f"{metric},{kind}"] = task.aggregation().get(metric, mean)(listed)
        return found

    def _judge(self, docs: Mapping[str, list[Any]], answers: Mapping[str, Any], alone: bool = False) -> Values:
        """What lm-eval's metrics say of each item; `alone` leaves filters out that need more than one repeat."""
        found: Values = defaultdict(dict)
        for name, task in self.asked.tasks.items():
            requests = {
                number: _instances(task, name, number, doc, answers[item_id(name, number)])
                for number, doc in docs[name]
            }
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

    def _score(self, values: Values, one: BenchmarkMetric, item: BenchmarkItem) -> float | None:
        value = values.get(one.key, {}).get(item.id)
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
        key = self._solved_by
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
        raise NotAllAnswered(f"no {repeats} answers to each request of {item.id}")
    return answers


def _instances(
    task: ConfigurableTask, name: str, number: int, doc: Any, answers: Sequence[Sequence[RawAnswer]]
) -> list[Instance]:
    kind: Any = "loglikelihood" if task.OUTPUT_TYPE == "multiple_choice" else task.OUTPUT_TYPE
    return [
        Instance(kind, doc, (), place, (name, number, len(each)), resps=list(each))
        for place, each in enumerate(answers)
    ]
