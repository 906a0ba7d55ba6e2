"""Learn from public ladders how often tasks at the floor leave it, and write src/tasklaws/forecast/floor.json.

    python tools/make_floor.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds bigg, gadre and pythia as .csv.gz tables of points. Of every ladder, from
every origin of three models or more, all later models are forecast, by constants without its source (`priors`):

- `leaves`: the coefficients of `floor.leaving`, by maximum likelihood of what came under `floor.from_floor`, drawn a
  little to START; of each ladder up to 30 pairs of an origin and a later model for each range of gaps count, and all
  ladders of a source together as much as one. Made of all sources, and of all but each one, by which that one may then
  be judged. Of tasks where a guess scores nothing, gadre's alone say anything: these are left out;
- `rates`: how many forecasts from the floor there were, of how many tasks, and the share that stood 10 points above it,
  with the 90% interval of a bootstrap over tasks, by source, kind of floor and gap in decades of model size."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit

from tasklaws.core.arrays import Array
from tasklaws.core.files import write_json
from tasklaws.forecast import floor, priors
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.panel import LEAST_RUNGS, Panel, build_panels, size_gap
from tasklaws.tabular.points import read_points

OUT = Path(__file__).parents[1] / "src/tasklaws/forecast/floor.json"
METRICS = {"bigg": ["multiple_choice_grade"], "gadre": ["acc"], "pythia": ["acc", "acc_norm"]}
START = np.array([-1.5, 0.8, 0.3])
_PULL = 0.02  # towards START, in nats of a forecast for a distance of 1
RANGES = (0.0, 0.15, 0.4, 1.0, 2.0, 9.0)  # decades: gaps that are learned from alike
PAIRS = 30  # of a range and ladder
BINS = (0.0, 1.0, 2.0, 4.0)  # decades: gaps whose rates are told
CERTAIN = 50.0  # a log-odds of leaving
REPLICATES = 2000


@dataclass(frozen=True, eq=False)
class Rows:
    """Forecasts from the floor: `features`, log densities of what came if the task stayed and if it had left, and
    `weight`."""

    features: Array
    stayed: Array
    left: Array
    weight: Array


def panels(directory: Path, source: str) -> list[Panel]:
    table = read_points(directory / f"{source}.csv.gz")
    return [panel for panel in build_panels(table, METRICS[source]) if not panel.loss]


def pairs(panel: Panel) -> Iterator[tuple[int, int, float]]:
    """(origin, target, decades) of all models larger than the known ones."""
    for origin in range(LEAST_RUNGS, len(panel.models)):
        known = panel.select(np.arange(origin))
        for target in range(origin, len(panel.models)):
            gap = floor.decades(known, size_gap(panel, origin, target))
            if gap > 0:
                yield origin, target, gap


def learned(found: Sequence[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Up to PAIRS of each range of gaps, evenly over it."""
    chosen = []
    for low, high in pairwise(RANGES):
        inside = sorted((pair for pair in found if low < pair[2] <= high), key=lambda pair: pair[2])
        if inside:
            chosen += [inside[place] for place in np.unique(np.linspace(0, len(inside) - 1, PAIRS).astype(int))]
    return chosen


def rows(history: History, n_ladders: int) -> Rows:
    """What is learned from one ladder."""
    parts = []
    for origin, target, gap in learned(list(pairs(history.panel))):
        known = history.known(origin)
        level = floor.floors(known)
        said = combined_forecast(history, origin, target).predictive(history.panel.link)
        value = history.panel.value[:, target]
        stays, leaves = (
            floor.from_floor(known, level, gap, said, np.array([sign * CERTAIN, 0.0, 0.0])).log_density(value)
            for sign in (-1, 1)
        )
        at = np.flatnonzero((level > 0) & np.isfinite(value))
        parts.append((floor.leaving(known, at, gap), stays[at], leaves[at]))
    told, stays, leaves = (np.concatenate([part[index] for part in parts]) for index in range(3))
    return Rows(told, stays, leaves, np.full(len(stays), 1 / n_ladders))


def coefficients(parts: Sequence[Rows]) -> list[float]:
    """b of p = expit(features b) by maximum likelihood of the mixture (see the top)."""
    told, stays, leaves, weight = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "stayed", "left", "weight")
    )

    def loss(values: NDArray[np.float64]) -> float:
        odds = told @ values
        each = np.logaddexp(log_expit(odds) + leaves, log_expit(-odds) + stays)
        return float(-np.average(each, weights=weight) + _PULL * ((values - START) ** 2).sum())

    return [round(float(value), 3) for value in minimize(loss, START, method="L-BFGS-B").x]


def rates(of: Sequence[Panel]) -> list[dict[str, Any]]:
    """The base rates of one source."""
    told = []
    for panel in of:
        for origin, target, gap in pairs(panel):
            level = floor.floors(panel.select(np.arange(origin)))
            for row in np.flatnonzero(np.isfinite(level) & np.isfinite(panel.value[:, target])):
                left = panel.value[row, target] >= level[row] + floor.LEAVES - 1e-9
                told.append((panel.tasks[row][0], bool(level[row] > 0), gap, left))
    table = pd.DataFrame(told, columns=["task", "by_chance", "gap", "left"])
    table["bin"] = pd.cut(table["gap"], BINS, labels=False)
    table = table.dropna(subset="bin").astype({"bin": int})
    found = []
    for by_chance, place in sorted(set(zip(table["by_chance"], table["bin"], strict=True))):
        part = table[(table["by_chance"] == by_chance) & (table["bin"] == place)]
        by_task = part.groupby("task")["left"].agg(["sum", "size"]).to_numpy()
        drawn = np.random.default_rng(0).integers(0, len(by_task), (REPLICATES, len(by_task)))
        sums = by_task[drawn].sum(axis=1)
        low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.05, 0.95])
        found.append(
            {
                "floor": "chance" if by_chance else "nothing",
                "decades": list(BINS[place : place + 2]),
                "forecasts": len(part),
                "tasks": len(by_task),
                "left": round(float(part["left"].mean()), 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
            }
        )
    return found


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    parts: dict[str, list[Rows]] = {}
    told: dict[str, list[dict[str, Any]]] = {}
    for source in METRICS:
        with priors.leaving_out(source):
            of = panels(directory, source)
            parts[source] = [rows(History(panel), len(of)) for panel in of]
            told[source] = rates(of)
        print(f"{source}: {sum(len(part.weight) for part in parts[source])} forecasts from the floor", flush=True)
    made = {
        "source": "BIG-bench via PeterPonyu/calibration-traps, mlfoundations/scaling, EleutherAI/pythia",
        "command": "python tools/make_floor.py",
        "all": {"leaves": coefficients([part for some in parts.values() for part in some])},
        "without": {
            source: {"leaves": coefficients([part for name, some in parts.items() if name != source for part in some])}
            for source in METRICS
        },
        "rates": told,
    }
    write_json(OUT, made)


if __name__ == "__main__":
    main()
