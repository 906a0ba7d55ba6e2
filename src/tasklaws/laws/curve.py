"""One curve: the points that a law is fitted to."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tasklaws.core.arrays import Array

Kind = Literal["accuracy", "loss"]
Better = Literal["up", "down"]
FLOOR = 1e-6  # a smaller share of the largest loss counts as this one, so that its logarithm exists


def least_value(values: Array) -> float:
    """The value as which smaller ones of a loss, or another positive quantity, count."""
    return FLOOR * min(float(values.max()), 1.0)


@dataclass(frozen=True, eq=False)
class Points:
    """What one fit sees: n points, inputs and values in their own units.

    `index` are the rows' labels in the table, `ladder` numbers the ladders named in `ladders`, `cluster` the rungs
    (models), which are resampled together; `model` are their names, none where the table has none. `n_items` is how
    many an accuracy is worth, bounded where it is unknown. `stderr` is NaN where unknown, `weight` 1. `left_out` gives
    the reason for each other row by label, `notes` what was worked out or assumed. `better` is None where nothing says
    which way is."""

    kind: Kind
    metric: str | None
    task: str | None
    better: Better | None
    x: dict[str, Array]
    value: Array
    n_items: Array
    stderr: Array
    weight: Array
    chance: float | None
    ladder: NDArray[np.intp]
    ladders: tuple[str, ...]
    cluster: NDArray[np.intp]
    index: tuple[int, ...]
    left_out: dict[int, str]
    model: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
