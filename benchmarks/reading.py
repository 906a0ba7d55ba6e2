"""Read, check and write a table of a million results, beside pandas' own read_csv and to_csv in the same run.

    python benchmarks/reading.py [--rows 1000000] [--rounds 3]

A thousand models of five checkpoints on two hundred tasks, with what such tables have: sizes, tokens, FLOPs, step,
standard error, number of items, chance. Each round times both on the same file, one after the other; what counts is
the least of the rounds' CPU times.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tasklaws.tabular.points import read_points, write_points

MOST = 1.5  # times pandas' own


def made(rows: int) -> pd.DataFrame:
    """Results as a person's script may write them, in no order of their keys."""
    rng = np.random.default_rng(0)
    place = rng.permutation(rows)
    model, rest = place // 1000, place % 1000
    step, task = rest // 200, rest % 200
    n_params = np.round(10 ** (7 + 4 * model / max(model.max(), 1)))
    n_tokens = (step + 1) * 2.0**33
    value = np.round(rng.beta(4, 4, rows), 6)
    return pd.DataFrame(
        {
            "model": pd.Series(model).map("model-{:04d}".format),
            "n_params": n_params.astype("int64"),
            "n_tokens": n_tokens.astype("int64"),
            "train_flops": 6 * n_params * n_tokens,
            "step": (step + 1) * 1000,
            "is_final": step == 4,
            "task": pd.Series(task).map("task_{:03d}".format),
            "metric": "acc",
            "value": value,
            "stderr": np.round(np.sqrt(value * (1 - value) / 999), 8),
            "n_items": 1000,
            "chance": 0.25,
        }
    )


def seconds(action: Callable[[], object]) -> float:
    """CPU seconds that an action takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(args.rows).to_csv(folder / "made.csv", index=False)
        times: dict[str, list[float]] = {}
        for _ in range(args.rounds):
            for who, read, write in (
                ("pandas", pd.read_csv, lambda path, table: table.to_csv(path, index=False)),
                ("tasklaws", read_points, write_points),
            ):
                held: list[pd.DataFrame] = []
                times.setdefault(f"{who} read", []).append(seconds(lambda: held.append(read(folder / "made.csv"))))  # noqa: B023
                times.setdefault(f"{who} write", []).append(seconds(lambda: write(folder / f"{who}.csv", held[0])))  # noqa: B023
    least = {name: min(each) for name, each in times.items()}
    for part in ("read", "write"):
        own, theirs = least[f"tasklaws {part}"], least[f"pandas {part}"]
        print(f"{part:5}  tasklaws {own:6.2f} s  pandas {theirs:6.2f} s  ratio {own / theirs:.2f}")
    own, theirs = (least[f"{who} read"] + least[f"{who} write"] for who in ("tasklaws", "pandas"))
    print(f"both   tasklaws {own:6.2f} s  pandas {theirs:6.2f} s  ratio {own / theirs:.2f} (wanted: at most {MOST})")


if __name__ == "__main__":
    main()
