"""The corpus a ladder is trained on: other instances of the same formats, none of them asked."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_jsonl
from tasklaws.core.schema import Document
from tasklaws.core.settings import Corpus
from tasklaws.families import Family
from tasklaws.families.base import generator
from tasklaws.families.draws import draw_unreserved, reserved_questions
from tasklaws.families.prompts import prompt, question_of, split_task, target
from tasklaws.ladder.batches import write_encoded
from tasklaws.ladder.tokenizer import encode, train_tokenizer


def documents(
    families: list[Family],
    mixture: dict[str, float],
    count: int,
    seed: int,
    purpose: str,
    unlike: frozenset[str] = frozenset(),
) -> Iterator[Document]:
    """`count` documents, tasks drawn by the weights of `mixture` (`<family>_<elicitation>` -> weight).

    `purpose` seeds a stream of its own; no document has a prompt among `unlike`, so that held-out ones were never
    learned from. An unknown family or elicitation raises TasklawsError.
    """
    by_name = {family.name: family for family in families}
    refuse_unknown_tasks(families, mixture)
    reserved = reserved_questions(families, seed)
    rng = generator(seed, "corpus", purpose)
    for task in rng.choices(list(mixture), list(mixture.values()), k=count):
        name, elicitation = split_task(task)
        read = None
        while read is None or read in unlike:
            item = draw_unreserved(by_name[name], rng, reserved)
            read = prompt(item.question, elicitation)
        yield Document(name, elicitation, read, target(item, elicitation))


def refuse_unknown_tasks(families: list[Family], tasks: Iterable[str]) -> None:
    """Raise TasklawsError for the first task (`<family>_<elicitation>`) that no family has."""
    by_name = {family.name: family for family in families}
    for name, elicitation in map(split_task, tasks):
        if name not in by_name or elicitation not in by_name[name].elicitations:
            raise TasklawsError(f"no task {name}_{elicitation}: the families are {', '.join(by_name)}")


def refuse_leaks(documents: list[Document], reserved: frozenset[str]) -> None:
    """Raise TasklawsError if any document asks a reserved question, whatever the elicitation."""
    for document in documents:
        question = question_of(document.prompt)
        if question in reserved:
            raise TasklawsError(f"corpus: {question!r} is an eval question: it must not be learned from")


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
