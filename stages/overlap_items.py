"""Draw the sets of the overlap experiment, without the questions that the ladder learned from."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import ITEMS, read_documents, read_items
from tasklaws.core.settings import load
from tasklaws.experiments import overlap_sets as questions
from tasklaws.experiments.overlap_sets import FAMILY, draw_sets
from tasklaws.families.prompts import question_of
from tasklaws.tables import SETS

OUT = Path("data/overlap/sets.csv")


def main() -> None:
    settings = load()
    learned = frozenset(question_of(document.prompt) for document in read_documents(Path("data/corpus/train.jsonl")))
    items, table = draw_sets(settings.experiment.overlap_sets, settings.seed, learned)
    write_jsonl(questions.SET_ITEMS / f"{FAMILY}.jsonl", [item.to_dict() for item in items])
    shots = read_items(ITEMS / f"{FAMILY}.shots.jsonl")
    write_jsonl(questions.SET_ITEMS / f"{FAMILY}.shots.jsonl", [item.to_dict() for item in shots])
    SETS.write(OUT, table)
    n_sets = len(table.groupby(["overlap", "set_seed"]))
    print(f"{OUT}: {n_sets} sets of {len(items)} questions, {int(table['is_learned'].sum())} places left out")


if __name__ == "__main__":
    errors.run(main)
