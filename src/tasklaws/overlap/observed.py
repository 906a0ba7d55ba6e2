"""How many independent tasks a set of items is worth, as models' scores show it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from tasklaws.core.errors import TasklawsError
from tasklaws.core.result import Result, axes_or_new
from tasklaws.overlap.summary import OBSERVED_LEVEL, is_certain, observe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ITEM_SCORE = "exact_match"  # as the pipeline names an item's score
CONTRASTS = {"seeds": "between seeds", "trend": "around a smooth trend in size"}


@dataclass(frozen=True, repr=False)
class EffectiveNumber(Result):
    """As many independent tasks would have a mean score of the same variance: `value`, with its 90% interval.

    `contrast` says what the items' joint flips were seen in: runs that differ in the seed alone (`seeds`), or what a
    smooth trend leaves (`trend`). `n_rungs` models of equal weight tell as much. `certain` is false where they are too
    few to say more than 1 to n_items."""

    value: float
    low: float
    high: float
    n_items: int
    n_rungs: float
    contrast: str
    certain: bool

    def summary(self) -> str:
        """One sentence, which says whether the number is to be believed."""
        doubt = "" if self.certain else ": too few rungs tell"
        limits = f"{OBSERVED_LEVEL:.0%} {self.low:.1f} to {self.high:.1f}"
        seen = f"seen {CONTRASTS[self.contrast]} at {self.n_rungs:.1f} rungs"
        return f"{self.n_items} items are worth {self.value:.1f} independent tasks ({limits}), {seen}{doubt}"

    def to_dict(self) -> dict[str, object]:
        """The fields by name, and `level`."""
        return {**vars(self), "level": OBSERVED_LEVEL}

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the number with its interval between 1 and n_items."""
        ax = axes_or_new(ax)
        ax.errorbar([self.value], [0], xerr=[[self.value - self.low], [self.high - self.value]], fmt="o")
        ax.set_xscale("log")
        ax.set_xlim(0.9, self.n_items * 1.1)
        ax.set_yticks([])
        ax.set_xlabel(f"independent tasks, of {self.n_items} items")
        return ax


def effective_number(scores: pd.DataFrame, *, score: str = "score") -> EffectiveNumber:
    """The number of independent tasks that items are worth: n / (1 + (n - 1) r), r the mean correlation of two items.

    `scores` has a row a model and item: model (or rung), item (or task), the column `score` in [0, 1] and, where there
    are several, seed and step; n_params and n_tokens serve the trend of models of one seed. What models have in common
    at a size is taken out first: by comparing seeds, else by a smooth trend. The interval, of 90%, is by jackknife over
    models. Fewer than two items or models, scores that never change, and one seed without sizes raise TasklawsError.
    Sources: Kish 1965, Survey Sampling, section 5.4; docs/overlap.md.

    >>> import numpy as np, pandas as pd
    >>> solved = np.random.default_rng(0).random((6, 4, 2)) < 0.5  # model, seed, skill
    >>> scores = pd.DataFrame(list(np.ndindex(6, 4, 20)), columns=["model", "seed", "item"])
    >>> found = effective_number(scores.assign(score=solved[scores["model"], scores["seed"], scores["item"] % 2]))
    >>> found.n_items, found.contrast, found.low < 2 < found.high
    (20, 'seeds', True)
    """
    names = {"model": "rung", "task": "item", score: _ITEM_SCORE}
    table = scores.rename(columns={old: new for old, new in names.items() if old in scores and new not in scores})
    for column, other in (("rung", "model"), ("item", "task"), (_ITEM_SCORE, score)):
        if column not in table:
            raise TasklawsError(f"no column {other!r} among {', '.join(map(str, scores))}: the scores need one")
    for column in ("seed", "step"):
        table = table if column in table else table.assign(**{column: 0})
    table = table.dropna(subset=_ITEM_SCORE)
    keys = ["rung", "seed", "step"]
    sizes = table[[*keys, *({"n_params", "n_tokens"} & set(table))]].drop_duplicates(keys)
    contrast, _, seen = observe(
        table[[*keys, "item", _ITEM_SCORE]], sizes.reindex(columns=[*keys, "n_params", "n_tokens"]).fillna(1.0)
    )
    if seen is None:
        raise TasklawsError(
            "nothing tells how items hang together: give models that differ in some items, with several seeds each, or "
            "n_params (and n_tokens) of six or more"
        )
    return EffectiveNumber(
        seen.n_eff.value, seen.n_eff.low, seen.n_eff.high, seen.n_items, seen.n_rungs, contrast, is_certain(seen)
    )
