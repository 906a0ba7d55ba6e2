"""What needs no science: the forecasts that ours has to beat."""

import numpy as np
import pandas as pd

from tasklaws.laws.curve import KINDS

BASELINES = ["repeat_last", "chance", "linear"]


def baselines(table: pd.DataFrame, x: str, train_flops: float) -> dict[str, float | None]:
    """Of one curve's observations: the mean of the largest rung; the chance level, if there is one; a
    straight line in log compute through the rungs' means, cut to the metric's range (the mean, where there is
    one compute only)."""
    chance = table["chance"].mean()
    rungs = table.groupby("rung").agg({"value": "mean", "train_flops": "mean", x: "mean"}).sort_values(x)
    value = rungs["value"].to_numpy(dtype=float)
    log_flops = np.log(rungs["train_flops"].to_numpy(dtype=float))
    away = log_flops - log_flops.mean()
    slope = float(away @ value) / float(away @ away) if np.ptp(log_flops) > 0 else 0.0
    top = 1.0 if KINDS[str(table["metric"].iloc[0])] == "accuracy" else np.inf
    line = float(np.clip(value.mean() + slope * (np.log(train_flops) - log_flops.mean()), 0.0, top))
    return {
        "repeat_last": float(value[-1]),
        "chance": float(chance) if np.isfinite(chance) else None,
        "linear": line,
    }
