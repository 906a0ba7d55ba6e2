"""A curve: the final scores of one family, elicitation and metric along a ladder."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.errors import TasklawsError

Array = NDArray[np.float64]
Kind = Literal["accuracy", "loss"]
KINDS: dict[str, Kind] = {
    "exact_match": "accuracy",
    "partial_credit": "accuracy",
    "target_bits_per_byte": "loss",
    "brier": "loss",
    "loss_nats": "loss",
    "bits_per_byte": "loss",
}
LOSS_FLOOR = 1e-6  # a smaller loss counts as this one, so that its logarithm exists


@dataclass(frozen=True, eq=False)
class Curve:
    """Points sorted by x: one a rung and seed.

    `value` is an accuracy in [0, 1], higher being better, or a loss above 0, lower being better. `n_items` is
    how many items it averages (of a loss: 1 where unknown). `chance` is None where the metric has no chance
    level. `items` holds the scores behind the values (item by point, NaN where an item was not scored), None
    where they are unknown; `stderr` (NaN where unknown) then stands in for them."""

    kind: Kind
    x: Array
    value: Array
    n_items: Array
    stderr: Array
    chance: float | None = None
    items: Array | None = None

    @cached_property
    def levels(self) -> NDArray[np.intp]:
        """The index of each point's rung, counted from the smallest x."""
        return np.unique(self.x, return_inverse=True)[1]

    @property
    def n_rungs(self) -> int:
        return int(self.levels[-1]) + 1

    def select(self, points: NDArray[np.bool_]) -> "Curve":
        items = None if self.items is None else self.items[:, points]
        return replace(
            self,
            x=self.x[points],
            value=self.value[points],
            n_items=self.n_items[points],
            stderr=self.stderr[points],
            items=items,
        )

    def rungs(self, first: int, last: int) -> "Curve":
        """The rungs from number `first` up to, but not with, `last`."""
        return self.select((self.levels >= first) & (self.levels < last))

    def rung_means(self) -> tuple[Array, Array]:
        """x and the mean value over seeds of each rung."""
        count = np.bincount(self.levels)
        return np.unique(self.x), np.bincount(self.levels, self.value) / count

    def link(self, value: Array, n_items: Array | float) -> Array:
        """Where noise is taken as normal: log of a loss; logit of an accuracy, half an item away from 0 and
        1."""
        if self.kind == "loss":
            return np.log(np.maximum(value, LOSS_FLOOR))
        return link_accuracy(value, n_items)


def link_accuracy(value: Array, n_items: Array | float) -> Array:
    inside = smooth(value, n_items)
    return np.log(inside / (1 - inside))


def smooth(value: Array, n_items: Array | float) -> Array:
    """(n p + 1/2) / (n + 1): n items cannot show a probability of 0 or 1 (Jeffreys)."""
    return (n_items * value + 0.5) / (n_items + 1)


def curve_from_table(table: pd.DataFrame, x: str, items: Array | None = None) -> Curve:
    """The curve of observations that share family, elicitation and metric, one row a rung and seed.

    `items` has a column for each row of `table`. A value outside the metric's range, an x that is not
    positive, or an accuracy without n_items or (exact_match) chance raises TasklawsError."""
    name = curve_name(table)
    metric = str(table["metric"].iloc[0])
    if metric not in KINDS:
        raise TasklawsError(f"{name}: unknown metric: the laws know {', '.join(KINDS)}")
    kind = KINDS[metric]
    order = np.lexsort((table["seed"], table["rung"], table[x]))
    table = table.iloc[order]
    value, size, n_items, stderr, chance = (
        table[column].to_numpy(dtype=float) for column in ("value", x, "n_items", "stderr", "chance")
    )
    top = 1.0 if kind == "accuracy" else np.inf
    for label, bad, remedy in (
        (x, ~(np.isfinite(size) & (size > 0)), "give a positive size"),
        ("value", ~((value >= 0) & (value <= top) & np.isfinite(value)), f"give one in [0, {top:g}]"),
        ("n_items", (kind == "accuracy") & ~(n_items >= 1), "give the number of items behind the value"),
        ("chance", (metric == "exact_match") & ~((chance >= 0) & (chance < 1)), "give one in [0, 1)"),
    ):
        if bad.any():
            row = table.loc[bad].iloc[0]
            raise TasklawsError(f"{name}, rung {row['rung']}: {label} is {row[label]}: {remedy}")
    return Curve(
        kind=kind,
        x=size,
        value=value,
        n_items=np.where(np.isfinite(n_items), n_items, 1.0),
        stderr=stderr,
        chance=float(chance.mean()) if metric == "exact_match" else None,
        items=None if items is None else items[:, order],
    )


def curve_name(table: pd.DataFrame) -> str:
    row = table.iloc[0]
    return f"{row['family']} {row['elicitation']} {row['metric']}"
