"""Draw the sets of the overlap experiment, without the questions that the ladder learned from."""

from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params
from tasklaws.elicitation import question_of
from tasklaws.files import write_jsonl, write_table
from tasklaws.items import ITEMS, read_items
from tasklaws.ladder.document import read_documents
from tasklaws.overlap import questions
from tasklaws.overlap.questions import FAMILY
from tasklaws.overlap.sets import SET_KEYS, SETS, SetSettings, draw_sets


def main() -> None:
    params = load_params()
    settings = SetSettings.from_params(params)
    learned = frozenset(question_of(document.prompt) for document in read_documents(Path("data/corpus/train.jsonl")))
    items, table = draw_sets(settings, params["seed"], learned)
    write_jsonl(questions.ITEMS / f"{FAMILY}.jsonl", [item.to_dict() for item in items])
    shots = read_items(ITEMS / f"{FAMILY}.shots.jsonl")
    write_jsonl(questions.ITEMS / f"{FAMILY}.shots.jsonl", [item.to_dict() for item in shots])
    write_table(SETS, table, SET_KEYS)
    n_sets = len(table.groupby(["overlap", "set_seed"]))
    print(f"{SETS}: {n_sets} sets of {len(items)} questions, {int(table['is_learned'].sum())} places left out")


if __name__ == "__main__":
    errors.run(main)
