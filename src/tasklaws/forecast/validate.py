"""The forecast against what the holdout did: one row a forecast, and the figures that sum it up."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from tasklaws.core.errors import TasklawsError
from tasklaws.stats.links import ARCSINE, LOG
from tasklaws.tables import BASELINE_NAMES, FORECASTS, ITEM_FORECASTS, VALIDATION, is_loss

_CURVE = FORECASTS.keys[1:]
_ERRORS = {"forecast": "abs_error", **{name: f"abs_error_{name}" for name in BASELINE_NAMES}}
CERTAIN = 1e-6  # a probability this close to 0 or 1 counts as this close


def compare(forecasts: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with what was observed (mean over seeds); a forecast without its observation raises TasklawsError.

    `error` is predicted - observed; `log_score` the log density (nats) of the observed on the scale on which the
    forecast is normal."""
    table = forecasts.merge(seen(observations), on=_CURVE, how="left", validate="one_to_one")
    lacking = table["observed"].isna()
    if lacking.any():
        row = table[lacking].iloc[0]
        what = " ".join(str(row[key]) for key in _CURVE[1:])
        raise TasklawsError(f"rung {row['rung']} has no observation of {what}: run `dvc repro score@{row['rung']}`")
    observed = table["observed"].to_numpy(dtype=float)
    loss = table["metric"].map(is_loss).to_numpy(dtype=bool)
    on_link = np.where(loss, LOG.of(observed, np.inf), ARCSINE.of(observed, np.inf))
    table["n_seeds"] = table["n_seeds"].astype(int)
    table["error"] = table["predicted"] - observed
    table["inside"] = (observed >= table["lower"] - 1e-9) & (observed <= table["upper"] + 1e-9)
    table["log_score"] = norm.logpdf(on_link, table["link_mean"], np.maximum(table["link_sd"], 1e-6))
    table["abs_error"] = table["error"].abs()
    for name in BASELINE_NAMES:
        table[f"abs_error_{name}"] = (table[name] - observed).abs()
    return table[VALIDATION.columns]


def seen(observations: pd.DataFrame) -> pd.DataFrame:
    return observations.groupby(_CURVE)["value"].agg(observed="mean", n_seeds="size").reset_index()


def metrics(validation: pd.DataFrame, methods: pd.DataFrame, items: pd.DataFrame) -> dict[str, Any]:
    """The figures for `dvc metrics show`: by metric, by family (exact match), by single method, by verdict, and of the
    items.

    `validation` comes from `compare`, `methods` are what each method said, `items` come from `judge_items`. What cannot
    be computed is left out."""
    solved = validation[validation["metric"] == "exact_match"]
    corpus = validation[(validation["metric"] == "loss_nats") & (validation["family"] == "corpus")]
    found: dict[str, Any] = {"all": {"n": len(validation), **sharpness(validation)}}
    if len(solved):
        found["exact_match"] = summary(solved)
        found["methods"] = by_method(solved, methods)
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


def by_method(solved: pd.DataFrame, methods: pd.DataFrame) -> dict[str, Any]:
    """Mean absolute error of every method that forecast all of these curves, and its mean weight in the combination."""
    both = methods.merge(solved[[*_CURVE, "observed"]], on=_CURVE)
    both["error"] = (both["predicted"] - both["observed"]).abs()
    return {
        str(name): rounded({"mae": float(part["error"].mean()), "weight": float(part["weight"].mean())})
        for name, part in both.groupby("method")
        if len(part) == len(solved)
    }


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Mean absolute error of the forecast and of each baseline that has one for every row, and `sharpness`."""
    errors = {f"mae_{method}": float(table[column].mean(skipna=False)) for method, column in _ERRORS.items()}
    known = {name: value for name, value in errors.items() if np.isfinite(value)}
    return {"n": len(table), **rounded(known), **sharpness(table)}


def sharpness(table: pd.DataFrame) -> dict[str, float]:
    """How many outcomes came out inside the intervals, how wide these are, and the mean log score."""
    width = (table["upper"] - table["lower"]).mean()
    return rounded(
        {
            "coverage": float(table["inside"].astype(float).mean()),
            "interval_width": float(width),
            "log_score": float(table["log_score"].mean()),
        }
    )


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def judge_items(item_forecasts: pd.DataFrame, forecasts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a holdout answer: its `probability`, the family's (`family_probability`, the same for each of
    its items), and `solved`; a score without a forecast raises TasklawsError."""
    family = forecasts.loc[forecasts["metric"] == "exact_match", [*ITEM_FORECASTS.keys[:3], "predicted"]]
    answers = scores.loc[scores["exact_match"].notna(), [*ITEM_FORECASTS.keys, "seed", "exact_match"]]
    table = answers.merge(item_forecasts, on=ITEM_FORECASTS.keys, how="left").merge(
        family, on=ITEM_FORECASTS.keys[:3], how="left"
    )
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
