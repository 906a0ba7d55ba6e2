"""Orders of difficulty on the page: what foretells the next rung's items, and what people's time says of three
families."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tasklaws.core.errors import TasklawsError
from tasklaws.items.ladder_items import families_without_people
from tasklaws.items.orders import ALL, ORDER_METHODS, REFERENCES, WORDS, better_or_worse, sentences
from tasklaws.plotting import LIGHT, key_below, key_room, log_x, panel, share_y
from tasklaws.report.load import Evidence, Pair
from tasklaws.tables import ORDER_AGREEMENT, ORDERS, read_human_estimates

GENERATORS = {
    "sha256_power": "Time grows with the power, what must be known does not. A flat line: time orders nothing here.",
    "gauss_sum": "Time as it is for a person without the formula; with n(n+1)/2 a long sum is as easy as a short one. "
    "Pieces: the share falls where a loop outlasts the timeout (people) or the fuel (models), to those who know the "
    "formula, for whom time orders nothing.",
    "step_chain": "Time is steps here. A slope: each further step loses some.",
}
"""The generators whose items are drawn, and what to look for."""
NARROW = 3.0
"""A range of times below this ratio is drawn on a linear axis."""
BINS = 8
JITTER = 0.004
"""Of the shares drawn, so that equal ones can be told apart; points alone, not the means."""


@dataclass(frozen=True)
class OrderEvidence:
    """The comparison of orders on the ladder's items, their agreement, people's results by item, and the families that
    were asked and have no people."""

    compared: pd.DataFrame
    agreement: pd.DataFrame
    people: pd.DataFrame
    without_people: list[str]


def load(root: Path, evidence: Evidence) -> OrderEvidence:
    """Read what the stages orders and humans wrote; a missing or malformed file, one without the whole of the items or
    without an item that was scored, raises TasklawsError."""
    results, path = root / "results" / evidence.ladder, root / "data" / "humans" / "items.csv"
    people = read_human_estimates(path)
    asked = {row["item"] for row in evidence.scores}
    found = OrderEvidence(
        ORDERS.read(results / "orders.csv"),
        ORDER_AGREEMENT.read(results / "orders_agreement.csv"),
        people,
        families_without_people((evidence.items[item] for item in sorted(asked)), people),
    )
    sets = found.compared.groupby("items")["order"].agg(frozenset)
    if ALL not in sets or not all(set(REFERENCES) <= orders <= sets[ALL] for orders in sets):
        raise TasklawsError(
            f"{results / 'orders.csv'} lacks rows, of {ALL} or of an order: run `dvc repro --force orders`"
        )
    return found


def section(evidence: Evidence, orders: OrderEvidence) -> dict[str, Any]:
    """What the template orders.html.jinja shows."""
    compared = orders.compared
    sets = [ALL, *sorted(set(compared["items"]) - {ALL})]
    every = compared[compared["items"] == ALL].iloc[0]
    return {
        "n_models": int(every["n_models"]),
        "n_clusters": int(every["n_clusters"]),
        "sentences": sentences(compared, ALL),
        "columns": [WORDS[name] for name in ORDER_METHODS],
        "rows": [_row(compared[compared["items"] == name], name) for name in sets],
        "agreement": _agreement(orders.agreement),
        "unknown_medians": int(orders.people["median_seconds"].isna().sum()),
        "n_people_items": len(orders.people),
        "without_people": orders.without_people,
        "families": [
            {
                "pair": pair,
                "figure": figure_name(pair),
                "note": GENERATORS[generator],
                "tau": _time_and_models(orders.agreement, pair),
            }
            for generator, pair in _drawn(evidence)
        ],
    }


def _row(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    """One set of items: for each order its log loss, interval, tau, and whether it beats having no order."""
    by_order = {str(row["order"]): row for _, row in rows.iterrows()}
    cells: list[dict[str, Any] | None] = [
        None if order not in by_order else _cell(by_order[order]) for order in ORDER_METHODS
    ]
    return {"items": name, "n": int(rows["n_items"].iloc[0]), "cells": cells}


def _cell(row: pd.Series) -> dict[str, Any]:
    return {
        "loss": f"{row['log_loss']:.3f}",
        "interval": f"{row['log_loss_low']:.3f} to {row['log_loss_high']:.3f}",
        "tau": "–" if pd.isna(row["tau"]) else f"{row['tau']:+.2f}",
        "better": row["order"] != "constant" and better_or_worse(row, "constant") == "better",
    }


def _agreement(table: pd.DataFrame) -> list[dict[str, str]]:
    """Every pair of orders, over all items."""
    rows = table[table["items"] == ALL]
    return [
        {"order": WORDS[row["order"]], "other": WORDS[row["other"]], "tau": _tau(row)} for _, row in rows.iterrows()
    ]


def _time_and_models(table: pd.DataFrame, pair: Pair) -> str:
    """How people's time agrees with the models' item response within a family."""
    rows = table[(table["items"] == "_".join(pair)) & (table["order"] == "time") & (table["other"] == "item_response")]
    return "unknown" if rows.empty else _tau(rows.iloc[0])


def _tau(row: pd.Series) -> str:
    """Kendall's tau-b with its interval."""
    return "–" if pd.isna(row["tau"]) else f"{row['tau']:+.2f} ({row['tau_low']:+.2f} to {row['tau_high']:+.2f})"


def figure_name(pair: Pair) -> str:
    return f"orders-{'-'.join(pair)}"


def _drawn(evidence: Evidence) -> list[tuple[str, Pair]]:
    """For each of GENERATORS its first family that was asked, under the elicitation that suits it."""
    found = []
    for generator in GENERATORS:
        pairs = [pair for pair in evidence.pairs if pair[0] in evidence.made_by(generator)]
        wanted = sorted(pairs, key=lambda pair: (pair[1] != "python", evidence.pairs.index(pair)))
        found += [(generator, pair) for pair in wanted[:1]]
    return found


def figures(evidence: Evidence, orders: OrderEvidence) -> dict[str, Figure]:
    """One figure for each family that the section shows."""
    return {figure_name(pair): time_figure(evidence, orders, pair) for _, pair in _drawn(evidence)}


def time_figure(evidence: Evidence, orders: OrderEvidence, pair: Pair) -> Figure:
    """Each item's human time against the share of models (every rung and seed) that solved it, and against the share of
    people who did within the timeout; lines are means of BINS parts with equally many items."""
    solved: dict[str, list[float]] = {}
    for row in evidence.scores_of(pair):
        solved.setdefault(row["item"], []).append(row["exact_match"])
    seconds = np.array([evidence.items[item].human_seconds for item in solved])
    shares = {
        "models": np.array([fmean(each) for each in solved.values()]),
        "people (made up), in time": orders.people["solve_rate"].reindex(list(solved)).to_numpy(float),
    }
    figure, axes = panel(" · ".join(pair) + ": time and difficulty", **key_room(len(shares)))
    order = np.argsort(seconds, kind="stable")
    jitter = JITTER * np.random.default_rng(0).standard_normal(len(seconds))
    for (label, values), colour in zip(shares.items(), (LIGHT["fit"], LIGHT["forecast"]), strict=True):
        if np.isnan(values).all():  # no people
            continue
        axes.plot(seconds, values + jitter, "o", color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
        parts = np.array_split(order, BINS)
        means = [(seconds[part].mean(), values[part].mean()) for part in parts if len(part)]
        axes.plot(*zip(*means, strict=True), color=colour, label=label)
    if seconds.max() / seconds.min() > NARROW:
        log_x(axes, "seconds a person without a shortcut needs")
    else:
        axes.set_xlabel("seconds a person without a shortcut needs")
    share_y(axes, "share who solved it")
    key_below(figure, *axes.get_legend_handles_labels())
    return figure
