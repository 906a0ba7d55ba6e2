"""The corpus a ladder is trained on: other instances of the same formats, none of them asked."""

from collections.abc import Iterable, Iterator

from tasklaws.elicitation import prompt, question_of, split_task, target
from tasklaws.errors import TasklawsError
from tasklaws.families import Family
from tasklaws.families.base import generator
from tasklaws.families.shots import draw_unreserved, reserved_questions
from tasklaws.ladder.document import Document


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
