"""The forecast against what the holdout did: one row a forecast, and the figures that sum it up."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json
from tasklaws.forecast.surprises import (
    conditional_answers,
    count_surprises,
    read_all_items,
    surprises,
    surprising_skills,
)
from tasklaws.paths import Paths
from tasklaws.stats.links import ARCSINE, LOG
from tasklaws.stats.scores import interval_figures, is_inside, rounded
from tasklaws.tables import (
    BASELINE_NAMES,
    FORECASTS,
    ITEM_FORECASTS,
    METHOD_FORECASTS,
    SURPRISE_COUNTS,
    SURPRISES,
    SURPRISING_SKILLS,
    VALIDATION,
    each_scores,
    is_loss,
    read_checkpoints,
    read_final_scores,
    read_observations,
    refuse_identical,
)
from tasklaws.tabular.points import to_points, write_points

_OF_CURVE = FORECASTS.keys[1:]
_CERTAIN = 1e-6  # a probability this close to 0 or 1 counts as this close


class Compared(NamedTuple):
    """How many forecasts were compared, and which tasks of the holdout had none, as no rung to fit was asked them."""

    n_forecasts: int
    unforecast: list[str]


def validate_ladder(paths: Paths, fit: Sequence[str], holdout: Sequence[str]) -> Compared:
    """Write points, validation, surprises and metrics of a ladder with these rungs.

    An input that is missing or malformed, a forecast without its observation, an answer that was never forecast though
    the rungs to fit were asked alike, and two rungs of identical responses raise TasklawsError before anything is
    written.
    """
    forecasts = FORECASTS.read(paths.forecasts)
    observations = read_observations(paths.observations("holdout"), holdout)
    fitted = read_checkpoints(paths.observations("fit"))
    scores = read_final_scores(paths.scores("holdout"), holdout, observations)
    is_new = ~_tasks(scores).isin(_tasks(fitted))
    unforecast, scores = sorted(set(_tasks(scores[is_new]))), scores[~is_new]
    roles = (("fit", fit), ("holdout", holdout))
    for _ in refuse_identical(table for role, rungs in roles for table in each_scores(paths.scores(role), rungs)):
        pass
    methods = METHOD_FORECASTS.read(paths.methods)
    validation = compare_forecasts(forecasts, observations)
    items = compare_items(ITEM_FORECASTS.read(paths.item_forecasts), forecasts, scores)
    known = read_all_items(paths.root, sorted(set(items["family"])))
    answers = conditional_answers(items, known)
    surprising = surprises(answers, forecasts, known)
    points = to_points(pd.concat([fitted, read_checkpoints(paths.observations("holdout"))]))
    write_points(paths.points, points)
    FORECASTS.write(paths.validation, validation)
    SURPRISES.write(paths.surprises, surprising)
    SURPRISE_COUNTS.write(paths.surprise_counts, count_surprises(answers, surprising))
    SURPRISING_SKILLS.write(paths.surprising_skills, surprising_skills(answers, known))
    write_json(paths.metrics, metrics(validation, methods, items))
    return Compared(len(validation), unforecast)


def _tasks(table: pd.DataFrame) -> pd.Series:
    return table["family"] + "_" + table["elicitation"]


def compare_forecasts(forecasts: pd.DataFrame, observations: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with what was observed (mean over seeds); a forecast without its observation raises TasklawsError.

    `error` is predicted - observed; `log_score` the log density (nats) of the observed on the scale on which the
    forecast is normal."""
    means = observations.groupby(_OF_CURVE)["value"].agg(observed="mean", n_seeds="size").reset_index()
    table = forecasts.merge(means, on=_OF_CURVE, how="left", validate="one_to_one")
    lacking = table["observed"].isna()
    if lacking.any():
        row = table[lacking].iloc[0]
        what = " ".join(str(row[key]) for key in _OF_CURVE[1:])
        raise TasklawsError(f"rung {row['rung']} has no observation of {what}: run `dvc repro score@{row['rung']}`")
    observed = table["observed"].to_numpy(dtype=float)
    loss = table["metric"].map(is_loss).to_numpy(dtype=bool)
    on_link = np.where(loss, LOG.of(observed, np.inf), ARCSINE.of(observed, np.inf))
    table["n_seeds"] = table["n_seeds"].astype(int)
    table["error"] = table["predicted"] - observed
    table["inside"] = is_inside(table)
    table["log_score"] = norm.logpdf(on_link, table["link_mean"], np.maximum(table["link_sd"], 1e-6))
    table["abs_error"] = table["error"].abs()
    for name in BASELINE_NAMES:
        table[f"abs_error_{name}"] = (table[name] - observed).abs()
    return VALIDATION.pick(table)


def metrics(validation: pd.DataFrame, methods: pd.DataFrame, items: pd.DataFrame) -> dict[str, object]:
    """The figures for `dvc metrics show`: by metric, by family (exact match), by single method, by verdict, and of the
    items.

    `validation` comes from `compare_forecasts`, `items` from `compare_items`, `methods` are the forecasts of each. What
    cannot be computed is left out."""
    solved = validation[validation["metric"] == "exact_match"]
    corpus = validation[(validation["metric"] == "loss_nats") & (validation["family"] == "corpus")]
    found: dict[str, object] = {"all": {"n": len(validation), **interval_figures(validation)}}
    if len(solved):
        found["exact_match"] = _error_figures(solved)
        found["methods"] = _figures_by_method(solved, methods)
        found["by_verdict"] = {str(name): _error_figures(part) for name, part in solved.groupby("verdict")}
        found["families"] = {
            f"{row['family']}_{row['elicitation']}@{row['rung']}": rounded(
                {name: row[name] for name in ("predicted", "observed", "error", "repeat_last")}
            )
            for _, row in solved.iterrows()
        }
    if len(corpus):
        found["loss_nats"] = _error_figures(corpus)
    if len(items):
        found["items"] = item_figures(items)
    return found


def _figures_by_method(solved: pd.DataFrame, methods: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean absolute error of every method that forecast all of these curves, and its mean weight in the combination."""
    both = methods.merge(solved[[*_OF_CURVE, "observed"]], on=_OF_CURVE)
    both["mae"] = (both["predicted"] - both["observed"]).abs()
    return {
        str(name): rounded(dict(part[["mae", "weight"]].mean()))
        for name, part in both.groupby("method")
        if len(part) == len(solved)
    }


def _error_figures(table: pd.DataFrame) -> dict[str, float]:
    """Mean absolute error of the forecast and of each baseline that has one for every row, and `interval_figures`."""
    columns = {"forecast": "abs_error", **{name: f"abs_error_{name}" for name in BASELINE_NAMES}}
    errors = {f"mae_{name}": table[column].mean(skipna=False) for name, column in columns.items()}
    return {"n": len(table), **rounded(errors), **interval_figures(table)}


def compare_items(item_forecasts: pd.DataFrame, forecasts: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a holdout answer: its `probability`, the family's (`family_probability`, the same for each of its items),
    and `solved`; a score without a forecast raises TasklawsError."""
    keys = ITEM_FORECASTS.keys[:3]
    family = forecasts.loc[forecasts["metric"] == "exact_match", [*keys, "predicted"]]
    answers = scores.loc[scores["exact_match"].notna(), [*ITEM_FORECASTS.keys, "seed", "exact_match"]]
    table = answers.merge(item_forecasts, on=ITEM_FORECASTS.keys, how="left").merge(family, on=keys, how="left")
    lacking = table["probability"].isna() | table["predicted"].isna()
    if lacking.any():
        row = table[lacking].iloc[0]
        what = f"{row['family']} {row['elicitation']} {row['item']}"
        raise TasklawsError(f"{what} was scored at {row['rung']} but never forecast: run `dvc repro forecast`")
    return table.rename(columns={"predicted": "family_probability", "exact_match": "solved"})


def item_figures(items: pd.DataFrame) -> dict[str, float]:
    """Log loss (bits an answer) and Brier score of the items' probabilities, and of the family's for each of its
    items."""
    solved = items["solved"].to_numpy(dtype=float)
    found: dict[str, float] = {"n": len(items)}
    for name, column in (("forecast", "probability"), ("family_mean", "family_probability")):
        guess = items[column].to_numpy(dtype=float)
        bits, brier = log_loss_bits(guess, solved).mean(), ((guess - solved) ** 2).mean()
        found |= rounded({f"log_loss_{name}": bits, f"brier_{name}": brier})
    return found


def log_loss_bits(probability: np.ndarray, solved: np.ndarray) -> np.ndarray:
    """-log2 of the probability of what happened; a fractional score counts as that share of a success."""
    inside = np.clip(probability, _CERTAIN, 1 - _CERTAIN)
    return np.asarray(-solved * np.log2(inside) - (1 - solved) * np.log2(1 - inside))
