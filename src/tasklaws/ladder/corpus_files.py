"""Writing a corpus: what is learned from, held-out documents, the tokenizer, and the encoded documents."""

from pathlib import Path

from tasklaws.families import Family
from tasklaws.files import write_jsonl
from tasklaws.ladder.corpus import documents, refuse_leaks
from tasklaws.ladder.packing import write_encoded
from tasklaws.ladder.tokenizer import encode, train_tokenizer
from tasklaws.settings import Corpus

TRAIN = "train.npy"


def write_corpus(out: Path, families: list[Family], settings: Corpus, seed: int, asked: frozenset[str]) -> None:
    """Write train.jsonl, heldout.jsonl, tokenizer/ and, last, train.npy.

    No held-out document is one of train.jsonl; one that asks a question that is `asked` raises TasklawsError.
    """
    mixture = settings.mixture
    train = list(documents(families, mixture, settings.n_documents, seed, "train"))
    learned = frozenset(document.prompt for document in train)
    heldout = list(documents(families, mixture, settings.n_heldout, seed, "heldout", unlike=learned))
    for name, drawn in (("train", train), ("heldout", heldout)):
        refuse_leaks(drawn, asked)
        write_jsonl(out / f"{name}.jsonl", [document.to_dict() for document in drawn])
    tokenizer = train_tokenizer(train, settings.vocab_size)
    tokenizer.save_pretrained(out / "tokenizer")
    write_encoded(out / TRAIN, encode(train, tokenizer))
