"""Draw the sets of the overlap experiment, without the questions that the ladder learned from."""

from pathlib import Path

from tasklaws.core import script
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS, read_documents, read_items
from tasklaws.core.settings import load
from tasklaws.families.draws import in_plain
from tasklaws.families.prompts import question_of
from tasklaws.overlap.sets import FAMILY, SET_ITEMS, draw_sets, set_chains
from tasklaws.tables import SETS


def main() -> None:
    settings = load()
    sets = settings.experiment.overlap_sets
    learned = frozenset(question_of(document.prompt) for document in read_documents(Path("data/corpus/train.jsonl")))
    items, table = draw_sets(sets, settings.seed, learned)
    files = {path.name: read_items(path) for path in ITEMS.glob(f"{FAMILY}.*.jsonl")}  # examples of it, above all
    files |= {f"{FAMILY}.jsonl": items, f"{FAMILY}.plain.jsonl": in_plain(set_chains(sets)[0], items)}
    for name, kept in files.items():
        write_jsonl(SET_ITEMS / name, [item.to_dict() for item in kept])
    out, n_sets = Path("data/overlap/sets.csv"), len(table.groupby(["overlap", "set_seed"]))
    SETS.write(out, table)
    print(f"{out}: {n_sets} sets of {len(items)} questions, {int(table['is_learned'].sum())} places left out")


if __name__ == "__main__":
    script.run(main)
