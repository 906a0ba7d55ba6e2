"""Write the items of every family, tersely and in plain language, and examples of it and of related tasks."""

from tasklaws.core import errors
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.families.draws import item_files


def main() -> None:
    settings = load()
    families = build(settings.families.sets)
    for family in families:
        n_shots = settings.elicitation.n_shots_kept
        files = item_files(family, families, settings.seed, settings.families.split, n_shots)
        for name, items in files.items():
            write_jsonl(ITEMS / f"{name}.jsonl", [item.to_dict() for item in items])
        print(f"{ITEMS}/{family.name}.jsonl: {len(files[family.name])} items")


if __name__ == "__main__":
    errors.run(main)
