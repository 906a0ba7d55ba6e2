"""How good the predictions were: the same few figures for every method."""

import numpy as np

from tasklaws.items.methods import ITEM_METHODS
from tasklaws.items.rolling import Origin
from tasklaws.stats.scores import concordance, log_loss

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


def summarise(origins: list[Origin]) -> dict[str, MethodFigures | None]:
    """Method -> its figures (see DEFINITIONS), None for a method whose column the table lacks."""
    usable = origins[0].predictions
    return {name: _figures(origins, name) if name in usable else None for name in ITEM_METHODS}


def _figures(origins: list[Origin], name: str) -> MethodFigures:
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
