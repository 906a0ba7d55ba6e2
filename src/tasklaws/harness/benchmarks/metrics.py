"""Which metrics a benchmark is scored by, under which names, and which of them says whether an answer is right."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lm_eval.api.metrics import mean

from tasklaws.core.errors import TasklawsError
from tasklaws.harness.benchmarks.tasks import AskedBenchmark
from tasklaws.tables import SCORES, direction

Key = tuple[str, str]
"""A metric and a filter, as lm-eval names them."""
RIGHT_OR_WRONG = frozenset(("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "em"))
_OF_HUNDRED = frozenset(("bleu", "chrf", "chrf++", "ter"))  # of 100


@dataclass(frozen=True)
class BenchmarkMetric:
    """A metric of a benchmark: our `name`, lm-eval's metric and filter. With `by_item` its score is the mean of items'
    scores; others lm-eval makes of all answers together."""

    name: str
    metric: str
    filter: str
    higher_is_better: bool
    by_item: bool

    @property
    def key(self) -> Key:
        return self.metric, self.filter


def kept_metrics(asked: AskedBenchmark) -> list[BenchmarkMetric]:
    """Those that are kept: scores in [0, 1] of which more is better, and losses, as their names say too."""
    return [one for one in _all(asked) if _reason(one) is None]


def dropped_metrics(asked: AskedBenchmark) -> dict[str, str]:
    """Why a metric is not kept, by its name."""
    return {one.name: reason for one in _all(asked) if (reason := _reason(one)) is not None}


def solved_by(asked: AskedBenchmark) -> Key | None:
    """The metric and filter that say whether an answer is right: as stated, or the first that is kept and known to be 0
    or 1; None where there is none."""
    pairs, stated = list(_pairs(asked)), asked.how.solved
    if stated is not None:
        found = [pair for pair in pairs if stated in (pair[0], _name(*pair))]
        if not found:
            raise TasklawsError(f"benchmarks.{asked.family}.solved is {stated!r}: its metrics are {_listed(pairs)}")
        return found[0]
    return next((one.key for one in _all(asked) if one.metric in RIGHT_OR_WRONG), None)


def _reason(one: BenchmarkMetric) -> str | None:
    if one.metric in _OF_HUNDRED:
        return "it is no share of 1"
    if one.higher_is_better == (direction(one.name) == "down"):
        return f"lm-eval says that {'more' if one.higher_is_better else 'less'} is better, its name does not"
    return None


def _all(asked: AskedBenchmark) -> list[BenchmarkMetric]:
    found = []
    for metric, kind in _pairs(asked):
        own = [task for task in asked.tasks.values() if metric in task._metric_fn_list]
        by_item = all(task.aggregation().get(metric, mean) is mean for task in own) and _is_pooled(asked, metric)
        higher = bool(own[0].higher_is_better().get(metric, True))
        found.append(BenchmarkMetric(_name(metric, kind), metric, kind, higher, by_item))
    wanted = asked.how.metrics
    if wanted is None:
        return found
    by_name = {one.name: one for one in found}
    for name in wanted:
        if name not in by_name:
            raise TasklawsError(f"benchmarks.{asked.family}.metrics has {name!r}: its metrics are {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def _pairs(asked: AskedBenchmark) -> Iterator[Key]:
    """The metrics and filters of the benchmark, in lm-eval's order."""
    found: dict[Key, None] = {}
    for task in asked.tasks.values():
        filters = [one.name for one in task._filters]
        found |= dict.fromkeys((metric, kind) for kind in filters for metric in task._metric_fn_list)
    if asked.group is None:
        yield from found
        return
    for config in asked.group.aggregate_metric_list or []:
        kinds = config.filter_list
        yield from (pair for pair in found if pair[0] == config.metric and (kinds is None or pair[1] in kinds))


def _is_pooled(asked: AskedBenchmark, metric: str) -> bool:
    """Whether each document of a group counts alike."""
    configs = [] if asked.group is None else asked.group.aggregate_metric_list or []
    return all(one.weight_by_size and one.aggregation == "mean" for one in configs if one.metric == metric)


def _name(metric: str, kind: str) -> str:
    """Our name of a metric: lm-eval's, with its filter where that is not `none`, or where a table has that name."""
    name = metric if kind == "none" and metric not in SCORES.columns else f"{metric},{kind}"
    return re.sub(r"[^\w.,@+-]", "_", name)  # it becomes the name of a figure's file


def _listed(pairs: Sequence[Key]) -> str:
    return ", ".join(_name(*pair) for pair in pairs) or "none"
