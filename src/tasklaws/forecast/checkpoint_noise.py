"""How much a task's value wobbles from one checkpoint to the next: noise that is not of the items asked."""

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.stats.links import Link

LATE = 2 / 3  # checkpoints from this share of a model's training on count


def wobble(checkpoints: pd.DataFrame, tasks: tuple[tuple[str, str], ...], models: pd.Index, link: Link) -> Array:
    """Variance of late checkpoints of each task and model, by second differences: (z1 - 2 z2 + z3)^2 / 6 on average,
    which no steady growth adds to (von Neumann's successive differences, once more differenced).

    The final checkpoint is left out: it is annealed, the others are not."""
    found = np.full((len(tasks), len(models)), np.nan)
    seen = checkpoints.dropna(subset="step")
    late = seen[seen["step"] >= LATE * seen.groupby(["model", "task", "metric"])["step"].transform("max")]
    late = late.groupby(["model", "task", "metric", "step"], sort=True)["value"].mean().reset_index()
    place = {pair: index for index, pair in enumerate(tasks)}
    column = {model: index for index, model in enumerate(models)}
    for (model, task, metric), part in late.groupby(["model", "task", "metric"]):
        pair = (str(task), str(metric))
        bends = np.diff(link.of(part["value"].to_numpy(dtype=float), np.inf), n=2)
        if len(bends) and model in column and pair in place:
            found[place[pair], column[model]] = float((bends**2).mean() / 6)
    return found
