"""The ways to order items that are compared: from nothing, from people, from earlier models, from all of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tasklaws.core.arrays import Array
from tasklaws.items.ability import Levels
from tasklaws.items.covariates import COVARIATES, GROUPINGS, SOLVE_RATE, TIME, Explanation, covariate, explain
from tasklaws.items.irt import Basis, ItemResponseFit, fit_item_response
from tasklaws.items.table import ItemTable

BLOCKS = ("level", "slope", "drift", "era")
# E sigmoid(x + e), e ~ N(0, v), is close to sigmoid(x / sqrt(1 + 0.346 v)) (Zeger, Liang & Albert 1988, Biometrics
# 44:1049).
ATTENUATION = (16 * np.sqrt(3) / (15 * np.pi)) ** 2


@dataclass(frozen=True)
class ItemMethod:
    """What a method may use: covariates, groupings, and the items' own random effects (without these, only what the
    first two explain)."""

    covariates: tuple[str, ...] = ()
    groupings: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()

    def usable(self, table: ItemTable) -> bool:
        """Whether the table has what the method needs: the covariate, where it explains by a single one."""
        return len(self.covariates) != 1 or covariate(table.items, self.covariates[0]) is not None

    def explanation(self, table: ItemTable) -> Explanation:
        """The table's items described by the method's covariates and groupings."""
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
    """A method fitted to some models; it predicts the items for a model at any level and position."""

    fit: ItemResponseFit
    basis: Basis

    @classmethod
    def to(
        cls,
        table: ItemTable,
        levels: Levels,
        method: ItemMethod,
        explanation: Explanation,
        sd: Mapping[str, float] | None = None,
        learn: bool = True,
    ) -> "FittedMethod":
        """Fit to the scores of `table`, whose models stand at `levels`; `sd` and `learn` as in `fit_item_response`."""
        basis = Basis.at(levels.earlier, table.position, method.blocks)
        blocks = basis(levels.earlier, table.position)
        return cls(fit_item_response(table.scores, explanation, blocks, table.chance, levels.trials, sd, learn), basis)

    def _phi(self, level: float, position: float) -> dict[str, Array]:
        """Block -> (d,) values for one model."""
        values = self.basis(np.array([level]), np.array([position]))
        return {name: block[0] for name, block in values.items()}

    def offsets(self, level: float, position: float) -> Array:
        """(N,) log odds of each item, up to the model's ability: the posterior mode.

        Not averaged over the posterior: measured on earlier models that makes the log loss worse
        (benchmarks/difficulty.py)."""
        return self.fit.offsets(np.concatenate([np.zeros(0), *self._phi(level, position).values()]))

    def offsets_stderr(self, level: float, position: float) -> Array:
        """(N,) their standard errors."""
        return self.fit.offsets_stderr(np.concatenate([np.zeros(0), *self._phi(level, position).values()]))

    def unseen_offsets(self, level: float, position: float, explanation: Explanation) -> Array:
        """(n,) the same for items of families the fit has not seen: what is explained, averaged over what is not.

        The variance of residual and family, as learned from the seen items, shrinks the offsets (see ATTENUATION)."""
        variance = sum(self.fit.sd[name] ** 2 * float((x**2).sum()) for name, x in self._phi(level, position).items())
        variance += self.fit.sd["family"] ** 2 if "family" in explanation.groups else 0.0
        return np.asarray(explanation.design @ self.fit.effects / np.sqrt(1 + ATTENUATION * variance))
