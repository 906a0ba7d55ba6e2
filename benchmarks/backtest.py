"""The forecast engine on real ladders, beside every baseline and single method: the acceptance figures, hit or missed.

    python benchmarks/backtest.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds olmo_ladder, pythia, gadre and bigg as .csv.gz tables of points. OLMo: fit
up to 1.3B, forecast rc_acc at 3B-10xC. Others: from each origin (4 models or more) forecast the next one. Errors are
mean absolute ones, in points. A method that lacks what it needs on some rows (validation losses on bigg) is set against
the combination on the rows that it has, and marked *. Constants are those that the other sources gave; settings were
chosen on the tasks called dev.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.forecast.backtest import half, rolling_backtest, split_backtest
from tasklaws.forecast.baselines import BASELINES
from tasklaws.forecast.methods import METHODS
from tasklaws.forecast.priors import leaving_out
from tasklaws.tables import BACKTEST_FORECASTS
from tasklaws.tabular.points import read_points

NAMES = {True: [one.name for one in BASELINES], False: [one.name for one in METHODS]}
CONTROLS = ("logiqa", "logi_qa", "wsc")
ROLLING = {"pythia": ["acc", "acc_norm"], "gadre": ["acc"], "bigg": ["multiple_choice_grade"]}
OLMO = ("n_params < 2e9", "model == '3B-10xC'")
SHUFFLES = 20


def say(what: str, value: str, limit: str, met: bool) -> None:
    print(f"{'hit ' if met else 'MISS'}  {what:58} {value:>18}   {limit}")


def with_errors(forecasts: pd.DataFrame, methods: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    seen = forecasts.dropna(subset="observed")
    error = 100 * (seen["predicted"] - seen["observed"]).abs()
    inside = seen["observed"].between(seen["lower"] - 1e-9, seen["upper"] + 1e-9)
    seen = seen.assign(error=error, inside=inside, half=seen["task"].map(half))
    told = methods.merge(
        seen[[*BACKTEST_FORECASTS.keys, "observed", "error", "half"]],
        on=BACKTEST_FORECASTS.keys,
        suffixes=("_own", ""),
    )
    return seen, told.rename(columns={"error": "own"}).assign(error=100 * (told["predicted"] - told["observed"]).abs())


def rivals(told: pd.DataFrame, baselines: bool) -> pd.DataFrame:
    """Of each rival its error, the combination's on the same rows, and how many these are; best first."""
    part = told[told["method"].isin(NAMES[baselines])]
    found = part.groupby("method").agg(error=("error", "mean"), own=("own", "mean"), n=("own", "size"))
    return found.sort_values("error")


def compare(
    name: str,
    seen: pd.DataFrame,
    told: pd.DataFrame,
    ratio: float | None = None,
    ends: tuple[float, float] | None = None,
) -> None:
    """One part of the forecasts against all rivals: lines of what it should reach, then every error."""
    single, base = rivals(told, False), rivals(told, True)
    mean = float(seen["error"].mean())
    worst = str((base["error"] - base["own"]).idxmin())
    own, rival = float(base["own"][worst]), float(base["error"][worst])
    say(f"{name}: error < every baseline (closest {worst})", f"{own:.2f} / {rival:.2f}", "lower", own < rival)
    if ratio is not None:
        ratios = single["own"] / single["error"]
        best, found = str(ratios.idxmax()), float(ratios.max())
        say(f"{name}: error / best single in hindsight ({best})", f"{found:.3f}", f"<= {ratio}", found <= ratio)
    share = float(seen["inside"].mean())
    inside = f"{share:.1%} of {len(seen)}"
    if ends is not None:
        low, high = ends
        say(f"{name}: 90% intervals cover", inside, f"{low:.0%}-{high:.0%}", low <= share <= high)
    every = pd.concat([base, single])
    told_of = [
        f"{method} {row.error:.2f}" + ("" if row.n == len(seen) else f"* (combination {row.own:.2f} on {row.n:.0f})")
        for method, row in every.iterrows()
    ]
    print(f"      combination {mean:.2f}, inside {inside}; " + ", ".join(told_of))


def rolling(directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = []
    for name, metrics in ROLLING.items():
        start, cpu = time.perf_counter(), time.process_time()
        with leaving_out(name):
            tables.append(rolling_backtest(read_points(directory / f"{name}.csv.gz"), metrics, 1, 4))
        seconds = time.perf_counter() - start
        if name == "gadre":
            took = f"{seconds:.0f} ({time.process_time() - cpu:.0f} of CPU)"
            say("gadre: seconds of its rolling backtest", took, "<= 300", seconds <= 300)
    forecasts, methods = (pd.concat(part, ignore_index=True) for part in zip(*tables, strict=True))
    return forecasts, methods


def verdicts(seen: pd.DataFrame) -> None:
    lawful = seen["verdict"] == "lawful"
    errors = seen.loc[lawful, "error"].mean(), seen.loc[~lawful, "error"].mean()
    value = f"{errors[0]:.2f} / {errors[1]:.2f}"
    say(f"error lawful ({lawful.sum()}) / not", value, "ratio <= 0.5", errors[0] <= 0.5 * errors[1])
    control = seen["task"].isin(CONTROLS)
    called = int((lawful & control).sum())
    say(f"negative controls {', '.join(CONTROLS)} lawful", f"{called} of {control.sum()}", "0", called == 0)
    for name, part in seen.groupby("verdict"):
        print(f"      {name}: {len(part)} forecasts, error {part['error'].mean():.2f}")


def shuffled(directory: Path) -> None:
    """Pythia with the sizes of its models in a random order that is not nearly the true one (|Kendall tau| < 0.6)."""
    table = read_points(directory / "pythia.csv.gz")
    table = table[(table["ladder"] == "pythia-standard-5shot") & table["is_final"]]
    sizes = table.groupby("model")[["n_params", "n_tokens", "train_flops"]].first().sort_values("n_params")
    rng = np.random.default_rng(0)
    orders: list[np.ndarray] = []
    while len(orders) < SHUFFLES:
        order = rng.permutation(len(sizes))
        if abs(pd.Series(order).corr(pd.Series(range(len(order))), method="kendall")) < 0.6:
            orders.append(order)
    called = total = 0
    for order in orders:
        moved = sizes.iloc[order].set_axis(sizes.index)
        given = table.drop(columns=sizes.columns).merge(moved.reset_index(), on="model")
        with leaving_out("pythia"):
            forecasts, _ = rolling_backtest(given, ROLLING["pythia"], 1, 5)
        called += int((forecasts["verdict"] == "lawful").sum())
        total += len(forecasts)
    say(f"{SHUFFLES} shuffled axes (pythia-standard-5shot) lawful", f"{called} of {total}", "0", called == 0)


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    print("OLMo, fit <= 1.3B, rc_acc at 3B-10xC")
    olmo = read_points(directory / "olmo_ladder.csv.gz")
    with leaving_out("olmo_ladder"):
        seen, told = with_errors(*split_backtest(olmo, ["rc_acc"], *OLMO))
    compare("OLMo", seen, told)
    say("OLMo: error", f"{seen['error'].mean():.2f}", "<= 2.0 (the aim)", seen["error"].mean() <= 2.0)
    print("\nRolling next rung: pythia, gadre, bigg")
    seen, told = with_errors(*rolling(directory))
    compare("pool", seen, told, 1.03, (0.87, 0.93))
    for name in sorted(seen["ladder"].unique()):
        compare(name, seen[seen["ladder"] == name], told[told["ladder"] == name], 1.10, (0.80, 0.97))
    for name in ("dev", "test"):
        compare(f"pool, {name} tasks", seen[seen["half"] == name], told[told["half"] == name], 1.03, (0.87, 0.93))
    print("\nVerdicts")
    verdicts(seen)
    shuffled(directory)


if __name__ == "__main__":
    main()
