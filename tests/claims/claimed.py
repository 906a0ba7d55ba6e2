"""A made-up ladder, what the next model of it is claimed to score, and outcomes for and against."""

import numpy as np
import pandas as pd

import tasklaws as tl

SIZES = np.geomspace(1e8, 6.4e9, 7)
TASKS = {"sums": -2.0, "facts": -1.2, "code": -2.6, "logic": -1.7}
NEXT = {"model": "next", "n_params": 1.28e10, "n_tokens": 2.56e11}


def share(task: str, n_params: float) -> float:
    return float(1 / (1 + np.exp(-(TASKS[task] + 0.75 * np.log(n_params / 1e8)))))


def known() -> pd.DataFrame:
    """Seven models on four tasks, 1000 items each, on smooth curves."""
    rows = [
        ("made", f"m{number}", size, 20 * size, 120 * size**2, np.nan, True, task, "acc", share(task, size))
        for number, size in enumerate(SIZES)
        for task in TASKS
    ]
    columns = ["ladder", "model", "n_params", "n_tokens", "train_flops", "step", "is_final", "task", "metric", "value"]
    return pd.DataFrame(rows, columns=columns).assign(stderr=np.nan, n_items=1000.0, chance=0.0)


def outcomes(shift: float = 0.0) -> pd.DataFrame:
    """What the next model scores: on the curves, or so far above them."""
    rows = known().query("model == 'm6'").assign(model="next", n_params=NEXT["n_params"], n_tokens=NEXT["n_tokens"])
    value = [share(task, float(str(NEXT["n_params"]))) + shift for task in rows["task"]]
    return rows.assign(train_flops=6 * rows["n_params"] * rows["n_tokens"], value=value)


def made_claim(table: pd.DataFrame | None = None) -> "tl.Claim":
    return tl.claim(known() if table is None else table, NEXT, files=[])
