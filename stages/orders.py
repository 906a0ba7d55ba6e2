"""Compare orders of difficulty (people's time and solve rate, steps, item response) on the ladder's items."""

from pathlib import Path

import pandas as pd

from tasklaws.core import errors
from tasklaws.core.schema import ITEMS, Role, read_items
from tasklaws.core.settings import load
from tasklaws.items.ladder_items import families_without_people, ladder_items
from tasklaws.items.orders import order_agreement, score_orders
from tasklaws.tables import ORDER_AGREEMENT, ORDERS, read_final_scores, read_human_estimates, read_observations

EARLIER = 2
"""Rungs kept to predict the first of the others from: one would say no more than a solve rate of 0 or 1."""


def main() -> None:
    settings = load()
    ladder = settings.models.name
    results = Path(f"results/{ladder}")
    scores: list[pd.DataFrame] = []
    sizes: dict[str, float] = {}
    roles: tuple[Role, ...] = ("fit", "holdout")
    for role in roles:
        rungs = settings.models.rungs_of(role)
        observations = read_observations(results / f"observations_{role}.csv", rungs)
        scores.append(read_final_scores(Path(f"scores/{ladder}/{role}"), rungs, observations))
        sizes |= dict(zip(observations["rung"], observations["n_params"].astype(float), strict=True))
    families = settings.elicitation.ask
    items = [item for family in families for item in read_items(ITEMS / f"{family}.jsonl")]
    people = read_human_estimates(Path("data/humans/items.csv"))
    table = ladder_items(pd.concat(scores), sizes, items, people)
    compared = score_orders(table, max(len(table.models) - EARLIER, 1), settings.execution.workers)
    agreed = order_agreement(table)
    ORDERS.write(results / "orders.csv", compared)
    ORDER_AGREEMENT.write(results / "orders_agreement.csv", agreed)
    print(f"{results}/orders.csv: {len(table.items)} items, {len(table.models)} models")
    for family in families_without_people({item.id: item.family for item in items}, people):
        print(f"{family} has no people: of its items no solve rate is known")


if __name__ == "__main__":
    errors.run(main)
