"""Forecasts of models of many families, by size, by date and with some scores revealed: what is reached, hit or missed.

    python benchmarks/families.py [DIRECTORY]

DIRECTORY (default ../shared) holds ladders/open_llm.csv.gz and items/releases.csv.gz. Errors are mean absolute ones, in
points; "best so far" is the best score of any known model on the task, "median of the last five" that of the five
latest known ones that were asked it, where the order is that of dates, or of training compute where sizes are known.
Settings were chosen on base models below 1e23 FLOPs, releases of 2024 and half of the families.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from backtest import say, with_errors
from tasklaws.core.arrays import Array
from tasklaws.forecast.backtest import split_backtest
from tasklaws.forecast.combine import History, joint_forecast
from tasklaws.forecast.engine import forecast_tables
from tasklaws.forecast.panel import Panel, build_panels
from tasklaws.forecast.revealed import draw_given
from tasklaws.tables import BACKTEST_FORECASTS
from tasklaws.tabular.points import read_points

SPLIT = 1e23
SINCE = "2025-01-01"
FEWEST = 3  # earlier scores of a task, so that it counts


def error_of(told: pd.DataFrame, method: str) -> float:
    return float(told.loc[told["method"] == method, "error"].mean())


def report(name: str, tables: tuple[pd.DataFrame, pd.DataFrame], most: float, low: float, high: float = 1.0) -> float:
    """The lines of one set: error and coverage, with baselines; returns the error."""
    seen, told = with_errors(*tables)
    error, inside = float(seen["error"].mean()), float(seen["inside"].mean())
    width = 100 * float((seen["upper"] - seen["lower"]).mean())
    say(f"{name}: error", f"{error:.2f} of {len(seen)}", f"<= {most}", error <= most)
    say(f"{name}: 90% intervals cover", f"{inside:.1%}", f"{low:.0%}-{high:.0%}", low <= inside <= high)
    others = ", ".join(f"{method} {part['error'].mean():.2f}" for method, part in told.groupby("method"))
    print(f"      width {width:.0f}; {others}")
    return error


def as_points(items: pd.DataFrame) -> pd.DataFrame:
    """A table of item scores (suite, model, date, task, score) as points."""
    unknown = dict.fromkeys(["n_params", "n_tokens", "train_flops", "step", "stderr", "n_items", "chance"], np.nan)
    table = items.rename(columns={"suite": "ladder", "score": "value"})
    return table[["ladder", "model", "date", "task", "value"]].assign(metric="score", is_final=True, **unknown)


def rolling_by_date(
    panel: Panel, since: str, given: Array | None = None, kept: Sequence[int] = ()
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The forecasts of each model dated on or after `since` from strictly earlier ones, of tasks with FEWEST scores."""
    history = History(panel, given=given)
    first = (pd.Timestamp(since) - pd.Timestamp(0)).days
    for day in np.unique(panel.days[panel.days >= first]):
        origin = int((panel.days < day).sum())
        targets = [int(one) for one in np.flatnonzero(panel.days == day) if given is None or int(one) in kept]
        enough = np.isfinite(panel.value[:, :origin]).sum(axis=1) >= FEWEST
        tasks = [task for (task, _), yes in zip(panel.tasks, enough, strict=True) if yes]
        if targets:
            yield tuple(part[part["task"].isin(tasks)] for part in forecast_tables(history, origin, targets))  # type: ignore[misc]


def together(parts: Iterator[tuple[pd.DataFrame, pd.DataFrame]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    forecasts, methods = (pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))
    return forecasts, methods


def against_blind(name: str, revealed: pd.DataFrame, blind: pd.DataFrame, most: float) -> None:
    """Errors of forecasts with some scores given beside the blind ones of the same cells."""
    keys = BACKTEST_FORECASTS.keys
    both = revealed.dropna(subset="observed").merge(blind[[*keys, "predicted"]], on=keys, suffixes=("", "_blind"))
    errors = [100 * float((both[name] - both["observed"]).abs().mean()) for name in ("predicted", "predicted_blind")]
    inside = float(both["observed"].between(both["lower"] - 1e-9, both["upper"] + 1e-9).mean())
    value = f"{errors[0]:.2f} / {errors[1]:.2f}"
    say(f"{name}: error / blind", value, f"< {most:.2f} of it", errors[0] < most * errors[1])
    print(f"      {len(both)} cells; 90% intervals cover {inside:.1%}")


def one_ladder(table: pd.DataFrame) -> None:
    print("open_llm, base models as one ladder, fit below 1e23 FLOPs")
    base = table[~table["ladder"].str.endswith("-instruct")].assign(ladder="base")
    tables = split_backtest(base, ["acc"], f"train_flops < {SPLIT}", f"train_flops >= {SPLIT}")
    error = report("one ladder", tables, 15.5, 0.85)
    best = error_of(with_errors(*tables)[1], "best_so_far")
    say("one ladder, goal: error < best so far", f"{error:.2f} / {best:.2f}", "lower", error < best)
    (panel,) = build_panels(base, ["acc"])
    origin = int((panel.train_flops < SPLIT).sum())
    targets = range(origin, len(panel.models))
    given, kept = draw_given(panel, targets, 5, 0)
    revealed, _ = forecast_tables(History(panel, given=given), origin, kept)
    against_blind("one ladder, five scores revealed", revealed, tables[0], 0.7)
    asked = np.full_like(given, np.nan)
    plain = History(panel)
    for target in kept:
        among = np.isfinite(panel.value[:, target])
        first = joint_forecast(plain, origin, target).ask_first(5, among)
        asked[first, target] = panel.value[first, target]
    chosen, _ = forecast_tables(History(panel, given=asked), origin, kept)
    keys = BACKTEST_FORECASTS.keys
    both = chosen.merge(revealed[[*keys, "predicted"]], on=keys, suffixes=("", "_drawn")).dropna(subset="observed")
    errors = [100 * float((both[name] - both["observed"]).abs().mean()) for name in ("predicted", "predicted_drawn")]
    say("the five to ask first / five drawn", f"{errors[0]:.2f} / {errors[1]:.2f}", "lower", errors[0] < errors[1])


def largest(table: pd.DataFrame) -> pd.Series:
    """Which rows are of the largest members of families of three sizes or more."""
    sizes = table.groupby("ladder")["n_params"].transform("nunique")
    return (sizes >= 3) & (table["n_params"] == table.groupby("ladder")["n_params"].transform("max"))


def by_family(table: pd.DataFrame) -> None:
    print("\nopen_llm, each family's largest from all families' smaller members")
    held = table.assign(held=largest(table))
    error = report("by family", split_backtest(held, ["acc"], "held == False", "held == True"), 5.9, 0.85, 0.95)
    say("by family, goal: error", f"{error:.2f}", "<= 5.0", error <= 5.0)


def releases(items: pd.DataFrame) -> None:
    print(f"\nreleases, each model since {SINCE} from strictly earlier ones")
    (panel,) = build_panels(as_points(items), ["score"])
    tables = together(rolling_by_date(panel, SINCE))
    error = report("releases", tables, 10.0, 0.85, 0.95)
    told = with_errors(*tables)[1]
    for method in ("median_of_last_five", "best_so_far"):
        rival = error_of(told, method)
        say(f"releases: error < {method}", f"{error:.2f} / {rival:.2f}", "lower", error < rival)
    first = (pd.Timestamp(SINCE) - pd.Timestamp(0)).days
    given, kept = draw_given(panel, np.flatnonzero(panel.days >= first).tolist(), 1, 0)
    revealed, _ = together(rolling_by_date(panel, SINCE, given, kept))
    against_blind("releases, one score revealed", revealed, tables[0], 1.0)


def seconds() -> None:
    """A made table of 84 dated models by 128 tasks, a third of the cells known."""
    rng = np.random.default_rng(0)
    skill = np.cumsum(rng.normal(0.05, 0.1, 84))
    value = 1 / (1 + np.exp(-(rng.normal(0, 1, (128, 1)) + skill + rng.normal(0, 0.5, (128, 84)))))
    dates = pd.date_range("2022-01-01", periods=84, freq="14D").strftime("%Y-%m-%d")
    rows = [
        {
            "suite": "made",
            "model": f"maker{model % 9}-{model}",
            "date": dates[model],
            "task": f"t{task}",
            "score": value[task, model],
        }
        for task in range(128)
        for model in range(84)
        if rng.random() < 1 / 3
    ]
    (panel,) = build_panels(as_points(pd.DataFrame(rows)), ["score"])
    start, cpu = time.perf_counter(), time.process_time()
    together(rolling_by_date(panel, str(dates[4])))
    took = time.process_time() - cpu
    say(
        "84 models x 128 tasks by date: seconds of CPU",
        f"{took:.0f} ({time.perf_counter() - start:.0f})",
        "<= 300",
        took <= 300,
    )


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared")
    table = read_points(directory / "ladders/open_llm.csv.gz")
    one_ladder(table)
    by_family(table)
    releases(pd.read_csv(directory / "items/releases.csv.gz"))
    print()
    seconds()


if __name__ == "__main__":
    main()
