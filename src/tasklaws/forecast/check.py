"""The forecast against what the holdout did: one row a forecast, and the figures that sum it up."""

from typing import Any

import numpy as np
import pandas as pd

from tasklaws.errors import TasklawsError
from tasklaws.forecast.baselines import BASELINES
from tasklaws.forecast.tables import FORECAST_COLUMNS, ITEM_KEYS

POINT_KEYS = ["rung", "family", "elicitation", "metric"]
VALIDATION_COLUMNS = [
    *FORECAST_COLUMNS,
    "observed",
    "n_seeds",
    "error",
    "inside",
    "abs_error",
    *(f"abs_error_{name}" for name in BASELINES),
]
METHODS = {"forecast": "abs_error", **{name: f"abs_error_{name}" for name in BASELINES}}
CERTAIN = 1e-6  # a probability this close to 0 or 1 counts as this close


def compare(forecasts: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with what was observed (mean over seeds); a forecast without its observation raises
    TasklawsError.

    `error` is predicted - observed; `inside` is empty where no interval was given.
    """
    seen = observations.groupby(POINT_KEYS)["value"].agg(observed="mean", n_seeds="size").reset_index()
    table = forecasts.merge(seen, on=POINT_KEYS, how="left", validate="one_to_one")
    lacking = table["observed"].isna()
    if lacking.any():
        row = table[lacking].iloc[0]
        what = " ".join(str(row[key]) for key in POINT_KEYS[1:])
        raise TasklawsError(f"rung {row['rung']} has no observation of {what}: run `dvc repro score@{row['rung']}`")
    table["n_seeds"] = table["n_seeds"].astype(int)
    table["error"] = table["predicted"] - table["observed"]
    inside = (table["observed"] >= table["lower"] - 1e-9) & (table["observed"] <= table["upper"] + 1e-9)
    table["inside"] = inside.astype(object).where(table["lower"].notna(), None)
    table["abs_error"] = table["error"].abs()
    for name in BASELINES:
        table[f"abs_error_{name}"] = (table[name] - table["observed"]).abs()
    return table[VALIDATION_COLUMNS]


def metrics(validation: pd.DataFrame, items: pd.DataFrame) -> dict[str, Any]:
    """The figures for `dvc metrics show`: by metric, by family (exact match), by verdict, and of the items.

    `validation` comes from `compare`, `items` from `judge_items`. What cannot be computed is left out.
    """
    solved = validation[validation["metric"] == "exact_match"]
    corpus = validation[(validation["metric"] == "loss_nats") & (validation["family"] == "corpus")]
    found: dict[str, Any] = {"all": {"n": len(validation), **coverage(validation)}}
    if len(solved):
        found["exact_match"] = summary(solved)
        found["by_verdict"] = {str(name): summary(part) for name, part in solved.groupby("verdict")}
        found["families"] = {
            f"{row['family']}_{row['elicitation']}@{row['rung']}": rounded(
                {name: float(row[name]) for name in ("predicted", "observed", "error", "repeat_last")}
            )
            for _, row in solved.iterrows()
        }
    if len(corpus):
        found["loss_nats"] = summary(corpus)
    if len(items):
        found["items"] = item_summary(items)
    return found


def summary(table: pd.DataFrame) -> dict[str, Any]:
    errors = {f"mae_{method}": float(table[column].mean()) for method, column in METHODS.items()}
    known = {name: value for name, value in errors.items() if np.isfinite(value)}
    return {"n": len(table), **rounded(known), **coverage(table)}


def coverage(table: pd.DataFrame) -> dict[str, float]:
    told = table["inside"].dropna()
    return {"coverage": round(float(told.astype(bool).mean()), 6)} if len(told) else {}


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def judge_items(item_forecasts: pd.DataFrame, forecasts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a holdout answer: its `probability`, the family's (`family_probability`, the same for each of
    its items), and `solved`; a score without a forecast raises TasklawsError."""
    family = forecasts.loc[forecasts["metric"] == "exact_match", [*ITEM_KEYS[:3], "predicted"]]
    answers = scores.loc[scores["exact_match"].notna(), [*ITEM_KEYS, "seed", "exact_match"]]
    table = answers.merge(item_forecasts, on=ITEM_KEYS, how="left").merge(family, on=ITEM_KEYS[:3], how="left")
    lacking = table["probability"].isna() | table["predicted"].isna()
    if lacking.any():
        row = table[lacking].iloc[0]
        what = f"{row['family']} {row['elicitation']} {row['item']}"
        raise TasklawsError(f"{what} was scored at {row['rung']} but never forecast: run `dvc repro forecast`")
    return table.rename(columns={"predicted": "family_probability", "exact_match": "solved"})


def item_summary(items: pd.DataFrame) -> dict[str, Any]:
    """Log-loss (bits an answer) and Brier score of the items' probabilities, and of the family's for each of
    its items."""
    solved = items["solved"].to_numpy(dtype=float)
    found: dict[str, Any] = {"n": len(items)}
    for name, column in (("forecast", "probability"), ("family_mean", "family_probability")):
        guess = items[column].to_numpy(dtype=float)
        found |= rounded({f"log_loss_{name}": float(log_loss(guess, solved).mean())})
        found |= rounded({f"brier_{name}": float(((guess - solved) ** 2).mean())})
    return found


def log_loss(probability: np.ndarray, solved: np.ndarray) -> np.ndarray:
    """-log2 of the probability of what was seen; a fractional score counts as that share of a success."""
    inside = np.clip(probability, CERTAIN, 1 - CERTAIN)
    return np.asarray(-solved * np.log2(inside) - (1 - solved) * np.log2(1 - inside))
