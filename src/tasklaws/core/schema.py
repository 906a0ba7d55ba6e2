"""The nouns of the experiment as frozen types, and their files."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, overload

from tasklaws.core.checked import NOT_EMPTY, Count, Natural, NotNegative, Rule, read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_jsonl

Role = Literal["fit", "holdout"]
Elicitation = Literal["direct", "python", "choice"]
BENCHMARK: Final = "benchmark"
"""The elicitation of what lm-eval's own tasks put, in their own way."""
RawAnswer = str | float | tuple[float, bool]
"""What lm-eval is given for a request: a text, the log-likelihood of a whole text (nats), or that of a continuation and
whether it is what the model would have written."""
Noun = TypeVar("Noun")
AnyNoun = TypeVar("AnyNoun", "Item", "BenchmarkItem")
ITEMS = Path("data/items")
BENCHMARKS = Path("data/benchmarks")
Chance = Annotated[float, Rule("0 or more and below 1", lambda chance: 0 <= chance < 1)]


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
    chance: Chance
    programs: Annotated[tuple[str, ...], NOT_EMPTY]
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.choices and self.answer not in self.choices:
            raise TasklawsError(f"answer is {self.answer!r}, which is none of the choices")

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class BenchmarkItem:
    """One document of an lm-eval task, asked under the name of its benchmark, `family`: the task, or the group of it.

    `task` is lm-eval's and `document` the document's place in it, from 0; `sha256` is that of the document as lm-eval
    has it. `question` is what is read without examples before it, `answer` the right one, `choices` are those that it
    lets choose between, if any. `skills` are the document's subjects, and of a group its tasks. `chance` is the score
    of a guess.
    """

    id: str
    family: str
    task: str
    document: Natural
    sha256: str
    question: str
    answer: str
    skills: tuple[str, ...]
    chance: Chance
    choices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


AnyItem = Item | BenchmarkItem
_DUE = {"choice": {"log_likelihoods"}, BENCHMARK: {"answers"}}


@dataclass(frozen=True)
class Response:
    """What one checkpoint said to one item.

    A choice has `log_likelihoods` of its choices, anything else of a family the `response` and, where the model tells
    likelihoods, the `log_likelihood` of the right text, in nats. A benchmark has the `answers` to each of its requests,
    one for every repeat.
    """

    seed: Natural
    step: Natural
    family: str
    elicitation: Literal["direct", "python", "choice", "benchmark"]
    item: str
    response: str | None = None
    log_likelihood: float | None = None
    log_likelihoods: tuple[float, ...] | None = None
    answers: tuple[tuple[RawAnswer, ...], ...] | None = None

    def __post_init__(self) -> None:
        due = _DUE.get(self.elicitation, {"response"})
        allowed = due | ({"log_likelihood"} if "response" in due else set())
        for name in ("response", "log_likelihood", "log_likelihoods", "answers"):
            given = getattr(self, name) is not None
            if given != (name in due) and not (given and name in allowed):
                raise TasklawsError(f"a {self.elicitation} response {'has' if given else 'lacks'} {name}")


def response_digest(said: Response) -> str:
    """A digest of all that a model said to an item, its text and likelihoods: 16 hex digits of SHA-256."""
    names = ("response", "log_likelihood", "log_likelihoods", "answers")
    given = {name: value for name in names if (value := getattr(said, name)) is not None}
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]


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
    return _read_distinct(Item, path, "run `dvc repro items`")


def read_benchmark_items(path: Path) -> list[BenchmarkItem]:
    """The same of a benchmark's documents."""
    return _read_distinct(BenchmarkItem, path, "run `dvc repro benchmarks`")


def _read_distinct(kind: type[AnyNoun], path: Path, remedy: str) -> list[AnyNoun]:
    items = _read_rows(kind, path, remedy)
    if len({item.id for item in items}) < len(items):
        raise TasklawsError(f"{path}: an item id stands twice: {remedy}")
    if not items:
        raise TasklawsError(f"{path} holds no items: {remedy}")
    return items


def items_file(family: str, root: Path = Path()) -> Path:
    """Where the items of a family or benchmark lie below the repository's root."""
    benchmark = root / BENCHMARKS / f"{family}.jsonl"
    return benchmark if benchmark.is_file() else root / ITEMS / f"{family}.jsonl"


def read_asked_items(families: Iterable[str], root: Path = Path()) -> list[AnyItem]:
    """The items of families and benchmarks below the repository's root; errors are those of `read_items`."""
    found: list[AnyItem] = []
    for path in (items_file(family, root) for family in families):
        found += read_benchmark_items(path) if path.parent.name == BENCHMARKS.name else read_items(path)
    return found


def benchmark_families(root: Path = Path()) -> list[str]:
    """The benchmarks that were asked for, below the repository's root."""
    return sorted(path.stem for path in (root / BENCHMARKS).glob("*.jsonl"))


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
