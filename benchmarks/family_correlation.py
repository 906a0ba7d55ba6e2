"""How far items of one family (group) are solved together, and items of two: prints docs/overlap.md's figures of METR.

    python benchmarks/family_correlation.py ../shared/items/metr_th10.csv.gz

The table has columns model, task, family and score.
"""

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasklaws.core.arrays import Array
from tasklaws.overlap.effective_number import (
    LEAST_TELLING,
    _by_rung,
    _half_width,
    _jackknife,
    _known,
    _ratio,
    _telling,
    _without_each,
)
from tasklaws.overlap.residuals import ITEM_SD, Cells, Residuals, read_cells
from tasklaws.stats.rasch import fit_rasch, solve_probability


def around_ability(cells: Cells) -> Residuals:
    """Each score less sigmoid(ability of the cell - difficulty of the item): the Rasch model.

    Correlations are to be read relative to each other, as with Yen's Q3 (Yen 1984; Christensen et al. 2017).
    """
    fit = fit_rasch(cells.score, spread=ITEM_SD)
    return Residuals(cells.score - solve_probability(fit.ability, fit.difficulty[:, None], 0.0), cells.rung)


def intraclass(residuals: Residuals, groups: Sequence[str], level: float) -> pd.DataFrame:
    """The mean correlation of two items of one group (family), for each group, for all, and between groups.

    Columns group, n_items, correlation, low, high; the last rows are "within" (pairs of any one group) and "between"
    (pairs of two; of one group only, absent). sum of cov_ij over the pairs, per pair, to the mean variance of the
    items concerned. Groups of one item, or whose residuals are all 0, are absent.
    """
    names, group = np.unique(np.array(groups), return_inverse=True)
    member = (group == np.arange(len(names))[:, None]).astype(float)
    value, known = _known(residuals)
    rung_sums = _by_rung(residuals)
    total, square, count = member @ value, member @ value**2, member @ known  # (groups, cells)
    _telling(rung_sums(square.sum(axis=0)))
    product = residuals.inflation * total**2 - square
    pairs = count * (count - 1)
    size = member.sum(axis=1).astype(int)
    kinds = [
        (str(name), size[row], product[row], pairs[row] * square[row] / np.maximum(count[row], 1))
        for row, name in enumerate(names)
        if size[row] > 1
    ]
    mean_square = square.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    if kinds:
        several = size > 1
        of_several = square[several].sum(axis=0) / np.maximum(count[several].sum(axis=0), 1)
        within = pairs[several].sum(axis=0) * of_several
        kinds.append(("within", size[several].sum(), product[several].sum(axis=0), within))
    if len(names) > 1:
        across = residuals.inflation * (total.sum(axis=0) ** 2 - (total**2).sum(axis=0))
        n_across = count.sum(axis=0) ** 2 - (count**2).sum(axis=0)
        kinds.append(("between", size.sum(), across, n_across * mean_square))
    rows = []
    for name, n_items, covariance, variance in kinds:
        by_rung = rung_sums(covariance), rung_sums(variance)
        if by_rung[1].any():
            found = float(_ratio(by_rung[0].sum(), by_rung[1].sum()))
            telling = _telling(by_rung[1])
            half = _half_width(_jackknife(_ratio(*_without_each(*by_rung))), telling, level)
            limits = (max(found - half, -1.0), min(found + half, 1.0)) if telling >= LEAST_TELLING else (-1.0, 1.0)
            rows.append([name, int(n_items), found, *limits])
    return pd.DataFrame(rows, columns=["group", "n_items", "correlation", "low", "high"])


def grouped_number(sizes: Array, within: float, between: float = 0.0) -> float:
    """n^2 / sum of correlations for groups of these sizes: `within` any one, `between` any two (Kish 1965).

    Correlations around a free ability are known relative to `between` only: pass (within - between) / (1 - between).
    """
    n_items = float(sizes.sum())
    same = float((sizes**2).sum())
    return n_items**2 / (n_items + max(within, 0.0) * (same - n_items) + max(between, 0.0) * (n_items**2 - same))


def main() -> None:
    table = pd.read_csv(sys.argv[1]).assign(seed=0, step=0).rename(columns={"model": "rung", "task": "item"})
    cells = read_cells(table, "score")
    families = table.drop_duplicates("item").set_index("item")["family"][list(cells.items)].astype(str)
    found = intraclass(around_ability(cells), families.tolist(), 0.9).set_index("group")
    print(found.to_string())
    within, between = (float(found.loc[kind, "correlation"]) for kind in ("within", "between"))  # type: ignore[arg-type]
    number = grouped_number(families.value_counts().to_numpy().astype(float), (within - between) / (1 - between))
    print(f"{len(families)} items are worth {number:.0f} beyond the common level")


if __name__ == "__main__":
    main()
