"""Forecasts of models that nobody ran, and rolling backtests by date: what they cost, and that nothing later counts.

    python benchmarks/ahead.py

All tables are made up (seeded): six models and twelve smooth tasks, of which a 7B is forecast by one command; and 84
dated models of 128 tasks, three in ten cells filled, each model forecast from strictly earlier ones. Each line says hit
or MISS. Beside the coverage of the first stand 40 such tables, whose next model is drawn too.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tasklaws as tl
from backtest import say
from tasklaws.core.arrays import Array
from tasklaws.tables import SIZES

LADDER = np.geomspace(7e7, 2.8e9, 6).round(-6)
NEXT = {"n_params": 7e9, "n_tokens": 1.4e11}
N_ITEMS = 1000
N_TABLES = 40
SECONDS = 5.0
SECONDS_BY_DATE = 300.0


def shares(rng: np.random.Generator, sizes: Array, n_tasks: int) -> Array:
    """True scores of smooth tasks, (tasks, sizes): logistics in ln size."""
    x = np.log(sizes / LADDER[0])
    slope, middle = rng.uniform(0.25, 0.7, (n_tasks, 1)), rng.uniform(0, 8, (n_tasks, 1))
    return np.asarray(1 / (1 + np.exp(-slope * (x - middle))))


def table_of(value: Array, sizes: Array) -> pd.DataFrame:
    rows = [
        (f"m{model}", size, 20 * size, f"task{task:02}", "acc", value[task, model], N_ITEMS)
        for model, size in enumerate(sizes)
        for task in range(len(value))
    ]
    return pd.DataFrame(rows, columns=["model", "n_params", "n_tokens", "task", "metric", "value", "n_items"])


def small_table() -> None:
    """One command of six models and twelve tasks: seconds, and what of it depends on the order of its rows."""
    rng = np.random.default_rng(0)
    value = rng.binomial(N_ITEMS, shares(rng, LADDER, 12)) / N_ITEMS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table_of(value, LADDER).to_csv(folder / "results.csv", index=False)
        code = "from tasklaws.cli import main; main()"
        at = ",".join(f"{key}={number:g}" for key, number in NEXT.items())
        words = ["forecast", "results.csv", "--at", at, "--exceeds", "0.5"]
        start = time.perf_counter()
        said = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - start
    rows = sum(line.startswith("| task") for line in said.stdout.splitlines()) - 1
    say("six models x twelve tasks: rows of the answer", str(rows), "12", rows == 12)
    say("six models x twelve tasks: seconds of the command", f"{seconds:.1f}", f"<= {SECONDS:g}", seconds <= SECONDS)


def coverage() -> None:
    """Of many such tables the next model drawn too: whether 90% intervals hold it, beside repeating the last."""
    inside, error, repeated = [], [], []
    for seed in range(N_TABLES):
        rng = np.random.default_rng(seed)
        truth = shares(rng, np.append(LADDER, NEXT["n_params"]), 12)
        value = rng.binomial(N_ITEMS, truth) / N_ITEMS
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "results.csv"
            table_of(value[:, :-1], LADDER).to_csv(path, index=False)
            found = tl.forecast(tl.read_points(path), NEXT).forecasts
        inside += ((found["lower"] <= value[:, -1]) & (value[:, -1] <= found["upper"])).tolist()
        error += (100 * (found["predicted"] - value[:, -1]).abs()).tolist()
        repeated += (100 * (found["last"] - value[:, -1]).abs()).tolist()
    share = float(np.mean(inside))
    say(f"{len(inside)} such forecasts: 90% intervals hold", f"{share:.1%}", "85%-97%", 0.85 <= share <= 0.97)
    value_of = f"{np.mean(error):.2f} / {np.mean(repeated):.2f}"
    say("such forecasts: error / repeating the last", value_of, "lower", np.mean(error) < np.mean(repeated))


def releases(n_models: int, n_tasks: int, filled: float) -> pd.DataFrame:
    """Dated models of which a share of all cells is filled, as `read_points` gives them."""
    rng = np.random.default_rng(0)
    days = np.sort(rng.integers(0, 900, n_models))
    skill = 0.002 * days + 0.5 * rng.standard_normal(n_models)
    slope, hard = rng.uniform(0.5, 1.5, (n_tasks, 1)), 1.5 * rng.standard_normal((n_tasks, 1)) + 1
    value = rng.binomial(200, 1 / (1 + np.exp(hard - slope * skill))) / 200
    task, model = np.nonzero(rng.random((n_tasks, n_models)) < filled)
    found = pd.DataFrame({"ladder": "releases", "model": [f"model {number}" for number in model]})
    found = found.assign(date=(np.datetime64("2023-06-01") + days[model]).astype(str), metric="score", is_final=True)
    found = found.assign(task=[f"task {number}" for number in task], value=value[task, model])
    return found.assign(**dict.fromkeys([*SIZES, "step", "stderr", "n_items", "chance"], np.nan))


def by_date() -> None:
    table = releases(84, 128, 0.3)
    start, cpu = time.perf_counter(), time.process_time()
    found = tl.backtest(table, rolling=1, axis="date")
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    figures = found.figures
    value = f"{seconds:.0f} ({busy:.0f} of CPU)"
    say("84 models x 128 tasks, rolling by date: seconds", value, f"<= {SECONDS_BY_DATE:g}", seconds <= SECONDS_BY_DATE)
    print(f"      {figures['n']} scores, error {100 * figures['mae']:.2f}, inside {figures['coverage']:.1%}")
    for name, one in sorted(figures["methods"].items()):
        print(f"      {name}: {100 * one['mae']:.2f} of {one['n']}")


def later() -> None:
    """Values of models that are not surely earlier are drawn anew: the forecast must keep every byte."""
    table = releases(20, 12, 0.6)
    at = {"date": sorted(table["date"].unique())[12]}
    changed = table.copy()
    late = changed["date"] >= at["date"]
    changed.loc[late, "value"] = np.random.default_rng(1).uniform(0, 1, int(late.sum()))
    one, other = (tl.forecast(each, at) for each in (table, changed))
    same = one.forecasts.to_csv() == other.forecasts.to_csv() and one.methods.to_csv() == other.methods.to_csv()
    say("later results drawn anew: bytes of the forecast", "the same" if same else "other", "the same", same)


def main() -> None:
    small_table()
    coverage()
    later()
    by_date()


if __name__ == "__main__":
    main()
