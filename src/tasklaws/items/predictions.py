"""Which items the next model solves: each of a table's last models predicted from all earlier ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.items.methods import ITEM_METHODS
from tasklaws.items.rolling import Origin, fit_for_best, held_out, predict
from tasklaws.items.scoring import DEFINITIONS, MethodFigures, summarise
from tasklaws.items.table import ItemTable, check_items

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF_WIDTH = float(norm.ppf(0.95))  # of a 90% interval, in standard errors


class ItemFigures(TypedDict):
    """What summary.json holds: who was held out and why, the methods' figures by DEFINITIONS, the fits that did not
    settle, and each held-out model's ability, known and forecast, as the mean probability over the items."""

    held_out: list[str]
    held_out_rule: str
    earlier_rule: str
    methods: dict[str, MethodFigures | None]
    definitions: dict[str, str]
    not_converged: list[dict[str, str]]
    abilities: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False, repr=False)
class ItemPredictions(Result):
    """Every method's predictions of every item of each held-out model.

    `predictions` has a row a model, task and method: score, never_solved, probability (the model's mean score given),
    probability_extrapolated (its mean forecast too) and, with families, probability_unseen_family. `difficulties` has a
    row a task: difficulty in logits with its 90% interval. `figures` says how good each method was."""

    predictions: pd.DataFrame
    difficulties: pd.DataFrame
    figures: ItemFigures

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

    def to_dict(self) -> dict[str, object]:
        """`figures`, in plain JSON types."""
        return {**self.figures}

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
    (docs/difficulty.md lists the columns), or is what `read_item_scores` gives. The `last` models are held out, by date
    or size; with `records`, the last whose mean score reached that of all before them. Log losses are in nats. A table
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
    origins = []
    indices = held_out(table, last, records)
    with progress("difficulty", len(indices)) as advance:
        for index in indices:
            origins.append(predict(table, index, records))
            advance()
    predictions = pd.concat([_predictions(table, origin) for origin in origins], ignore_index=True)
    return ItemPredictions(predictions, _difficulties(table), _figures(origins, records))


def _figures(origins: list[Origin], records: bool) -> ItemFigures:
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


def _predictions(table: ItemTable, origin: Origin) -> pd.DataFrame:
    """One row for each item asked and usable method."""
    parts = {
        name: pd.DataFrame(
            {
                "model": origin.model,
                "task": table.items.index[origin.asked],
                "method": name,
                "score": origin.scores,
                "never_solved": origin.never_solved.astype(int),
                "probability": found.given,
                "probability_extrapolated": found.extrapolated,
                **({} if found.unseen is None else {"probability_unseen_family": found.unseen}),
            }
        )
        for name, found in origin.predictions.items()
    }
    return pd.concat(parts.values())


def _difficulties(table: ItemTable) -> pd.DataFrame:
    """Every item's difficulty by the full method on all models, for a model like the best so far, with a 90% interval.

    In logits: a model of that level has even odds at difficulty 0. Items that no model has solved have one too.
    """
    fitted, best, place = fit_for_best(table, ITEM_METHODS["full"])
    difficulty = -fitted.offsets(*place) - fitted.fit.ability[best]
    half = HALF_WIDTH * fitted.offsets_stderr(*place)
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
