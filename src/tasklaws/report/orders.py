"""Orders of difficulty on the page: what foretells the next rung's items, and what people's time says of three
families."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tasklaws.core.errors import TasklawsError
from tasklaws.items.ladder_items import families_without_people
from tasklaws.items.orders import ALL, ORDER_METHODS, REFERENCES, WORDS, sentences
from tasklaws.plotting import LIGHT, key_below, key_room, log_x, panel, share_y
from tasklaws.report.load import Results, Task, of_task
from tasklaws.report.template import estimate
from tasklaws.tables import ORDER_AGREEMENT, ORDERS, read_human_estimates

NARROW = 3.0
"""A range of times below this ratio is drawn on a linear axis."""
BINS = 8
JITTER = 0.004
"""Of the shares drawn, so that equal ones can be told apart; points alone, not the means."""


@dataclass(frozen=True, eq=False)
class OrderResults:
    """The comparison of orders on the ladder's items, their agreement, people's results by item, and the families that
    were asked and have no people."""

    compared: pd.DataFrame
    agreement: pd.DataFrame
    people: pd.DataFrame
    without_people: list[str]


def load_orders(results: Results) -> OrderResults:
    """Read what the stages orders and humans wrote; a missing or malformed file, one without the whole of the items or
    without an item that was scored, raises TasklawsError."""
    paths = results.paths
    people = read_human_estimates(paths.human_estimates)
    asked = dict(zip(results.scores["item"], results.scores["family"], strict=True))
    compared = ORDERS.read(paths.orders)
    sets = compared.groupby("items")["order"].agg(frozenset)
    if ALL not in sets or not all(set(REFERENCES) <= orders <= sets[ALL] for orders in sets):
        raise TasklawsError(f"{paths.orders} lacks rows, of {ALL} or of an order: run `dvc repro --force orders`")
    agreement = ORDER_AGREEMENT.read(paths.order_agreement)
    return OrderResults(compared, agreement, people, families_without_people(asked, people))


def order_section(results: Results, orders: OrderResults) -> dict[str, object]:
    """What the template orders.html.jinja shows: of each set of items a row an order, None where an order is not
    known; of each drawn task Kendall's tau of people's time with item response."""
    compared, agreement = orders.compared, orders.agreement
    compared = compared.assign(better=compared["minus_constant_high"] < 0)
    rows = {(row.items, row.order): row for row in compared.itertuples(index=False)}
    sets = [ALL, *sorted(set(compared["items"]) - {ALL})]
    return {
        "sentences": sentences(compared, ALL),
        "words": WORDS,
        "orders": list(ORDER_METHODS),
        "sets": {name: [rows.get((name, order)) for order in ORDER_METHODS] for name in sets},
        "agreement": agreement[agreement["items"] == ALL],
        "unknown_medians": int(orders.people["median_seconds"].isna().sum()),
        "n_people_items": len(orders.people),
        "without_people": orders.without_people,
        "tasks": {task: _time_and_models(agreement, task) for task in drawn_tasks(results)},
    }


def drawn_tasks(results: Results) -> list[Task]:
    """The tasks whose items are drawn: of three generators the first family, written as a program where one was asked
    for."""
    found = []
    for generator in ("sha256_power", "gauss_sum", "step_chain"):
        tasks = [task for task in results.tasks if task[0] in results.made_by(generator)]
        found += sorted(tasks, key=lambda task: task[1] != "python")[:1]
    return found


def _time_and_models(agreement: pd.DataFrame, task: Task) -> str:
    """How people's time agrees with the models' item response within a task."""
    pair = (agreement["order"] == "time") & (agreement["other"] == "item_response")
    rows = agreement.loc[pair & (agreement["items"] == "_".join(task)), ["tau", "tau_low", "tau_high"]]
    return next((estimate(tau, low, high, "+.2f") for tau, low, high in rows.to_numpy()), "unknown")


def order_figures(results: Results, orders: OrderResults) -> dict[str, Figure]:
    """One figure for each task that the section shows."""
    return {f"orders-{'-'.join(task)}": time_figure(results, orders, task) for task in drawn_tasks(results)}


def time_figure(results: Results, orders: OrderResults, task: Task) -> Figure:
    """Each item's human time against the share of models (every rung and seed) that solved it, and against the share of
    people who did within the timeout; lines are means of BINS parts with equally many items."""
    items = of_task(results.scores, task).groupby("item", sort=False)
    seconds = items["human_seconds"].first().to_numpy(dtype=float)
    models = items["exact_match"].mean()
    shares = {
        "models": models.to_numpy(),
        "people (made up), in time": orders.people["solve_rate"].reindex(models.index).to_numpy(float),
    }
    figure, axes = panel(" · ".join(task) + ": time and difficulty", **key_room(len(shares)))
    order = np.argsort(seconds, kind="stable")
    jitter = JITTER * np.random.default_rng(0).standard_normal(len(seconds))
    for (label, values), colour in zip(shares.items(), (LIGHT["fit"], LIGHT["forecast"]), strict=True):
        if np.isnan(values).all():  # no people
            continue
        axes.plot(seconds, values + jitter, "o", color=colour, markersize=3, alpha=0.35, markeredgewidth=0)
        parts = np.array_split(order, BINS)
        means = [(seconds[part].mean(), values[part].mean()) for part in parts if len(part)]
        axes.plot(*zip(*means, strict=True), color=colour, label=label)
    label = "seconds a person without a shortcut needs"
    if seconds.max() / seconds.min() > NARROW:
        log_x(axes, label)
    else:
        axes.set_xlabel(label)
    share_y(axes, "share who solved it")
    key_below(figure, *axes.get_legend_handles_labels())
    return figure
