"""From a point of a curve to its proof: what it is of, in words, and the page of the items behind it.

Points are links laid over the figure of a page, so that hovering, the keyboard and a click do without any script.
"""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from tasklaws.core.arrays import Array
from tasklaws.core.files import sha256_file
from tasklaws.core.marks import SHOWN
from tasklaws.report.load import Results, Task, of_task
from tasklaws.report.template import (
    SHARE_METRICS,
    counted,
    is_share,
    metric_interval,
    metric_label,
    metric_value,
    readable,
)
from tasklaws.stats.proportions import Mean
from tasklaws.stats.scores import LEVEL

APART = 2.2
"""Of a figure's width or height, in per cent: marks of a rung that lie nearer to each other are set side by side."""


@dataclass(frozen=True)
class Point:
    """One seed of a rung on a curve, or (`seed` None) the forecast of the rung.

    `n_items` is NaN where it is unknown, and so are `low` and `high`, the 90% interval. `verdict` is of forecasts.
    `digest` begins the SHA-256 of the file of the rung's answers, and `trace` is the command that shows all behind it.
    """

    rung: str
    seed: int | None
    metric: str
    n_params: float
    value: float
    low: float
    high: float
    n_items: float
    verdict: str
    digest: str
    trace: str

    @property
    def told(self) -> str:
        """The point in four lines."""
        whose = f"{self.rung}, forecast" if self.seed is None else f"{self.rung}, seed {self.seed}"
        known = self.low == self.low
        sure = f"90% interval {metric_interval(self.low, self.high, self.metric)}" if known else "interval unknown"
        of = self.verdict if self.seed is None else "items unknown"
        if self.n_items == self.n_items:
            of = counted(int(self.n_items), "item")
        lines = [f"{whose}: {metric_value(self.value, self.metric)} {metric_label(self.metric)}", f"{of}; {sure}"]
        return str(readable("\n".join([*lines, f"answers sha256 {self.digest}", self.trace])))


class TaskAtRung(NamedTuple):
    """A task at a rung, whose answers fill pages of their own."""

    task: Task
    rung: str

    def page(self, number: int = 1) -> str:
        """The address of one of its pages, from the ladder's folder."""
        return "/".join(["items", *(quote(part, safe="") for part in (*self.task, self.rung)), f"{number}.html"])


def family_page(family: str) -> str:
    """The address of a family's page of items, from the ladder's folder."""
    return f"items/{quote(family, safe='')}/index.html"


def answer_digests(results: Results) -> dict[str, str]:
    """The first digits of the SHA-256 of every rung's answers, which `tasklaws trace` shows too."""
    return {rung: sha256_file(results.paths.responses(rung))[:SHOWN] for rung in results.rungs}


def trace_command(task: Task, rung: str, metric: str) -> str:
    """The command that leads from the point to all that it rests on."""
    point = f"{'_'.join(task)}@{rung}"
    return shlex.join(["tasklaws", "trace", point if metric == "exact_match" else f"{metric}:{point}"])


def curve_points(results: Results, task: Task, metric: str, digests: dict[str, str]) -> list[Point]:
    """Every final checkpoint of a curve, from the smallest rung up, and the forecasts."""
    rows = results.observed(task, metric)
    lows, highs = intervals(rows, metric)
    seen = rows.assign(low=lows, high=highs, verdict="")
    said = of_task(results.forecasts, task, metric).assign(seed=None, n_items=np.nan)
    said = said.rename(columns={"predicted": "value", "lower": "low", "upper": "high"})
    return [
        Point(
            rung=row["rung"],
            seed=None if pd.isna(row["seed"]) else int(row["seed"]),
            metric=metric,
            **{name: row[name] for name in ("n_params", "value", "low", "high", "n_items", "verdict")},
            digest=digests[row["rung"]],
            trace=trace_command(task, row["rung"], metric),
        )
        for row in [*seen.to_dict("records"), *said.to_dict("records")]
    ]


def intervals(rows: pd.DataFrame, metric: str) -> tuple[Array, Array]:
    """90% intervals of observed values: of a share Jeffreys', its scores as fractions of a success (stats.Mean);
    of anything else normal. NaN where the number of items, or the standard error, is unknown."""
    value, stderr, n = (rows[name].to_numpy(dtype=float) for name in ("value", "stderr", "n_items"))
    if metric in SHARE_METRICS:
        known = np.isfinite(n) & np.isfinite(stderr) & (n >= 1)
        count, mean, error = np.where(known, n, 1.0), np.where(known, value, 0.0), np.where(known, stderr, 0.0)
        low, high = Mean.of(count, count * mean, count * (mean**2 + (count - 1) * error**2)).interval(LEVEL)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)
    reach = norm.ppf((1 + LEVEL) / 2) * stderr
    low, high = value - reach, value + reach
    return (np.clip(low, 0, 1), np.clip(high, 0, 1)) if is_share(metric) else (low, high)


class Placed(NamedTuple):
    """Where a point lies in its figure, in per cent of the width and of the height, from the upper left."""

    point: Point
    left: float
    top: float


def placed(figure: Figure, points: Iterable[Point]) -> list[Placed]:
    """The points on the figure's first axes; those of one rung that lie on one another are set side by side."""
    axes = figure.axes[0]
    axes.get_xlim(), axes.get_ylim()  # settles limits that wait to be found
    width, height = figure.get_size_inches() * figure.dpi
    found: list[Placed] = []
    for point in points:
        x, y = axes.transData.transform((point.n_params, point.value))
        left, top = 100 * x / width, 100 * (1 - y / height)
        while any(abs(left - other.left) < APART and abs(top - other.top) < APART for other in found):
            left += APART
        found.append(Placed(point, left, top))
    return found


def point_links(name: str, places: Iterable[Placed], task: Task, home: str) -> str:
    """The links over the figure `name`, as HTML; `home` leads from the page to the ladder's folder.

    The first, which shows only when it has the focus, leads past the others.
    """
    marks = []
    for point, left, top in places:
        seed = "" if point.seed is None else f"#seed-{point.seed}"
        side = " w" if left > 50 else ""
        label = escape(point.told).replace("\n", "&#10;")
        address = escape(f"{home}{TaskAtRung(task, point.rung).page()}{seed}")
        marks.append(
            f'<a class="p{side}" style="left:{left:.2f}%;top:{top:.2f}%" href="{address}" aria-label="{label}"></a>'
        )
    if not marks:
        return ""
    past = f'<a class="skip" href="#{name}-end">Past {counted(len(marks), "point")}</a>'
    return "\n".join([past, *marks, f'<span id="{name}-end"></span>'])
