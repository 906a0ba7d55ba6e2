"""A small file of each kind that people give to the commands."""

from pathlib import Path

import pandas as pd

from shared_data import ROOT
from tasklaws.tables import ATTEMPTS

POINTS = ROOT / "results/nano_ladder/points.csv"


def write_small_inputs(folder: Path) -> None:
    """points.csv (one task of the nano ladder), pilot.csv (its four smallest models), recipes.csv, runs.csv (two
    budgets), scores.csv, attempts.csv with items.jsonl, and program.py."""
    points = pd.read_csv(POINTS).query("metric == 'exact_match' and is_final and task == 'addition_direct'")
    points.to_csv(folder / "points.csv", index=False)
    small = sorted(points["n_params"].unique())[:4]
    points[points["n_params"].isin(small)].to_csv(folder / "pilot.csv", index=False)
    runs = [
        (10**m, 10**c, 1.8 + 480 / 10 ** (0.35 * m) + 4e3 / 10 ** (0.37 * (c - m)))
        for c in (18, 19)
        for m in range(6, 12)
    ]
    pd.DataFrame(runs, columns=["n_params", "train_flops", "loss"]).to_csv(folder / "runs.csv", index=False)
    scores = [(f"m{m}", 10.0**m, f"t{t}", float(m + 1 > t / 4), 2.0**t) for m in range(1, 5) for t in range(12)]
    columns = ["model", "n_params", "task", "score", "human_minutes"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "scores.csv", index=False)
    recipes = [(r, f"{r}{n:g}", n, "t", "ce", q / n) for r, q in (("x", 1e8), ("y", 2e8)) for n in (1e6, 1e8)]
    columns = ["recipe", "model", "n_params", "task", "metric", "value"]
    pd.DataFrame(recipes, columns=columns).to_csv(folder / "recipes.csv", index=False)
    attempts = [(f"p{p}", item, 10.0 + p, 60.0, p % 2, float(p % 2)) for p in range(6) for item in ("a", "b")]
    pd.DataFrame(attempts, columns=ATTEMPTS.columns).to_csv(folder / "attempts.csv", index=False)
    (folder / "items.jsonl").write_text('{"id": "a", "family": "f"}\n{"id": "b", "family": "f"}\n')
    (folder / "program.py").write_text("print(1)")
