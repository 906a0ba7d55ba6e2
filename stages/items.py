"""Write the items of every family, and some other instances of it as few-shot examples."""

from tasklaws.core import errors
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.draws import shots


def main() -> None:
    settings = load()
    families = build(settings.families.sets)
    for family in families:
        items = family.items(settings.seed, settings.families.split)
        write_jsonl(ITEMS / f"{family.name}.jsonl", [item.to_dict() for item in items])
        kept = shots(family, families, settings.seed, settings.elicitation.n_shots_kept)
        write_jsonl(ITEMS / f"{family.name}.shots.jsonl", [item.to_dict() for item in kept])
        print(f"{ITEMS}/{family.name}.jsonl: {len(items)} items")


if __name__ == "__main__":
    errors.run(main)
