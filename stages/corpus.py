"""Write what the nano ladders learn from, the held-out documents and the tokenizer; no eval question is among them."""

from pathlib import Path

from tasklaws import errors
from tasklaws.config import load_params
from tasklaws.families import build
from tasklaws.files import write_jsonl
from tasklaws.items import ITEMS, read_items
from tasklaws.ladder.corpus import documents, refuse_leaks
from tasklaws.ladder.packing import write_encoded
from tasklaws.ladder.tokenizer import encode, train_tokenizer

OUT = Path("data/corpus")


def main() -> None:
    params = load_params()
    corpus = params["corpus"]
    families = build(params["families"]["sets"])
    files = [ITEMS / f"{family.name}.jsonl" for family in families]
    asked = frozenset(item.question for file in files for item in read_items(file))
    learned: frozenset[str] = frozenset()
    for name, count in (("train", corpus["n_documents"]), ("heldout", corpus["n_heldout"])):
        drawn = list(documents(families, corpus["mixture"], count, params["seed"], name, unlike=learned))
        refuse_leaks(drawn, asked)
        write_jsonl(OUT / f"{name}.jsonl", [document.to_dict() for document in drawn])
        if name == "train":
            learned = frozenset(document.prompt for document in drawn)
            tokenizer = train_tokenizer(drawn, corpus["vocab_size"])
            tokenizer.save_pretrained(OUT / "tokenizer")
            write_encoded(OUT / "train.npy", encode(drawn, tokenizer))
        print(f"{OUT}/{name}.jsonl: {count} documents")


if __name__ == "__main__":
    errors.run(main)
