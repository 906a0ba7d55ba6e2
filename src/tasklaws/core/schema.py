"""The nouns of the experiment as frozen types, and their files."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar, overload

from tasklaws.core.checked import NOT_EMPTY, Count, Natural, NotNegative, Rule, read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl

Role = Literal["fit", "holdout"]
Elicitation = Literal["direct", "python", "choice"]
Noun = TypeVar("Noun")
ITEMS = Path("data/items")


@overload
def train_flops(n_params: int, n_tokens: int) -> float: ...
@overload
def train_flops(n_params: int, n_tokens: int | None) -> float | None: ...
def train_flops(n_params: int, n_tokens: int | None) -> float | None:
    """Training compute, 6 N D operations, N being the non-embedding parameters (Kaplan 2020, section 2.1); unknown
    where the tokens are."""
    return None if n_tokens is None else 6.0 * n_params * n_tokens


@dataclass(frozen=True)
class Item:
    """One question of a family.

    `answer` is the exact text that solves it. `programs` are Python programs that print the answer: the reference
    first, then shorter ones that skip the optional steps. `n_required` and `n_optional` count its steps; the optional
    ones can be skipped without changing the answer. `order_matters` says whether some reordering of the steps gives
    another answer. `human_seconds` is what the family's stated model says a person needs who knows no shortcut.
    `fuel` is the sandbox budget of a program for it. `chance` is the score of a guess. `choices` is empty unless the
    item is multiple choice, and then holds `answer`.
    """

    id: str
    family: str
    question: str
    answer: str
    skills: tuple[str, ...]
    n_required: Natural
    n_optional: Natural
    order_matters: bool
    human_seconds: NotNegative
    fuel: Count
    chance: Annotated[float, Rule("0 or more and below 1", lambda chance: 0 <= chance < 1)]
    programs: Annotated[tuple[str, ...], NOT_EMPTY]
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.choices and self.answer not in self.choices:
            raise TasklawsError(f"answer is {self.answer!r}, which is none of the choices")

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Response:
    """What one checkpoint said to one item.

    A choice has `log_likelihoods` of its choices, anything else the `response` and the `log_likelihood` of the right
    text, in nats.
    """

    seed: Natural
    step: Natural
    family: str
    elicitation: Elicitation
    item: str
    response: str | None = None
    log_likelihood: float | None = None
    log_likelihoods: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        due = {"log_likelihoods"} if self.elicitation == "choice" else {"response", "log_likelihood"}
        for name in ("response", "log_likelihood", "log_likelihoods"):
            if (getattr(self, name) is not None) != (name in due):
                raise TasklawsError(f"a {self.elicitation} response {'lacks' if name in due else 'has'} {name}")


@dataclass(frozen=True)
class Document:
    """One prompt with the text that follows it; only the target's tokens are learned and count in the loss."""

    family: str
    elicitation: str
    prompt: str
    target: Annotated[str, NOT_EMPTY]

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def read_items(path: Path) -> list[Item]:
    """The items of a file; a malformed row, an id that stands twice and an empty file raise TasklawsError."""
    items = _read_rows(Item, path, "run `dvc repro items`")
    if len({item.id for item in items}) < len(items):
        raise TasklawsError(f"{path}: an item id stands twice: run `dvc repro items`")
    if not items:
        raise TasklawsError(f"{path} holds no items: run `dvc repro items`")
    return items


def read_family_items(families: Iterable[str], folder: Path = ITEMS) -> list[Item]:
    """The items of all `families`, one file each in `folder`; errors are those of `read_items`."""
    return [item for family in families for item in read_items(folder / f"{family}.jsonl")]


def read_documents(path: Path) -> list[Document]:
    """The documents of a file; a malformed row raises TasklawsError with its number."""
    return _read_rows(Document, path, "run `dvc repro --force corpus`")


def read_responses(path: Path, rung: str) -> list[Response]:
    """What the checkpoints of a rung said; a malformed row raises TasklawsError with its number."""
    return _read_rows(Response, path, f"run `dvc repro --force respond@{rung}`")


def _read_rows(kind: type[Noun], path: Path, remedy: str) -> list[Noun]:
    return [read(kind, row, f"{path}:{number}", remedy) for number, row in enumerate(read_jsonl(path), 1)]
