"""Write what the nano ladders learn from, the held-out documents and the tokenizer; no eval question is among them."""

from pathlib import Path

from tasklaws.core import errors
from tasklaws.core.config import load_params
from tasklaws.core.schema import ITEMS, read_items
from tasklaws.core.settings import Corpus
from tasklaws.families import build
from tasklaws.ladder.corpus import write_corpus

OUT = Path("data/corpus")


def main() -> None:
    params = load_params()
    families = build(params["families"]["sets"])
    files = [ITEMS / f"{family.name}.jsonl" for family in families]
    asked = frozenset(item.question for file in files for item in read_items(file))
    settings = Corpus(**params["corpus"])
    write_corpus(OUT, families, settings, params["seed"], asked)
    print(f"{OUT}: {settings.n_documents} documents to learn from, {settings.n_heldout} held out")


if __name__ == "__main__":
    errors.run(main)
