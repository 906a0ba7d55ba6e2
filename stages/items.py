"""Write the items of every family, tersely and in plain language, and examples of it and of related tasks."""

from tasklaws.core import script
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.draws import write_items


def main() -> None:
    settings = load()
    families = build(settings.families.sets)
    for family in families:
        n_shots = settings.elicitation.n_shots_kept
        n_items = write_items(family, families, settings.seed, settings.families.split, n_shots)
        print(f"{ITEMS}/{family.name}.jsonl: {n_items} items")


if __name__ == "__main__":
    script.run(main)
