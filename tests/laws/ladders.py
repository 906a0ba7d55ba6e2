"""Made-up ladders with known laws, and the way to the published ones."""

from pathlib import Path

import numpy as np
import pandas as pd

from shared_data import shared

SIZES = np.geomspace(1e6, 1e10, 9)


def published(name: str) -> Path:
    """A table of published results; its test skips where there is none."""
    return shared(f"ladders/{name}")


def grid_of_models(seed: int = 0) -> pd.DataFrame:
    """Sixty models of different n_params and n_tokens."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"n_params": 10 ** rng.uniform(7, 10, 60), "n_tokens": 10 ** rng.uniform(9, 12, 60)})


def chinchilla(table: pd.DataFrame, floor=1.8, size=480.0, data=2100.0, alpha=0.35, beta=0.37) -> pd.Series:
    return floor + size * table["n_params"] ** -alpha + data * table["n_tokens"] ** -beta


def accuracies(values: np.ndarray, n_items: int = 1000, chance: float | None = 0.25, sizes=SIZES) -> pd.DataFrame:
    table = pd.DataFrame({"n_params": sizes, "value": values, "metric": "acc", "n_items": n_items})
    return table if chance is None else table.assign(chance=chance)


def losses(values: np.ndarray, sizes=SIZES) -> pd.DataFrame:
    return pd.DataFrame({"n_params": sizes, "value": values, "metric": "loss"})
