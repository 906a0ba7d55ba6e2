"""The ways to order items that are compared: from nothing, from people, from earlier models, from all of it."""

from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.items.covariates import COVARIATES, GROUPINGS, SOLVE_RATE, TIME, Explanation, covariate, explain
from tasklaws.items.irt import Basis, ItemResponseFit, fit_item_response
from tasklaws.items.table import ItemTable

BLOCKS = ("level", "slope", "drift", "era")
ATTENUATION = (16 * np.sqrt(3) / (15 * np.pi)) ** 2
"""E sigmoid(x + e), e ~ N(0, v), is close to sigmoid(x / sqrt(1 + 0.346 v)) (Zeger, Liang & Albert 1988, Biometrics
44:1049)."""


@dataclass(frozen=True)
class ItemMethod:
    """What a method may use: covariates, groupings, and the items' own random effects (none: only what is
    explained)."""

    covariates: tuple[str, ...] = ()
    groupings: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    def usable(self, table: ItemTable) -> bool:
        """Whether the table has what the method is about: one that explains by a single covariate needs that."""
        return len(self.covariates) != 1 or covariate(table.items, self.covariates[0]) is not None

    def explanation(self, table: ItemTable) -> Explanation:
        """The items described as far as this method looks."""
        return explain(table.items, self.covariates, self.groupings)


ITEM_METHODS = {
    "constant": ItemMethod(),
    "time": ItemMethod(covariates=(TIME,)),
    "solve_rate": ItemMethod(covariates=(SOLVE_RATE,)),
    "item_response": ItemMethod(blocks=BLOCKS),
    "full": ItemMethod(COVARIATES, GROUPINGS, BLOCKS),
}


@dataclass(frozen=True)
class FittedMethod:
    """A method fitted to earlier models; what it says of the items for a model at any level and position."""

    fit: ItemResponseFit
    basis: Basis

    @classmethod
    def to(cls, earlier: ItemTable, levels: Array, method: ItemMethod, explanation: Explanation) -> "FittedMethod":
        """Fit to the scores of `earlier`, whose models stand at `levels` (M,)."""
        basis = Basis.at(levels, earlier.position, method.blocks)
        blocks = basis(levels, earlier.position)
        fit = fit_item_response(earlier.scores, explanation, blocks, earlier.chance)
        return cls(fit, basis)

    def _phi(self, level: float, position: float) -> Array:
        values = self.basis(np.array([level]), np.array([position]))
        return np.concatenate([np.zeros(0)] + [block[0] for block in values.values()])

    def offsets(self, level: float, position: float) -> Array:
        """(N,) log odds of each item, up to the model's ability: the posterior mode.

        Not averaged over the posterior: measured on earlier models that makes the log loss worse
        (benchmarks/difficulty.py).
        """
        return self.fit.offsets(self._phi(level, position))

    def offsets_stderr(self, level: float, position: float) -> Array:
        """(N,) their standard errors."""
        return self.fit.offsets_stderr(self._phi(level, position))

    def unseen_offsets(self, level: float, position: float, explanation: Explanation) -> Array:
        """(n,) the same for items of families the fit has not seen: what is explained, averaged over what is not.

        The variance of residual and family, as learned from the seen items, shrinks the offsets (see ATTENUATION).
        """
        values = self.basis(np.array([level]), np.array([position]))
        variance = sum(self.fit.sd[name] ** 2 * float((block**2).sum()) for name, block in values.items())
        variance += self.fit.sd["family"] ** 2 if "family" in explanation.groups else 0.0
        return np.asarray(explanation.design @ self.fit.effects / np.sqrt(1 + ATTENUATION * variance))
