"""Orders of difficulty, compared: people's time, their solve rate, steps, item response; by agreement, by forecast."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasklaws.core.arrays import Array
from tasklaws.core.workers import run_each
from tasklaws.items.covariates import SOLVE_RATE, TIME, covariate
from tasklaws.items.held_out import HeldOutModel, fit_for_best, held_out
from tasklaws.items.methods import ITEM_METHODS, ItemMethod
from tasklaws.items.table import ItemTable
from tasklaws.stats.resampling import Draws, drawn_auc, drawn_log_loss, drawn_tau, interval
from tasklaws.tables import ORDER_AGREEMENT, ORDERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = "log_steps_required"
# What people or the task say of an item, and which way is easier: fixed beforehand, not fitted.
EASINESS = {"time": (TIME, -1), "solve_rate": (SOLVE_RATE, 1), "steps": (STEPS, -1)}
WORDS = {
    "constant": "no order at all",
    "time": "people's time",
    "solve_rate": "the share of people who solve",
    "steps": "required steps",
    "item_response": "item response",
    "full": "all of them together",
}
ORDER_METHODS = {name: ITEM_METHODS.get(name, ItemMethod(covariates=(STEPS,))) for name in WORDS}
ALL, MEASURED = "all", "measured"
FEWEST_ITEMS = 20  # in a family that is compared by itself: an interval over a dozen items says nothing
REFERENCES = ("constant", "item_response")
_DECIMALS = 6  # offsets closer than this are one: items with the same answers differ by what the optimiser left

Figures = dict[str, dict[str, Array]]
"""Order -> figure -> (1 + draws,) values, the data's first."""


def score_orders(table: ItemTable, last: int, workers: int = 1) -> pd.DataFrame:
    """Each order on each set of items (`item_sets`): ORDERS.columns, how well it foretells the last models.

    Each of the last models is predicted from all earlier ones, its mean score given (`HeldOutModel`), by a fit
    to the set's items. `log_loss` in nats and `auc` are of the probabilities; `tau` is Kendall's tau-b of the order
    with the scores, where time, steps and solve rate order items as people would have it (longer is harder), whichever
    way the fit turned them. All are means over models. `minus_constant` and `minus_item_response` are differences of
    log loss: negative is better. Limits are of 90% intervals by bootstrap over clusters of items (`cluster_index`) and
    over models, the same draws for every order. A figure that does not exist is NaN; a family that each of the last
    models solved whole, or not at all, is left out. The sets are shared by `workers` processes. Raises TasklawsError as
    `held_out` does."""
    indices = held_out(table, last, records=False)
    sets = [(name, part) for name, part in item_sets(table) if name == ALL or _varies(part.scores[:, indices])]
    asked = [[index for index in indices if not np.isnan(part.scores[:, index]).all()] for _, part in sets]
    clusters = [cluster_index(part) for _, part in sets]
    draws = [Draws.of(int(index.max()) + 1, len(each)) for index, each in zip(clusters, asked, strict=True)]
    jobs = [(sets[at][1], index, clusters[at], draws[at].clusters) for at in range(len(sets)) for index in asked[at]]
    found = iter(run_each(_score_model, jobs, workers, "orders"))
    rows: list[dict[str, object]] = []
    for (name, part), models, drawn in zip(sets, asked, draws, strict=True):
        rows += _rows(name, part, [next(found) for _ in models], drawn)
    return pd.DataFrame(rows)[ORDERS.columns]


def item_sets(table: ItemTable) -> Iterator[tuple[str, ItemTable]]:
    """All items; those that every order measures, where some lack one; each family of FEWEST_ITEMS in which an order of
    people's varies."""
    yield ALL, table
    known = np.isfinite(np.reshape([*_human(table).values()], (-1, len(table.items)))).all(axis=0)
    if 0 < known.sum() < len(known):
        yield MEASURED, table.only(known)
    families = table.items["family"].fillna("") if "family" in table.items else pd.Series(dtype=str)
    if families.nunique() < 2:
        return
    for family in sorted(set(families) - {""}):
        part = table.only((families == family).to_numpy())
        if len(part.items) >= FEWEST_ITEMS and any(_varies(values) for values in _human(part).values()):
            yield family, part


def order_agreement(table: ItemTable) -> pd.DataFrame:
    """Kendall's tau-b between any two orders of each set's items, with 90% intervals by bootstrap over clusters.

    Item response is fitted to all models here, for one like the best: what the models as a whole show."""
    rows = []
    for name, part in item_sets(table):
        fitted, _, place = fit_for_best(part, ORDER_METHODS["item_response"])
        easiness = {**_human(part), "item_response": np.round(fitted.offsets(*place), _DECIMALS)}
        clusters = cluster_index(part)
        weights = Draws.of(int(clusters.max()) + 1, 1).clusters
        for (order, left), (other, right) in combinations(easiness.items(), 2):
            known = np.isfinite(left) & np.isfinite(right)
            rows.append((name, order, other, int(known.sum()), *interval(drawn_tau(left, right, clusters, weights))))
    return ORDER_AGREEMENT.frame(rows)


def cluster_index(table: ItemTable) -> NDArray[np.intp]:
    """(N,) the cluster of each item: its family where there are several, for items of a family are not independent;
    else itself. An item without a family is by itself."""
    names = table.items.index.to_series()
    if "family" in table.items and table.items["family"].nunique(dropna=False) > 1:
        names = ("family " + table.items["family"]).fillna(names)
    return pd.factorize(names)[0].astype(np.intp)


def _varies(values: Array) -> bool:
    """Whether two items differ: `values` (N,), or some column of (N, M); NaN is unknown."""
    high, low = np.fmax.reduce(values, axis=0), np.fmin.reduce(values, axis=0)
    return bool((high > low).any())


def _human(table: ItemTable) -> dict[str, Array]:
    """(N,) easiness by each of EASINESS that the table has."""
    found = {name: covariate(table.items, column) for name, (column, _) in EASINESS.items()}
    return {name: EASINESS[name][1] * values for name, values in found.items() if values is not None}


def _score_model(table: ItemTable, index: int, clusters: NDArray[np.intp], drawn: Array) -> Figures:
    """How well each order foretells one model; `clusters` (N,) of the items."""
    target, human = HeldOutModel.of(table, index), _human(table)
    clusters = clusters[target.asked]
    found = {}
    for name, method in ORDER_METHODS.items():
        if not method.usable(table):
            continue
        offsets = target.fit(method, method.explanation(table)).offsets(*target.place)
        given = np.round(target.given(offsets), _DECIMALS + 3)
        order = human[name][target.asked] if name in human else np.round(offsets[target.asked], _DECIMALS)
        found[name] = {
            "log_loss": drawn_log_loss(target.scores, given, clusters, drawn),
            "auc": drawn_auc(target.scores, given, clusters, drawn),
            "tau": drawn_tau(order, target.scores, clusters, drawn),
        }
    return found


def _rows(items: str, table: ItemTable, models: list[Figures], draws: Draws) -> list[dict[str, object]]:
    """The rows of one set of items: every order's figures, averaged over the models."""
    means = {
        name: {figure: draws.mean(np.stack([each[name][figure] for each in models], axis=1)) for figure in figures}
        for name, figures in models[0].items()
    }
    counts = {"n_items": len(table.items), "n_clusters": draws.clusters.shape[1], "n_models": len(models)}
    rows = []
    for name, drawn in means.items():
        differences = {f"minus_{other}": drawn["log_loss"] - means[other]["log_loss"] for other in REFERENCES}
        row: dict[str, object] = {"items": items, "order": name, **counts}
        for figure, values in {**drawn, **differences}.items():
            row |= dict(zip((figure, f"{figure}_low", f"{figure}_high"), interval(values), strict=True))
        rows.append(row)
    return rows


def orders_report(scored: pd.DataFrame) -> str:
    """A table for people (each figure with its 90% interval), then `sentences` on all items."""
    shown = scored[["items", "order", "n_items"]].copy()
    for figure in ("log_loss", "auc", "tau", "minus_item_response"):
        shown[figure] = ["-" if pd.isna(row[figure]) else _with_limits(row, figure) for _, row in scored.iterrows()]
    return "\n".join([shown.to_string(index=False), *sentences(scored, ALL)])


def _with_limits(row: pd.Series, figure: str, sign: str = "") -> str:
    return f"{row[figure]:{sign}.3f} ({row[figure + '_low']:{sign}.3f} to {row[figure + '_high']:{sign}.3f})"


def sentences(scored: pd.DataFrame, items: str) -> list[str]:
    """One sentence a reference (no order, item response): which orders foretell one set of items better, which worse,
    and which the data do not tell apart from it; with the differences of log loss and their intervals."""
    rows = scored[scored["items"] == items]
    found = []
    for reference in REFERENCES:
        groups: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
        for _, row in rows[~rows["order"].isin(["constant", reference])].iterrows():
            difference = _with_limits(row, f"minus_{reference}", "+")
            groups[better_or_worse(row, reference)].append(f"{WORDS[row['order']]} {difference}")
        said = "; ".join(f"{which}: {', '.join(names)}" for which, names in groups.items() if names)
        found.append(f"Against {WORDS[reference]} (log loss in nats, 90% interval): {said}.")
    return found


def better_or_worse(row: pd.Series, reference: str) -> str:
    """Whether an order foretells `better` or `worse` than the reference, or is `not told apart` from it."""
    low, high = row[f"minus_{reference}_low"], row[f"minus_{reference}_high"]
    return "better" if high < 0 else "worse" if low > 0 else "not told apart"


_LABELS = {ALL: "all items", MEASURED: "items that every order measures"}
_SET_OFFSET = 0.18  # between two sets of items in one row


def draw_orders(scored: pd.DataFrame) -> Figure:
    """Log loss of each order with its 90% interval, on all items and on those that every order measures."""
    from tasklaws.plotting import LIGHT, panel  # a third of a second, in every process that scores orders

    names = [name for name in ORDER_METHODS if name in set(scored["order"])]
    figure, axes = panel("What the next models solve, by order of difficulty", left=1.95)
    for (items, label), colour, shift in zip(
        _LABELS.items(), (LIGHT["fit"], LIGHT["forecast"]), (-_SET_OFFSET, _SET_OFFSET), strict=True
    ):
        rows = scored[scored["items"] == items].set_index("order")
        if rows.empty:
            continue
        rows = rows.loc[[name for name in names if name in rows.index]]
        places = [names.index(name) + shift for name in rows.index]
        axes.hlines(places, rows["log_loss_low"], rows["log_loss_high"], color=colour, linewidth=2, alpha=0.5)
        axes.plot(rows["log_loss"], places, "o", color=colour, label=f"{label} ({rows['n_items'].iloc[0]})")
    axes.set_yticks(range(len(names)), [WORDS[name] for name in names])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("log loss, nats (mean score given; 90% interval)")
    axes.legend(loc="best")
    return figure
