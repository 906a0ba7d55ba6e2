"""What is known of an item beforehand, as numbers: the explanatory part of its difficulty."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from tasklaws.core.arrays import Array
from tasklaws.stats.proportions import pooled_means

TIME = "log_minutes"
SOLVE_RATE = "logit_solve_rate"
COVARIATES = (TIME, SOLVE_RATE, "log_steps_required", "log_steps_optional")
GROUPINGS = ("family", "skills")


@dataclass(frozen=True)
class Explanation:
    """N items described: `covariates` (N, p), standardised; `groups` name -> (N, g) membership, 0 or 1."""

    covariates: Array
    groups: dict[str, Array]

    def take(self, items: np.ndarray) -> "Explanation":
        """The same description of some of the items."""
        return Explanation(self.covariates[items], {name: member[items] for name, member in self.groups.items()})

    @property
    def parts(self) -> list[Array]:
        """The covariates (N, p), then each grouping's membership (N, g)."""
        return [self.covariates, *self.groups.values()]

    @property
    def design(self) -> Array:
        """(N, p + g): covariates and memberships side by side."""
        return np.concatenate(self.parts, axis=1)


def explain(items: pd.DataFrame, covariates: tuple[str, ...], groupings: tuple[str, ...] = ()) -> Explanation:
    """Those of the `covariates` and `groupings` that the table has.

    A covariate is centred and scaled over the items that have it. Where some lack it they get 0 (the mean), and a
    column that says which: that an item was not measured may itself tell of its difficulty. Skills are separated by
    `;`, and an item belongs to each of its skills."""
    columns = [np.zeros((len(items), 0))]
    for name in covariates:
        values = covariate(items, name)
        if values is None:
            continue
        known = np.isfinite(values)
        spread = float(values[known].std())
        if spread > 0:
            columns.append(np.where(known, (values - values[known].mean()) / spread, 0.0)[:, None])
        if not known.all():
            columns.append((known - known.mean())[:, None])
    groups = {name: _membership(items[name], items.index) for name in groupings if name in items}
    return Explanation(np.concatenate(columns, axis=1), groups)


def covariate(items: pd.DataFrame, name: str) -> Array | None:
    """(N,) values, NaN where unknown; None where the table says nothing of any item."""
    column = {TIME: "human_minutes", SOLVE_RATE: "human_attempts"}.get(name, name.removeprefix("log_"))
    if column not in items or items[column].isna().all():
        return None
    values = items[column].to_numpy(float)
    if name == SOLVE_RATE:
        known = np.isfinite(values)
        rates = np.full(len(items), np.nan)
        rates[known] = logit(pooled_means(items["human_solved"].to_numpy(float)[known], values[known]))
        return rates
    # Steps may be none; minutes may not.
    return np.asarray(np.log(values) if name == TIME else np.log1p(values))


def _membership(column: pd.Series, index: pd.Index) -> Array:
    """(N, g): 1 where an item belongs to the group; an item without an entry belongs to none."""
    if column.name == "skills":
        column = column.dropna().str.split(";").explode().str.strip()
    dummies = pd.get_dummies(column, dtype=float).groupby(level=0).max()
    return dummies.reindex(index, fill_value=0.0).to_numpy(float)
