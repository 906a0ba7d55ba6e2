"""Made-up ladders with known truth: tables of points and panels."""

import numpy as np
import pandas as pd
from scipy.special import expit

from tasklaws.forecast.panel import Panel

SIZES = np.geomspace(1e7, 3e9, 6)


def draw(rng, share, n_items):
    return rng.binomial(n_items, np.clip(share, 0, 1)) / n_items


def rises(rng, n_tasks, sizes, noise=0.05):
    """Probabilities (tasks, models) that rise as logistics in ln size, with noise from model to model."""
    x = np.log(sizes / sizes[0])
    slope, middle = rng.uniform(0.25, 0.7, (n_tasks, 1)), rng.uniform(0, x[-1], (n_tasks, 1))
    return expit(slope * (x - middle) + noise * rng.standard_normal((n_tasks, len(sizes))))


def table(value, sizes, n_items=500, metric="acc", tokens=20.0, ladder="made_up", chance=None, losses=True):
    """Points of a ladder, as `read_points` gives them: scores (tasks, models), and a validation loss of each model."""
    rows = []
    for place, size in enumerate(sizes):
        model = {"ladder": ladder, "model": f"m{place:02}", "n_params": size, "n_tokens": tokens * size}
        model |= {"train_flops": 6 * tokens * size**2, "step": np.nan, "is_final": True}
        for task, row in enumerate(np.atleast_2d(value)):
            known = {"stderr": np.nan, "n_items": float(n_items), "chance": np.nan if chance is None else chance}
            rows.append({**model, "task": f"t{task:02}", "metric": metric, "value": row[place], **known})
        if losses:
            loss = 1.7 + 400 * size**-0.35 + 400 * (tokens * size) ** -0.28
            rows.append({**model, "task": "web", "metric": "loss", "value": loss})
    return pd.DataFrame(rows)


def panel(value, sizes=None, n_items=500, tokens=20.0, chance=np.nan, losses=True, n_eff=np.nan) -> Panel:
    """The panel of a ladder of scores (tasks, models), with a validation loss of each model."""
    value = np.atleast_2d(np.asarray(value, dtype=float))
    n_tasks, n_models = value.shape
    sizes = (
        np.geomspace(1e7, 1e7 * 3.0 ** (n_models - 1), n_models) if sizes is None else np.asarray(sizes, dtype=float)
    )
    order = np.argsort(sizes, kind="stable")
    sizes = sizes[order]
    loss = 1.7 + 400 * sizes**-0.35 + 400 * (tokens * sizes) ** -0.28
    return Panel(
        ladder="made_up",
        loss=False,
        tasks=tuple((f"t{task:02}", "acc") for task in range(n_tasks)),
        models=tuple(f"m{model:02}" for model in order),
        n_params=sizes,
        n_tokens=tokens * sizes,
        train_flops=6 * tokens * sizes**2,
        days=np.full(n_models, np.nan),
        value=value[:, order],
        n_items=np.full(value.shape, float(n_items)),
        n_eff=np.full(value.shape, float(n_eff)),
        chance=np.full(value.shape, chance),
        checkpoint_noise=np.full(value.shape, np.nan),
        others=(("web", "loss"),) if losses else (),
        other_is_loss=(True,) if losses else (),
        other_values=loss[None] if losses else np.empty((0, n_models)),
    )
