"""What a ladder learns from, one piece of it."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Document:
    """One prompt with the text that follows it; only the target's tokens are learned and count in the loss."""

    family: str
    elicitation: str
    prompt: str
    target: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)
