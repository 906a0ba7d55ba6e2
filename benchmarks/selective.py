"""Do forecasts know how sure they are? Selective prediction, headlines, verdicts, few rungs: hit or missed.

    python benchmarks/selective.py [DIRECTORY]

DIRECTORY (default ../shared/ladders) holds pythia, gadre, bigg and olmo_ladder as .csv.gz tables of points. From each
origin of three models or more the next three are forecast, with constants made of all other sources
(`priors.leaving_out`). The next rung from four models or more of pythia, gadre and bigg is the pool of
benchmarks/backtest.py. Errors are mean absolute ones, in points. *Surest* goes by the forecast's own expected error,
*oracle* by the error that was made; a share of the mean error is that of all forecasts of the same part. Lines that
end in (goal) are wanted, the others needed.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from backtest import ROLLING, rivals, say, with_errors
from tasklaws.forecast import priors
from tasklaws.forecast.backtest import rolling_backtest
from tasklaws.stats.scores import LEVEL
from tasklaws.tables import HEADLINES, POINTS_OF_HEADLINE, VERDICT_NAMES
from tasklaws.tabular.points import read_points

SOURCES = {**ROLLING, "olmo_ladder": ["rc_acc"]}
FEWEST, AHEAD = 3, 3
PARTS = {"quarter": (0.25, 0.30, 0.28, 0.60), "half": (0.5, 0.45, 0.43, 0.70)}  # share, must, goal, goal by ladder
LEAST_CELL, REJECTED = 30, 0.001


def selected(rows: pd.DataFrame, by: str, share: float) -> float:
    """The mean error of the share of forecasts that are least in `by`, by that of all."""
    order = rows[by].to_numpy().argsort(kind="stable")
    error = rows["error"].to_numpy()[order]
    return float(error[: max(round(share * len(error)), 1)].mean() / error.mean())


def selective(name: str, rows: pd.DataFrame, limits: dict[str, tuple[float, str]]) -> None:
    for part, (limit, kind) in limits.items():
        share = PARTS[part][0]
        found, oracle = (selected(rows, by, share) for by in ("expected_error_points", "error"))
        say(
            f"{name}: surest {part}, of the mean error",
            f"{found:.3f} ({oracle:.2f})",
            f"<= {limit} {kind}",
            found <= limit,
        )


def clustered(inside: pd.Series, task: pd.Series) -> float:
    """The p-value of a share of LEVEL in a binomial test of as many forecasts as these are worth: their number by the
    design effect of tasks, at least 1 (Kish 1965)."""
    count, share = len(inside), float(inside.mean())
    sums = (inside - share).groupby(task).sum()
    effect = max(float((sums**2).sum()) / max(count * share * (1 - share), 1e-9), 1.0)
    worth = max(round(count / effect), 1)
    return float(binomtest(round(share * worth), worth, LEVEL).pvalue)


def cells(rows: pd.DataFrame, column: str, names: tuple[str, ...]) -> None:
    for name in names:
        cell = rows[rows[column] == name]
        if not len(cell):
            continue
        value = f"{cell['inside'].mean():.1%} of {len(cell)}"
        if len(cell) < LEAST_CELL:
            print(f"      90% intervals where {column} is {name}: {value}")
            continue
        p_value = clustered(cell["inside"], cell["task"])
        met = p_value >= REJECTED
        say(f"90% intervals where {column} is {name}", f"{value} p {p_value:.2g}", f"p >= {REJECTED}", met)


def headlines(rows: pd.DataFrame) -> None:
    for name, points in zip(HEADLINES, POINTS_OF_HEADLINE, strict=False):
        cell = rows[rows["headline"] == name]
        holds = float((cell["error"] <= points).mean()) if len(cell) else np.nan
        print(f"      {name}: said of {len(cell) / len(rows):.1%}, holds of {holds:.1%}")
    sure = rows[rows["headline"] == HEADLINES[0]]
    share, holds = len(sure) / len(rows), float((sure["error"] <= POINTS_OF_HEADLINE[0]).mean())
    say(f"{HEADLINES[0]}: said of", f"{share:.1%}", ">= 25%", share >= 0.25)
    say(f"{HEADLINES[0]}: holds of", f"{holds:.1%}", ">= 88%", holds >= 0.88)


def expected(rows: pd.DataFrame) -> None:
    fifths = pd.qcut(rows["expected_error_points"].rank(method="first"), 5, labels=False)
    told = rows.groupby(fifths)[["expected_error_points", "error"]].mean()
    pairs = ", ".join(f"{row.expected_error_points:.2f} / {row.error:.2f}" for row in told.itertuples())
    print(f"      expected error / made, by fifths of the expected: {pairs}")


def read_all(directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forecasts of the next rungs and of every method, with their errors, `source` and `ahead` (0: the next one)."""
    tables = []
    for name, metrics in SOURCES.items():
        with priors.leaving_out(name):
            found = rolling_backtest(read_points(directory / f"{name}.csv.gz"), metrics, AHEAD, FEWEST)
        seen, told = with_errors(*found)
        size = seen["train_flops"].fillna(seen["n_params"])
        order = size.groupby([seen["ladder"], seen["n_fit"]]).rank(method="dense") - 1
        seen = seen.assign(source=name, ahead=order.astype(int))
        tables.append((seen, told.assign(source=name)))
    seen, told = (pd.concat(part, ignore_index=True) for part in zip(*tables, strict=True))
    return seen, told


def main() -> None:
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/ladders")
    seen, told = read_all(directory)
    pool = seen[(seen["n_fit"] > FEWEST) & (seen["ahead"] == 0) & seen["source"].isin(list(ROLLING))]
    print("\nSelective prediction: the next rung of pythia, gadre and bigg (oracle's share in brackets)")
    selective("pool", pool, {part: (limits[1], "") for part, limits in PARTS.items()})
    selective("pool", pool, {part: (limits[2], "(goal)") for part, limits in PARTS.items()})
    of_ladder = {part: (limits[3], "(goal)") for part, limits in PARTS.items()}
    for column in ("source", "ladder"):
        for name, rows in pool.groupby(column):
            selective(str(name), rows, of_ladder)
    expected(pool)
    headlines(pool)
    print("\nCoverage by verdict and headline, clustered by task")
    cells(pool, "verdict", VERDICT_NAMES)
    cells(pool, "headline", HEADLINES)
    print("\nFew rungs: 3 to 5 known")
    few = seen[seen["n_fit"].between(FEWEST, 5)]
    for what, rows in (("the next rung", few[few["ahead"] == 0]), ("the next three", few)):
        share = float(rows["inside"].mean())
        say(f"{what}: 90% intervals cover", f"{share:.1%} of {len(rows)}", "85%-95%", 0.85 <= share <= 0.95)
        for name, part in rows.groupby("source"):
            print(f"      {name}: {part['inside'].mean():.1%} of {len(part)}")
    print("\nThe next three rungs from four models or more, against the best single method in hindsight")
    far = told[told["n_fit"] > FEWEST]
    for name, rows in (("all ladders", far), *((str(name), rows) for name, rows in far.groupby("ladder"))):
        single = rivals(rows, False)
        ratios = single["own"] / single["error"]
        best, ratio = str(ratios.idxmax()), float(ratios.max())
        say(f"{name}: error / best single ({best})", f"{ratio:.3f}", "<= 1.03 (goal)", ratio <= 1.03)


if __name__ == "__main__":
    main()
