"""What a ladder learns from, one piece of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tasklaws.files import read_jsonl
from tasklaws.typed import NOT_EMPTY, typed


@dataclass(frozen=True)
class Document:
    """One prompt with the text that follows it; only the target's tokens are learned and count in the loss."""

    family: str
    elicitation: str
    prompt: str
    target: Annotated[str, NOT_EMPTY]

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def read_documents(path: Path) -> list[Document]:
    """The documents of a file; a malformed row raises TasklawsError with its number."""
    remedy = "run `dvc repro --force corpus`"
    return [typed(Document, row, f"{path}:{number}", remedy) for number, row in enumerate(read_jsonl(path), 1)]
