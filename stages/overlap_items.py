"""Draw the sets of the overlap experiment, without the questions that the ladder learned from."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS, read_documents, read_items
from tasklaws.core.settings import load
from tasklaws.experiments.overlap_sets import FAMILY, SET_ITEMS, draw_sets
from tasklaws.families.prompts import question_of
from tasklaws.tables import SETS


def main() -> None:
    settings = load()
    learned = frozenset(question_of(document.prompt) for document in read_documents(Path("data/corpus/train.jsonl")))
    items, table = draw_sets(settings.experiment.overlap_sets, settings.seed, learned)
    for name, kept in ((FAMILY, items), (f"{FAMILY}.shots", read_items(ITEMS / f"{FAMILY}.shots.jsonl"))):
        write_jsonl(SET_ITEMS / f"{name}.jsonl", [item.to_dict() for item in kept])
    out, n_sets = Path("data/overlap/sets.csv"), len(table.groupby(["overlap", "set_seed"]))
    SETS.write(out, table)
    print(f"{out}: {n_sets} sets of {len(items)} questions, {int(table['is_learned'].sum())} places left out")


if __name__ == "__main__":
    errors.run(main)
