"""What a guess scores: as the file says how many choices there are, or by an exact table of tasks and metrics."""

import functools
from pathlib import Path
from typing import Any

from tasklaws.frames.csv_files import read_csv

# Metrics that a guess raises; what a filter or a variant puts behind `_` changes nothing about that.
GUESSABLE = (
    *("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"),
    *("accuracy", "em", "extractive_match", "quasi_exact_match", "prefix_exact_match", "choice"),
)
# How many choices the questions of a task have, none where the answer is free text (one of many words or numbers, which
# a guess never hits), by the metrics of which that holds.
_CHOICES = Path(__file__).with_name("choices.csv")


@functools.cache
def _chances() -> dict[tuple[str, str], float]:
    table = read_csv(_CHOICES, "install tasklaws again")
    scores = (1 / table["n_choices"]).fillna(0.0)
    rows = zip(table["task"], table["metrics"], scores, strict=True)
    return {(task, metric): score for task, metrics, score in rows for metric in metrics.split()}


def guessable(metric: str) -> bool:
    """Whether a guess may score more than 0 under a metric, be it filtered: `exact_match_strict-match`."""
    return any(metric == name or metric.startswith(f"{name}_") for name in GUESSABLE)


def chance_of(task: str, metric: str, choices: Any) -> float | None:
    """The mean score of guessing, None where it is unknown. `metric` is without its filter.

    `choices` is lm-eval's `doc_to_choice` of the task: a list where all questions have the same. Else the task and the
    metric must both stand in the table: a task whose name only begins as another's may have other choices.
    """
    if metric not in GUESSABLE:
        return None
    if isinstance(choices, list) and len(choices) > 1:
        return 1 / len(choices)
    return _chances().get((task, metric))
