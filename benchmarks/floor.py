"""Forecasts of tasks at the floor on real ladders: the acceptance figures of leaving it, hit or missed.

    python benchmarks/floor.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds bigg, gadre and pythia as .csv.gz tables of points. From every origin of
three models or more all later models are forecast, of the tasks whose known rungs are all at the floor
(`floor.standing`), by constants of which the judged source gave none. A gap is in decades of parameters: log10 of the
target's over the most that a known model has; gadre's later models that have no more (they saw more tokens) are told
apart. Brackets are 90% intervals by bootstrap over tasks, as the forecasts of a task are anything but independent. The
rivals are the engine without leaving the floor, and the normal of the same mean and width.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from backtest import ROLLING, say
from tasklaws.forecast import priors
from tasklaws.forecast.combine import History, combined_forecast
from tasklaws.forecast.engine import outlook
from tasklaws.forecast.floor import LEAVES, floors
from tasklaws.forecast.panel import LEAST_RUNGS, build_panels, size_gap
from tasklaws.stats.predictive import Predictive
from tasklaws.stats.scores import concordance
from tasklaws.tabular.points import read_points

GAPS = [-9.0, 1e-9, 1.0, 2.0, 3.0, 9.0]
NAMES = ["no more", "up to 1", "1 to 2", "2 to 3", "3 to 5"]
MUST = NAMES[1:4]
CHANCES = [-1.0, 0.05, 0.1, 0.2, 0.4, 1.01]
REPLICATES = 2000


def histories(directory: Path, source: str) -> list[History]:
    table = read_points(directory / f"{source}.csv.gz")
    return [History(panel) for panel in build_panels(table, ROLLING[source]) if not panel.loss]


def from_the_floor(source: str, history: History) -> Iterator[pd.DataFrame]:
    """A row for each forecast from the floor of one ladder."""
    panel = history.panel
    for origin in range(LEAST_RUNGS, len(panel.models)):
        known = history.known(origin)
        level = floors(known)
        for target in range(origin, len(panel.models)):
            value = panel.value[:, target]
            rows = np.isfinite(level) & np.isfinite(value)
            if not rows.any():
                continue
            found = combined_forecast(history, origin, target)
            said = outlook(known, size_gap(panel, origin, target), found)
            engine = found.predictive(panel.link)
            normal = Predictive.normal(panel.link, found.mean, found.width)
            table = pd.DataFrame(panel.tasks, columns=["task", "metric"]).assign(
                source=source,
                ladder=panel.ladder,
                origin=origin,
                next=target == origin,
                gap=np.log10(panel.n_params[target] / panel.n_params[:origin].max()),
                chance=level > 0,
                left=value >= level + LEAVES - 1e-9,
                leaves=said.exceeds(np.nan_to_num(level) + LEAVES),
                engine_leaves=engine.exceeds(np.nan_to_num(level) + LEAVES),
            )
            for name, one in (("", said), ("_engine", engine), ("_normal", normal)):
                low, middle, high = one.interval
                table["inside" + name] = (value >= low - 1e-9) & (value <= high + 1e-9)
                table["log_score" + name] = one.log_density(value)
                table["crps" + name] = 100 * one.crps(value)
                table["error" + name] = 100 * np.abs(value - middle)
            yield table[rows]


def bounds(part: pd.DataFrame, column: str) -> tuple[float, float]:
    """The 90% interval of a column's mean by bootstrap over tasks."""
    sums = part.groupby("task")[column].agg(["sum", "size"]).to_numpy(dtype=float)
    drawn = sums[np.random.default_rng(0).integers(0, len(sums), (REPLICATES, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.05, 0.95])
    return float(low), float(high)


def gaps(name: str, part: pd.DataFrame, must: bool) -> None:
    """Coverage and scores by gap."""
    for gap, rows in part.groupby("bin", observed=True):
        what, share = f"{name}, {gap} decades", float(rows["inside"].mean())
        low, high = bounds(rows, "inside")
        before = f"without {rows['inside_engine'].mean():.0%}"
        cover = f"{share:.1%} [{low:.0%}, {high:.0%}]"
        means = rows.mean(numeric_only=True)
        tail = f"{len(rows)} forecasts of {rows['task'].nunique()} tasks, {before}"
        score = f"{means['log_score']:.2f} / {means['log_score_engine']:.2f}, {means['log_score_normal']:.2f}"
        crps = f"{means['crps']:.2f} / {means['crps_engine']:.2f}, {means['crps_normal']:.2f}"
        if must and gap in MUST:
            say(f"{what}: 90% intervals cover", cover, f"85%-95%; {tail}", 0.85 <= share <= 0.95)
            best = max(means["log_score_engine"], means["log_score_normal"])
            say(f"{what}: log score / engine, normal", score, "higher", means["log_score"] > best)
            best = min(means["crps_engine"], means["crps_normal"])
            say(f"{what}: CRPS / engine, normal", crps, "lower", means["crps"] < best)
        else:
            print(f"      {what}: cover {cover}, {tail}; log score {score}; CRPS {crps}")


def reliability(name: str, part: pd.DataFrame) -> None:
    """P(leaves the floor) against how many left, in five bins."""
    for _, rows in part.groupby(pd.cut(part["leaves"], CHANCES), observed=True):
        said, left = float(rows["leaves"].mean()), float(rows["left"].mean())
        low, high = bounds(rows, "left")
        found = f"{said:.3f} / {left:.3f}"
        limit = f"[{low:.3f}, {high:.3f}]; {len(rows)} forecasts of {rows['task'].nunique()} tasks"
        met = low - 0.01 <= said <= high + 0.01 or abs(said - left) <= 0.05
        say(f"{name}: P(leaves) said / left", found, f"inside, or 0.05 off: {limit}", met)
    outcome = part["left"].to_numpy(dtype=float)
    pairs = [concordance(outcome, part[column].to_numpy()) for column in ("leaves", "engine_leaves")]
    aucs = [agreed / every for agreed, every in pairs]
    print(f"      {name}: AUC {aucs[0]:.3f}, of the engine's own distribution {aucs[1]:.3f}")


def report(table: pd.DataFrame) -> None:
    table = table.assign(bin=pd.cut(table["gap"], GAPS, labels=NAMES))
    chance = table[table["chance"]]
    judged = chance[(chance["origin"] >= 4) & chance["source"].isin(["bigg", "gadre"])]
    print("Known rungs all at chance, origins of four models or more")
    for source, part in judged.groupby("source"):
        gaps(str(source), part, True)
        reliability(str(source), part)
    gaps("both", judged, True)
    reliability("both", judged)
    print("\nBy ladder, origins of three models, and tasks where a guess scores nothing")
    for ladder, part in judged[judged["source"] == "gadre"].groupby("ladder"):
        gaps(str(ladder), part, False)
    gaps("origins of three", chance[chance["origin"] == 3], False)
    gaps("a guess scores nothing", table[~table["chance"]], False)
    after = table[(table["next"]) & (table["origin"] >= 4)]
    low, high = bounds(after, "inside")
    found = f"{after['inside'].mean():.1%} [{low:.0%}, {high:.0%}]"
    print("\nThe next model, at the floor, of pythia, gadre and bigg")
    say("at the floor: 90% intervals cover", found, f"85%-95%; {len(after)}", 0.85 <= after["inside"].mean() <= 0.95)
    print(f"      error {after['error'].mean():.2f}, engine {after['error_engine'].mean():.2f}")


def main(histories_of: Callable[[Path, str], list[History]] = histories) -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    parts: list[pd.DataFrame] = []
    for source in ROLLING:
        with priors.leaving_out(source):
            for history in histories_of(directory, source):
                parts += from_the_floor(source, history)
    report(pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    main()
