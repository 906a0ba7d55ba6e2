"""Write what the nano ladders learn from, the held-out documents and the tokenizer; no eval question is among them."""

from pathlib import Path

from tasklaws.core import script
from tasklaws.core.schema import read_family_items
from tasklaws.core.settings import load
from tasklaws.families import build
from tasklaws.ladder.corpus import write_corpus


def main() -> None:
    settings = load()
    corpus, out = settings.corpus, Path("data/corpus")
    families = build(settings.families.sets)
    asked = frozenset(item.question for item in read_family_items(family.name for family in families))
    write_corpus(out, families, corpus, settings.seed, asked)
    print(f"{out}: {corpus.n_documents} documents to learn from, {corpus.n_heldout} held out")


if __name__ == "__main__":
    script.run(main)
