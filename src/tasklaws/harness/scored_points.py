"""Scores of one model as points: a row a task and metric, with an interval."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tasklaws.core.schema import BENCHMARK
from tasklaws.harness.observe import GUESSED
from tasklaws.tables import METRIC_RANGES, POINTS, scored_metrics

_LEVEL = 0.9


def points_of(scores: pd.DataFrame, whole: Sequence[Mapping[str, object]], known: Mapping[str, object]) -> pd.DataFrame:
    """The mean of every metric of every task (tables.POINTS), with `low` and `high`, the limits of a 90% interval:
    Wilson's of a share of right and wrong, Student's t of all other means. `whole` are rows of metrics that are of all
    answers together, which have none; `known` are the columns that say whose they are.
    """
    rows: list[Mapping[str, object]] = []
    for (family, way), own in scores.groupby(["family", "elicitation"], sort=True):
        task = _task(str(family), str(way))
        for metric in scored_metrics(scores):
            values = own[metric].dropna().to_numpy(float) if metric in own else np.zeros(0)
            if not len(values):
                continue
            low, high = np.clip(_interval(values), *METRIC_RANGES.get(metric, (0.0, np.inf)))
            stderr = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            chance = own["chance"].mean() if metric in GUESSED else np.nan
            limits = {"value": values.mean(), "stderr": stderr, "low": low, "high": high}
            rows.append({"task": task, "metric": metric, "n_items": len(values), "chance": chance} | limits)
    table = pd.DataFrame([{**row, **known, "is_final": True} for row in [*rows, *whole]])
    return table.reindex(columns=[*POINTS.columns, "low", "high"])


def _task(family: str, way: str) -> str:
    """A benchmark goes by lm-eval's own name, a family by its name and the way in which it is asked."""
    return family if way == BENCHMARK else f"{family}_{way}"


def _interval(values: np.ndarray) -> tuple[float, float]:
    if np.isin(values, (0, 1)).all():
        found = stats.binomtest(int(values.sum()), len(values)).proportion_ci(_LEVEL, "wilson")
        return float(found.low), float(found.high)
    if len(values) < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + _LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def scores_by_item(model: str, scores: pd.DataFrame) -> pd.DataFrame:
    """A row an item that has a right answer: model, task, item, score, family."""
    found = scores.dropna(subset="exact_match") if "exact_match" in scores else scores.iloc[:0].assign(exact_match=0.0)
    task = [_task(*pair) for pair in zip(found["family"], found["elicitation"], strict=True)]
    columns = {"model": model, "task": task, "item": found["item"], "score": found["exact_match"]}
    return pd.DataFrame(columns | {"family": found["family"]})


def table_text(points: pd.DataFrame) -> str:
    """A line a task and metric: value, interval, items."""
    lines = [("task", "metric", "value", "90% interval", "n")]
    for row in points.to_dict("records"):
        limits = "" if pd.isna(row["low"]) else f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append((row["task"], row["metric"], f"{row['value']:.3f}", limits, f"{row['n_items']:.0f}"))
    widths = [max(len(line[place]) for line in lines) for place in range(5)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)
