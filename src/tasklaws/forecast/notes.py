"""What a table of forecasts says of itself, in a line each."""

from collections.abc import Iterator

import pandas as pd

from tasklaws.forecast.panel import LEAST_RUNGS
from tasklaws.forecast.verdict import BACKWARD, BEHIND, BELOW_CHANCE, UNKNOWN_ITEMS, UNKNOWN_STDERR
from tasklaws.frames.natural import natural
from tasklaws.frames.shown import shown

_DOUBTS = {
    UNKNOWN_ITEMS: "n_items is unknown, so intervals are wider and no step or turn is called",
    UNKNOWN_STDERR: "the stderr of a loss is unknown, so no step or turn is called",
    BELOW_CHANCE: "scores are far below the chance stated for them: is it right?",
}


def intervals_rest_on(forecasts: pd.DataFrame) -> str:
    """How many forecasts of the same ladder the intervals rest on (`combine.interval_tests`)."""
    alone, most = int((forecasts["n_tests"] == 0).sum()), int(forecasts["n_tests"].max())
    if forecasts["n_fit"].max() < LEAST_RUNGS:
        return "intervals rest on how far the known models lie apart: from three of them on, on other ladders too"
    if not most:
        return "intervals rest on other ladders alone: from four known models on, on earlier forecasts too"
    own = f"intervals rest on other ladders and on up to {most} earlier forecasts of each task's ladder"
    return f"{own}; {alone} rest on other ladders alone" if alone else own


def backward_lines(forecasts: pd.DataFrame, what: str) -> Iterator[str]:
    """How many forecasts are of models no later than the known ones, by the words in which `evidence` says so."""
    for behind in dict.fromkeys(BEHIND.values()):
        count = int(forecasts["evidence"].str.endswith(f"{behind}: {BACKWARD}").sum())
        if count:
            yield f"{count} of {len(forecasts)} {what} are of models {behind.replace('model', 'one')}: see `evidence`"


def doubts(forecasts: pd.DataFrame) -> Iterator[str]:
    """What the evidence says of the table's own columns, a line each, with the tasks that it concerns."""
    for said, meaning in _DOUBTS.items():
        tasks = forecasts.loc[forecasts["evidence"].str.contains(said, regex=False), "task"].unique()
        if len(tasks):
            first = ", ".join(map(shown, sorted(tasks, key=natural)[:3])) + (" ..." if len(tasks) > 3 else "")
            yield f"{meaning} ({len(tasks)} {'tasks' if len(tasks) > 1 else 'task'}: {first})"
