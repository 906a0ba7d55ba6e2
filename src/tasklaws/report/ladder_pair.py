"""Two ladders side by side: which tasks can be compared, which not and why, how well each was forecast, how they
differ."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.marks import SHOWN
from tasklaws.paths import Paths
from tasklaws.report.figures import task_title
from tasklaws.report.inputs import refuse_other_inputs
from tasklaws.report.load import CORPUS, METRICS_IN_ORDER, Task, of_task
from tasklaws.report.pair_sides import (
    Row,
    Side,
    asked,
    cautions,
    corpora,
    ladder_rows,
    read_side,
    setting_rows,
)
from tasklaws.stats.resampling import Draws, interval

_SOLVED = "exact_match"
Unit = Literal["share", "points", "nats"]
# The figures of the shares solved: in words, in which unit, and from which column of `_figures`.
_FIGURES: dict[str, tuple[str, Unit]] = {
    "observed": ("solved by the held-out rungs", "share"),
    "abs_error": ("error of the forecast", "points"),
    "abs_error_repeat_last": ("error of repeating the largest fit rung", "points"),
    "gain": ("gain over repeating it", "points"),
    "width": ("width of the 90% intervals", "points"),
    "inside": ("outcomes in their 90% intervals", "share"),
    "log_score": ("log score of the outcomes", "nats"),
}


@dataclass(frozen=True)
class Change:
    """A figure of both ladders, the mean over the tasks that both forecast, and one less the other with its 90%
    interval (bootstrap over tasks; None of one task)."""

    name: str
    unit: Unit
    one: float
    other: float
    difference: float
    low: float | None
    high: float | None

    @property
    def is_told(self) -> bool:
        """Whether the difference can be told from none."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def written(self, value: float) -> str:
        """The figure of one ladder in its unit: `64.1%`, `8.6 points`, `-0.52 nats`."""
        if self.unit == "nats":
            return f"{value:.2f} nats"
        return f"{100 * value:.1f}%" if self.unit == "share" else f"{100 * value:.1f} points"

    @property
    def apart(self) -> str:
        """The difference with its interval: `+1.2 points (-0.4 to +2.9)`."""
        scale, form, unit = (1, "+.2f", "nats") if self.unit == "nats" else (100, "+.1f", "points")
        text = f"{scale * self.difference:{form}} {unit}"
        if self.low is None or self.high is None:
            return text
        return f"{text} ({scale * self.low:{form}} to {scale * self.high:{form}})"


@dataclass(frozen=True, eq=False)
class LadderPair:
    """Two ladders side by side.

    `curves` are those that can be compared, each a task and metric; `left_out` the tasks that cannot, and why;
    `differences` are of the shares solved that both forecast, on `n_forecast` tasks; `ladders` and `settings` hold what
    differs; `cautions` what to bear in mind; `compared` says whether the files are as their stages wrote them.
    """

    one: Side
    other: Side
    curves: list[tuple[Task, str]]
    left_out: list[Row]
    differences: list[Change]
    n_forecast: int
    ladders: list[Row]
    settings: list[Row]
    cautions: list[str]
    compared: str

    def of(self, name: str) -> Change:
        """A figure by its name."""
        return next(each for each in self.differences if each.name == name)

    def to_dict(self) -> dict[str, object]:
        """As JSON."""
        return {
            "ladders": [self.one.ladder, self.other.ladder],
            "compared": [{"task": "_".join(task), "metric": metric} for task, metric in self.curves],
            "left_out": [row._asdict() for row in self.left_out],
            "differences": [asdict(each) for each in self.differences],
            "n_forecast": self.n_forecast,
            "headlines": [dict(self.one.headline), dict(self.other.headline)],
            "settings": [row._asdict() for row in self.settings],
            "cautions": self.cautions,
        }

    def summary(self) -> str:
        """The same in lines for a person."""
        names = f"{self.one.ladder} and {self.other.ladder}"
        lines = [f"{names}: {len(self.curves)} tasks can be compared, {len(self.left_out)} cannot"]
        lines += [
            f"  not {row.name}: {self.one.ladder}: {row.one}; {self.other.ladder}: {row.other}" for row in self.left_out
        ]
        if self.differences:
            lines.append(f"shares solved of held-out rungs, mean over {self.n_forecast} tasks that both forecast:")
        for each in self.differences:
            both = f"{each.written(each.one)} and {each.written(each.other)}"
            lines.append(f"  {each.name}: {both}, a difference of {each.apart}")
        return "\n".join([*lines, *(f"note: {each}" for each in self.cautions)])


def pair_ladders(root: Path, one: str, other: str) -> LadderPair:
    """Two ladders with results under `root`, side by side.

    A ladder without a report here, the same twice, and a file that is not what its stage wrote raise TasklawsError.
    """
    if one == other:
        raise TasklawsError(f"{one} was given twice: give two ladders")
    known = sorted(path.parent.name for path in (root / "results").glob("*/provenance.json"))
    for name in (one, other):
        if name not in known:
            remedy = f"`tasklaws compose models={name}` and `dvc repro` make one"
            raise TasklawsError(f"ladder {name} has no report here, which {', '.join(known) or 'none'} has: {remedy}")
    compared = [refuse_other_inputs(Paths(name, root)) for name in (one, other)]
    first, second = (read_side(root, name) for name in (one, other))
    everything = list(dict.fromkeys([*first.tasks, *second.tasks]))
    reasons = {task: _not_comparable(first, second, task) for task in everything}
    curves = [(task, _metric(first, second, task)) for task in everything if reasons[task] is None]
    table = [_figures(side, [task for task, _ in curves]) for side in (first, second)]
    shared = table[0].index.intersection(table[1].index, sort=False)
    differences = list(_differences(table[0].loc[shared], table[1].loc[shared]))
    return LadderPair(
        one=first,
        other=second,
        curves=curves,
        left_out=[Row(task_title(task), *why) for task, why in reasons.items() if why is not None],
        differences=differences,
        n_forecast=len(shared),
        ladders=list(ladder_rows(first, second)),
        settings=list(setting_rows(first, second)),
        cautions=[*_levels(differences), *cautions(first, second)],
        compared=compared[0],
    )


def _metric(one: Side, other: Side, task: Task) -> str:
    """The metric in which a task is shown: exact match, or the first that both have."""
    both = _shared_metrics(one, other, task)
    order = ["loss_nats"] if task == CORPUS else METRICS_IN_ORDER
    return next((name for name in order if name in both), min(both))


def _shared_metrics(one: Side, other: Side, task: Task) -> set[str]:
    return set(of_task(one.observations, task)["metric"]) & set(of_task(other.observations, task)["metric"])


def _not_comparable(one: Side, other: Side, task: Task) -> tuple[str, str] | None:
    """Why a task's scores on two ladders are not of the same thing, as each side has it; None where they are."""
    for side, stranger in ((one, other), (other, one)):
        if task not in side.tasks:
            return ("asked", "not asked") if stranger is one else ("not asked", "asked")
    of_what = "corpus" if task == CORPUS else "items"
    found = [corpora(side) if task == CORPUS else _items(side, task) for side in (one, other)]
    if None in found or found[0] != found[1]:
        return f"{of_what} {found[0] or 'unknown'}", f"{of_what} {found[1] or 'unknown'}"
    if task == CORPUS:
        return None
    ways = [asked(side) for side in (one, other)]
    if ways[0] != ways[1]:
        return f"asked {ways[0]}", f"asked {ways[1]}"
    guests = [", ".join(side.made["guests"]) for side in (one, other)]
    if task[1] == "python" and guests[0] != guests[1]:
        return f"programs ran in {guests[0]}", f"programs ran in {guests[1]}"
    if not _shared_metrics(one, other, task):
        scored = (", ".join(sorted(set(of_task(side.observations, task)["metric"]))) for side in (one, other))
        return next(scored), next(scored)
    return None


def _items(side: Side, task: Task) -> str | None:
    digest = side.made["items"].get(task[0])
    return None if digest is None else str(digest)[:SHOWN]


def _figures(side: Side, tasks: list[Task]) -> pd.DataFrame:
    """What `_FIGURES` names of every share solved that a ladder forecast, a row a task: means over held-out rungs."""
    rows = side.validation[side.validation["metric"] == _SOLVED]
    rows = rows.assign(gain=rows["abs_error_repeat_last"] - rows["abs_error"], width=rows["upper"] - rows["lower"])
    means = rows.groupby(["family", "elicitation"], sort=False)[[*_FIGURES]].mean().astype(float)
    return means.loc[[task for task in tasks if task in means.index]]


def _levels(differences: list[Change]) -> Iterator[str]:
    """That errors are hard to compare where the scores themselves lie far apart."""
    for each in differences[:1]:
        if each.is_told:
            scores = f"{each.written(each.one)} and {each.written(each.other)} were solved"
            yield f"{scores}: near none and near all errors are small by themselves, so look at the gain over repeating"


def _differences(one: pd.DataFrame, other: pd.DataFrame) -> Iterator[Change]:
    if one.empty:
        return
    draws = Draws.of(1, len(one))
    for column, (name, unit) in _FIGURES.items():
        apart = (one[column] - other[column]).to_numpy(dtype=float)
        found, low, high = interval(draws.mean(apart[None, :]))
        ends = (low, high) if len(one) > 1 and np.isfinite([low, high]).all() else (None, None)
        yield Change(name, unit, float(one[column].mean()), float(other[column].mean()), found, *ends)
