"""Which items the next model solves: each of a table's last models predicted from all earlier ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.items.ability import Levels
from tasklaws.items.methods import ITEM_METHODS, FittedMethod
from tasklaws.items.rolling import Origin, held_out, predict
from tasklaws.items.scoring import DEFINITIONS, summarise
from tasklaws.items.table import ItemTable, check_items

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF_WIDTH = float(norm.ppf(0.95))
"""Of a 90% interval, in standard errors."""


@dataclass(frozen=True, eq=False, repr=False)
class ItemPredictions(Result):
    """What every method said of every item of each held-out model.

    `predictions` has a row a model, task and method: score, never_solved, probability (the model's mean score given),
    probability_extrapolated (its mean forecast too) and, with families, probability_unseen_family. `difficulties` has a
    row a task: difficulty in logits with its 90% interval. `figures` says how good each method was, by what definition,
    and who was held out."""

    predictions: pd.DataFrame
    difficulties: pd.DataFrame
    figures: dict[str, Any]

    def summary(self) -> str:
        """A line a method with its log loss in nats, and what hampers the figures."""
        lines = []
        for name, figures in self.figures["methods"].items():
            if figures is not None:
                given, extrapolated = figures["log_loss"], figures["log_loss_extrapolated"]
                lines.append(f"{name:14s} log loss {given:.3f}, with the ability forecast too {extrapolated:.3f}")
        ends = self.predictions.groupby("model")["score"].agg(["min", "max"])
        alike = ends.index[(ends["min"] == ends["max"]) & ends["min"].isin([0.0, 1.0])]
        certain = ", ".join(model for model in self.figures["held_out"] if model in alike)
        if certain:
            lines.append(f"all or no items solved, so that its mean alone gives log loss 0, and no AUC: {certain}")
        unsettled = len(self.figures["not_converged"])
        if unsettled:
            lines.append(f"{unsettled} fits did not settle: see not_converged among the figures")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """`figures`, in plain JSON types."""
        return self.figures

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the difficulties in order, with their 90% intervals."""
        ax = axes_or_new(ax)
        table = self.difficulties.sort_values("difficulty", ignore_index=True)
        ax.vlines(table.index, table["low"], table["high"], color="0.7", linewidth=1)
        ax.plot(table.index, table["difficulty"], ".")
        ax.set_xlabel("items, from the easiest")
        ax.set_ylabel("difficulty (logits)")
        return ax


def predict_items(scores: pd.DataFrame | ItemTable, last: int = 6, *, records: bool = False) -> ItemPredictions:
    """Predict each of the last models, item by item, from all earlier ones.

    `scores` has a row a model and task: model, task, score in [0, 1], date or n_params, and what is known of the tasks
    (docs/difficulty.md lists the columns), or is what `read_items` gives. The `last` models are held out, by date or
    size; with `records`, the last whose mean score reached that of all before them. Log losses are in nats. A table
    that cannot be, and more models than have earlier ones, raise TasklawsError. Source: item response explained by
    covariates (De Boeck and Wilson 2004).

    >>> import pandas as pd
    >>> rows = [(f"m{m}", 10.0**m, f"t{t:02}", float(m + 1 > t / 4), 2.0**t) for m in range(1, 6) for t in range(20)]
    >>> scores = pd.DataFrame(rows, columns=["model", "n_params", "task", "score", "human_minutes"])
    >>> found = predict_items(scores, last=2)
    >>> found.figures["held_out"], found.figures["methods"]["time"]["log_loss"] < 0.4
    (['m4', 'm5'], True)
    """
    if isinstance(scores, ItemTable):
        table = scores
    else:  # numbered so that a refusal, which adds 2 for the lines of a file, names the row from 0
        table = check_items(scores.set_axis(range(-2, len(scores) - 2)), "scores")
    indices = held_out(table, last, records)
    origins = []
    with progress("difficulty", len(indices)) as advance:
        for index in indices:
            origins.append(predict(table, index, records))
            advance()
    return ItemPredictions(predictions_of(table, origins), difficulties_of(table), summary_of(origins, records))


def summary_of(origins: list[Origin], records: bool) -> dict[str, Any]:
    """What `summary.json` holds: who was held out and why, the methods' figures, their definitions, and the
    abilities."""
    return {
        "held_out": [origin.model for origin in origins],
        "held_out_rule": "the last models whose mean score reaches or exceeds that of every model before them"
        if records
        else "the last models by date, or else by n_params",
        "earlier_rule": "all models with an earlier date (or smaller n_params), record setters or not",
        "methods": summarise(origins),
        "definitions": DEFINITIONS,
        "not_converged": [
            {"model": origin.model, "method": name}
            for origin in origins
            for name, prediction in origin.predictions.items()
            if not prediction.converged
        ],
        "abilities": {
            origin.model: {
                "mean_solved": float(expit(origin.level)),
                "forecast": float(expit(origin.forecast.mean)),
                "forecast_low": float(expit(origin.forecast.mean - HALF_WIDTH * origin.forecast.stderr)),
                "forecast_high": float(expit(origin.forecast.mean + HALF_WIDTH * origin.forecast.stderr)),
            }
            for origin in origins
        },
    }


def predictions_of(table: ItemTable, origins: list[Origin]) -> pd.DataFrame:
    """One row for each held-out model, item asked and usable method."""
    parts = []
    for origin in origins:
        for name, prediction in origin.predictions.items():
            columns = {
                "model": origin.model,
                "task": table.items.index[origin.asked],
                "method": name,
                "score": origin.scores,
                "never_solved": origin.never_solved.astype(int),
                "probability": prediction.given,
                "probability_extrapolated": prediction.extrapolated,
            }
            if prediction.unseen is not None:
                columns["probability_unseen_family"] = prediction.unseen
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def difficulties_of(table: ItemTable) -> pd.DataFrame:
    """Every item's difficulty by the full method on all models, for a model like the best so far, with a 90% interval.

    In logits: a model of that level has even odds at difficulty 0. Items that no model has solved have one too.
    """
    levels = Levels.of(table).earlier
    fitted = FittedMethod.to(table, levels, ITEM_METHODS["full"], ITEM_METHODS["full"].explanation(table))
    best = int(levels.argmax())
    where = float(levels[best]), float(table.position[best])
    difficulty = -fitted.offsets(*where) - fitted.fit.ability[best]
    half = HALF_WIDTH * fitted.offsets_stderr(*where)
    return pd.DataFrame(
        {
            "task": table.items.index,
            "difficulty": difficulty,
            "low": difficulty - half,
            "high": difficulty + half,
            "solved": (np.nan_to_num(table.scores) >= 0.5).sum(axis=1),
            "asked": (~np.isnan(table.scores)).sum(axis=1),
        }
    )
