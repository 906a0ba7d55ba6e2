"""Write what the nano ladders learn from, the held-out documents and the tokenizer; no eval question is among them."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.ladder.corpus import write_corpus

OUT = Path("data/corpus")


def main() -> None:
    settings = load()
    families = build(settings.families.sets)
    files = [ITEMS / f"{family.name}.jsonl" for family in families]
    asked = frozenset(item.question for file in files for item in read_items(file))
    wanted = settings.corpus
    write_corpus(OUT, families, wanted, settings.seed, asked)
    print(f"{OUT}: {wanted.n_documents} documents to learn from, {wanted.n_heldout} held out")


if __name__ == "__main__":
    errors.run(main)
