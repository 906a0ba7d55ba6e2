"""Item scores by cell (a run at a checkpoint), and what is left of them when the common trend along scale is taken out.

A shared skill makes items flip together. The trend must not be taken from the same aggregate, or a set that hangs on
one skill would leave nothing to see: the residuals of a free mean at each cell sum to 0 over items, so that their
mean correlation is -1 / (n - 1) whatever the overlap. Two contrasts avoid it, the first being the better:

- `between_seeds`: runs that differ in nothing but the seed. Any trend cancels exactly, smooth or not.
- `around_trend`: a smooth trend, for ladders of one seed. A trend that is as sharp as a step swallows a step."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.errors import TasklawsError
from tasklaws.stats.rasch import fit_rasch, solve_probability

Labels = NDArray[np.intp]
ITEM_SD = 3.0  # logits; learned, it lets a trend follow a step more closely, and n_eff comes out worse (docs/log.md)


@dataclass(frozen=True, eq=False)
class Cells:
    """Scores in [0, 1], (items, cells), NaN where unknown; of each cell the rung, seed and step, as labels 0, 1, ..."""

    items: tuple[str, ...]
    score: Array
    rung: Labels
    seed: Labels
    step: Labels


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the trend leaves, (items, cells), NaN where unknown, and the rung of each cell: those of one rung are kin.

    `inflation` makes good, in the variance of their sum over items, what a fitted trend took out of it."""

    value: Array
    rung: Labels
    inflation: float = 1.0


def read_cells(scores: pd.DataFrame, metric: str) -> Cells:
    """The cells of a score table (columns rung, seed, step, item and the metric), items in order of their id.

    Labels follow the sorted names. An item that was not asked at a checkpoint has no row there. A score outside [0, 1],
    two scores in one cell or fewer than two items raise TasklawsError."""
    keys = ["rung", "seed", "step"]

    def first(rows: pd.Series) -> str:
        return ", ".join(f"{key} {scores.loc[rows, key].iloc[0]}" for key in [*keys, "item"])

    bad = ~scores[metric].between(0, 1)
    if bad.any():
        raise TasklawsError(f"{metric} is {scores.loc[bad, metric].iloc[0]} at {first(bad)}: scores lie in [0, 1]")
    twice = scores.duplicated([*keys, "item"])
    if twice.any():
        raise TasklawsError(f"{first(twice)} stands twice: give one elicitation's scores")
    table = scores.pivot(index="item", columns=keys, values=metric).sort_index()
    if len(table) < 2:
        raise TasklawsError(f"{len(table)} items: overlap is between two or more")
    rung, seed, step = (pd.factorize(table.columns.get_level_values(key), sort=True)[0] for key in keys)
    return Cells(tuple(map(str, table.index)), table.to_numpy(dtype=float), rung, seed, step)


def between_seeds(cells: Cells) -> Residuals:
    """Each score less the item's mean over the seeds of that rung and step, times sqrt(S / (S - 1)).

    What is left is luck: which skills a run happens to have learned. Checkpoints count with the seeds of the same rung
    and step. Without two seeds of any rung TasklawsError is raised."""
    kinds, group = np.unique(np.stack([cells.rung, cells.step]), axis=1, return_inverse=True)
    member = (group == np.arange(kinds.shape[1])[:, None]).astype(float)
    known = np.isfinite(cells.score)
    count = (known @ member.T)[:, group]
    mean = (np.where(known, cells.score, 0.0) @ member.T)[:, group] / np.maximum(count, 1)
    left = (cells.score - mean) * np.sqrt(count / np.where(count > 1, count - 1, np.nan))
    kept = np.isfinite(left).any(axis=0)
    if not kept.any():
        raise TasklawsError("one seed a rung: give two or more, or take the residuals around a trend")
    return Residuals(left[:, kept], cells.rung[kept])


def around_trend(cells: Cells, x: Array) -> Residuals:
    """Each score less sigmoid(slope . x - difficulty), one difficulty for each item and a common slope.

    `x`, (cells, d), holds what the trend is smooth in, such as ln n_params and ln n_tokens. The slope takes d of the
    cells' degrees of freedom out of the sum over items, and hardly any out of the items themselves: inflation
    (cells - 1) / (cells - 1 - d). Too few cells for that raise TasklawsError."""
    n_cells, n_slopes = x.shape
    if n_cells < n_slopes + 3:
        raise TasklawsError(f"{n_cells} checkpoints: a trend in {n_slopes} quantities needs {n_slopes + 3}")
    centred = (x - x.mean(axis=0)) / x.std(axis=0)
    inflation = (n_cells - 1) / (n_cells - 1 - n_slopes)
    fit = fit_rasch(cells.score, x=centred, spread=ITEM_SD)
    return Residuals(cells.score - solve_probability(fit.ability, fit.difficulty[:, None], 0.0), cells.rung, inflation)
