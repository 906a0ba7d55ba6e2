"""Which items the next model solves: each of a table's last models predicted from all earlier ones."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress
from tasklaws.core.result import Result, axes_or_new
from tasklaws.items.flags import OK, item_flags
from tasklaws.items.held_out import fit_for_best, held_out
from tasklaws.items.methods import ITEM_METHODS
from tasklaws.items.rolling import Origin, Rolling, predict
from tasklaws.items.table import ItemTable, check_items
from tasklaws.stats.scores import concordance, log_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EXAMPLES = 5  # items of one kind in a summary
HALF_WIDTH = float(ndtri(0.95))  # of a 90% interval, in standard errors
DEFINITIONS = {
    "log_loss": "-(y log p + (1 - y) log(1 - p)) in nats; the held-out model's mean score given, as one ability; "
    "mean over its items, then over held-out models",
    "brier": "(y - p)^2, averaged alike",
    "auc": "within each held-out model, the share of (solved, not solved) pairs of items in which the solved has the "
    "higher probability, ties half, solved meaning score >= 1/2; mean over the held-out models that have such pairs",
    "log_loss_extrapolated": "as log_loss, but the ability forecast from earlier models' dates or sizes, and averaged "
    "over that forecast's error",
    "never_solved_auc": "the auc among items that no earlier model scored >= 1/2 on; pairs within a held-out model, "
    "counted over all held-out models together",
    "unseen_family_log_loss": "as log_loss, but every item's difficulty from fits without its family (5 folds of whole "
    "families); null without two families",
}
MethodFigures = dict[str, float | None]


class ItemFigures(TypedDict):
    """What summary.json holds: who was held out and why, the methods' figures by DEFINITIONS, the fits that did not
    settle, each held-out model's mean score over all items, known (estimated where it was not asked all) and forecast,
    and how the table was read."""

    held_out: list[str]
    held_out_rule: str
    earlier_rule: str
    methods: dict[str, MethodFigures | None]
    definitions: dict[str, str]
    not_converged: list[dict[str, str]]
    abilities: dict[str, dict[str, float]]
    notes: list[str]


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
        """How good each method was and where each held-out model stands, as tables; bad items, and what to mind."""
        columns = ["log_loss", "brier", "auc", "log_loss_extrapolated"]
        usable = {name: each for name, each in self.figures["methods"].items() if each is not None}
        methods = pd.DataFrame([{"method": name, **{c: each[c] for c in columns}} for name, each in usable.items()])
        models = pd.DataFrame([{"model": model, **each} for model, each in self.figures["abilities"].items()])
        shown = [
            f"{len(self.difficulties)} items; log loss in nats, of each held-out model with its mean score given, and "
            "extrapolated:",
            methods.to_string(index=False, float_format="{:.3f}".format, na_rep="-"),
            "mean solved by each held-out model, and its forecast with a 90% interval:",
            models.to_string(index=False, float_format="{:.3f}".format),
        ]
        return "\n".join([*shown, *self._cautions(), *(f"note: {note}" for note in self.figures["notes"])])

    def _cautions(self) -> list[str]:
        """What hampers the figures, in lines."""
        lines = []
        ends = self.predictions.groupby("model")["score"].agg(["min", "max"])
        alike = ends.index[(ends["min"] == ends["max"]) & ends["min"].isin([0.0, 1.0])]
        certain = ", ".join(model for model in self.figures["held_out"] if model in alike)
        if certain:
            lines.append(f"all or no items solved, so that its mean alone gives log loss 0, and no AUC: {certain}")
        unsettled = len(self.figures["not_converged"])
        if unsettled:
            lines.append(f"{unsettled} fits did not settle: see not_converged among the figures")
        for flag, items in self.difficulties[self.difficulties["flag"] != OK].groupby("flag")["task"]:
            more = ", ..." if len(items) > _EXAMPLES else ""
            lines.append(f"items that look bad, {len(items)}, {flag}: {', '.join(items.head(_EXAMPLES))}{more}")
        return lines

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
    elif not isinstance(scores, pd.DataFrame):
        raise TasklawsError(f"the scores are a {type(scores).__name__}: give a table, or what read_item_scores gives")
    else:
        table = check_items(scores.set_axis(pd.RangeIndex(len(scores), name="scores")), "scores")
    origins, rolling = list[Origin](), Rolling(table)
    indices = held_out(table, last, records)
    with progress("difficulty", len(indices)) as advance:
        for index in indices:
            origins.append(predict(table, index, records, rolling))
            advance()
    predictions = pd.concat([_predictions(table, origin) for origin in origins], ignore_index=True)
    return ItemPredictions(predictions, _difficulties(table), _figures(origins, records, table))


def _mean_score(level: float, chance: Array) -> float:
    """The mean score over all items at a level, guesses included."""
    guessed = float(chance.mean())
    return guessed + (1 - guessed) * float(expit(level))


def _figures(origins: list[Origin], records: bool, table: ItemTable) -> ItemFigures:
    chance = table.chance
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
                "mean_solved": float(origin.scores.mean())
                if len(origin.scores) == len(chance)
                else _mean_score(origin.level, chance),
                "forecast": _mean_score(origin.forecast.mean, chance),
                "forecast_low": _mean_score(origin.forecast.mean - HALF_WIDTH * origin.forecast.stderr, chance),
                "forecast_high": _mean_score(origin.forecast.mean + HALF_WIDTH * origin.forecast.stderr, chance),
            }
            for origin in origins
        },
        "notes": list(table.notes),
    }


def summarise(origins: list[Origin]) -> dict[str, MethodFigures | None]:
    """Method -> its figures (see DEFINITIONS), None for a method whose column the table lacks."""
    usable = origins[0].predictions
    return {name: _method_figures(origins, name) if name in usable else None for name in ITEM_METHODS}


def _method_figures(origins: list[Origin], name: str) -> MethodFigures:
    pairs = [(origin, origin.predictions[name]) for origin in origins]
    all_items = [concordance(origin.scores, found.given) for origin, found in pairs]
    ratios = [right / total for right, total in all_items if total]
    never = [
        concordance(origin.scores[origin.never_solved], found.given[origin.never_solved]) for origin, found in pairs
    ]
    n_never = sum(total for _, total in never)
    unseen = [log_loss(origin.scores, found.unseen) for origin, found in pairs if found.unseen is not None]
    return {
        "log_loss": float(np.mean([log_loss(origin.scores, found.given) for origin, found in pairs])),
        "brier": float(np.mean([((origin.scores - found.given) ** 2).mean() for origin, found in pairs])),
        "auc": float(np.mean(ratios)) if ratios else None,
        "log_loss_extrapolated": float(
            np.mean([log_loss(origin.scores, found.extrapolated) for origin, found in pairs])
        ),
        "never_solved_auc": sum(right for right, _ in never) / n_never if n_never else None,
        "unseen_family_log_loss": float(np.mean(unseen)) if unseen else None,
    }


def _predictions(table: ItemTable, origin: Origin) -> pd.DataFrame:
    """One row for each item asked and usable method."""
    parts = []
    for name, found in origin.predictions.items():
        columns = {
            "model": origin.model,
            "task": table.items.index[origin.asked],
            "method": name,
            "score": origin.scores,
            "never_solved": origin.never_solved.astype(int),
            "probability": found.given,
            "probability_extrapolated": found.extrapolated,
        }
        unseen = {} if found.unseen is None else {"probability_unseen_family": found.unseen}
        parts.append(pd.DataFrame({**columns, **unseen}))
    return pd.concat(parts)


def _difficulties(table: ItemTable) -> pd.DataFrame:
    """Every item's difficulty by the full method on all models, for a model like the best so far, with a 90% interval;
    and what looks bad about it (`item_flags`).

    In logits: a model of that level has even odds at difficulty 0. Items that no model has solved have one too."""
    fitted, best, place = fit_for_best(table, ITEM_METHODS["full"])
    difficulty = -fitted.offsets(*place) - fitted.fit.ability[best]
    half = HALF_WIDTH * fitted.offsets_stderr(*place)
    flags = item_flags(table)
    return pd.DataFrame(
        {
            "task": table.items.index,
            "difficulty": difficulty,
            "low": difficulty - half,
            "high": difficulty + half,
            "solved": (np.nan_to_num(table.scores) >= 0.5).sum(axis=1),
            "asked": (~np.isnan(table.scores)).sum(axis=1),
            "discrimination": flags["discrimination"].to_numpy(),
            "flag": flags["flag"].to_numpy(),
        }
    )
