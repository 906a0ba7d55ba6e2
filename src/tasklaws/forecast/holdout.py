"""The forecast of the holdout rungs: from fits, fit observations and sizes, and nothing of the holdout's
scores."""

from typing import Any

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.forecast.baselines import baselines
from tasklaws.forecast.engine import CurveFit, stream
from tasklaws.forecast.items import forecast_items
from tasklaws.forecast.tables import FORECAST_COLUMNS, ITEM_COLUMNS, by_key

LARGEST_BRIER = 2.0  # certain of the wrong choice


def forecast_ladder(
    fits: list[CurveFit],
    observations: pd.DataFrame,
    sizes: pd.DataFrame,
    n_seeds: dict[str, int],
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The forecasts (FORECAST_COLUMNS) and the items' probabilities (ITEM_COLUMNS) of every rung of `sizes`.

    `observations` are the final ones of the fit rungs, `sizes` the holdout's rows of the ladder table,
    `n_seeds` how many seeds each holdout rung has. A fit without observations raises TasklawsError."""
    tables = dict(by_key(observations))
    rows: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    for found in sorted(fits, key=lambda one: one.key):
        if found.key not in tables:
            raise TasklawsError(f"fits.json has {found.key}, the observations do not: run `dvc repro fit`")
        for size in sizes.to_dict("records"):
            rung = str(size["rung"])
            rows.append(forecast_row(found, tables[found.key], size, n_seeds[rung], seed))
            items += item_rows(found, rung, float(size[found.used.x]), n_seeds[rung], seed)
    return pd.DataFrame(rows, columns=FORECAST_COLUMNS), pd.DataFrame(items, columns=ITEM_COLUMNS)


def forecast_row(found: CurveFit, table: pd.DataFrame, size: dict[Any, Any], n_seeds: int, seed: int) -> dict[str, Any]:
    used = found.used
    x = float(size[used.x])
    rng = stream(seed, f"forecast {size['rung']}", found.key)
    interval = used.predict_interval(x, n_seeds, rng)
    if interval is not None and found.key.metric == "brier":
        interval = (interval[0], min(interval[1], LARGEST_BRIER))
    return {
        **found.key._asdict(),
        **{name: size[name] for name in ("ladder", "rung", "n_params", "n_tokens", "train_flops")},
        "predicted": float(used.predict(x)[0]),
        "lower": None if interval is None else interval[0],
        "upper": None if interval is None else interval[1],
        "law": used.law,
        "fit_status": used.status,
        "verdict": found.verdict,
        "evidence": found.evidence,
        **baselines(table, used.x, float(size["train_flops"])),
    }


def item_rows(found: CurveFit, rung: str, x: float, n_seeds: int, seed: int) -> list[dict[str, Any]]:
    if not found.difficulty:
        return []
    rng = stream(seed, f"items {rung}", found.key)
    difficulty = np.array(list(found.difficulty.values()))
    probability = forecast_items(difficulty, found.chance or 0.0, found.used, x, n_seeds, rng)
    key = {"rung": rung, "family": found.key.family, "elicitation": found.key.elicitation}
    return [
        {**key, "item": item, "probability": float(value)}
        for item, value in zip(found.difficulty, probability, strict=True)
    ]
