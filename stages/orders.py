"""Compare orders of difficulty (people's time and solve rate, steps, item response) on the ladder's items."""

from tasklaws.core import script
from tasklaws.core.schema import Role, benchmark_families, read_asked_items
from tasklaws.core.settings import load
from tasklaws.items.ladder_items import families_without_people, read_ladder_items
from tasklaws.items.orders import order_agreement, score_orders
from tasklaws.paths import Paths
from tasklaws.tables import ORDER_AGREEMENT, ORDERS, read_human_estimates

EARLIER = 2
"""Rungs kept to predict the first of the others from: one would say no more than a solve rate of 0 or 1."""


def main() -> None:
    settings = load()
    paths = Paths(settings.models.name)
    items, people = (
        read_asked_items([*settings.elicitation.ask, *benchmark_families()]),
        read_human_estimates(paths.human_estimates),
    )
    rungs: dict[Role, list[str]] = {role: settings.models.rungs_of(role) for role in ("fit", "holdout")}
    table = read_ladder_items(paths, rungs, items, people)
    compared = score_orders(table, max(len(table.models) - EARLIER, 1), settings.execution.workers)
    agreed = order_agreement(table)
    ORDERS.write(paths.orders, compared)
    ORDER_AGREEMENT.write(paths.order_agreement, agreed)
    print(f"{paths.orders}: {len(table.items)} items, {len(table.models)} models")
    for family in families_without_people({item.id: item.family for item in items}, people):
        print(f"{family} has no people: of its items no solve rate is known")


if __name__ == "__main__":
    script.run(main)
