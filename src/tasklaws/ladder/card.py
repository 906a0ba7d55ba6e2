"""models/<rung>/card.json: what is known of a rung's models once they exist.

A checkpoint in the directory "." is the final one of the first seed; the others lie in seed<S>-step<T>/.
"""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tasklaws.core.checked import read as _read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file, write_json
from tasklaws.core.schema import train_flops
from tasklaws.core.settings import Models

CARD = "card.json"
COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
ONLY = {"train": ("corpus_sha256",), "hub": ("repo", "revision", "commit", "n_params_loaded")}


def hash_weights(directory: Path) -> str:
    """The SHA-256 of a Hugging Face directory's weights: of the file, or of the list of its shards' hashes.

    No weights in the directory raises TasklawsError.
    """
    files = sorted(path for kind in ("*.safetensors", "*.bin") for path in directory.glob(kind))
    if not files:
        raise TasklawsError(f"{directory} holds no weights: remove it and run `dvc repro`")
    hashes = [sha256_file(path) for path in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """A rung at one training step.

    `path` is relative to the rung's directory. `n_tokens` is what it was trained on so far. `loss_nats` is
    the mean negative log-likelihood of a held-out token, `bits_per_byte` that of a byte of the same text.
    `commit` is what the hub resolved the checkpoint's revision to; a trained checkpoint has none. A bad
    value raises TasklawsError.
    """

    path: str
    seed: int
    step: int
    is_final: bool
    n_tokens: int
    train_flops: float
    loss_nats: float
    bits_per_byte: float
    weights_sha256: str
    commit: str | None = None

    def __post_init__(self) -> None:
        where = PurePosixPath(self.path)
        if where.is_absolute() or ".." in where.parts:
            raise TasklawsError(f"checkpoint path {self.path!r} leaves the rung's directory: give a relative one")
        if not isinstance(self.is_final, bool):
            raise TasklawsError(f"checkpoint {self.path}: is_final is {self.is_final!r}: give true or false")
        _refuse_number(self, ("seed", "step"), minimum=0, whole=True)
        _refuse_number(self, ("n_tokens",), minimum=0, whole=True)
        _refuse_number(self, ("train_flops", "loss_nats", "bits_per_byte"), minimum=0, whole=False)
        _refuse_text(f"checkpoint {self.path}: weights_sha256", self.weights_sha256, SHA256)
        if self.commit is not None:
            _refuse_text(f"checkpoint {self.path}: commit", self.commit, COMMIT)


@dataclass(frozen=True)
class Card:
    """A rung's models: how large, from where, on what, and every checkpoint.

    `n_params` leaves out embeddings, `n_params_total` does not. `source_kind` says which of the optional
    fields exist: "train" has corpus_sha256; "hub" has repo, revision, commit (the resolved revision of the
    final checkpoint) and n_params_loaded, which is the non-embedding count of the fetched weights where
    n_params is what the ladder states. An inconsistent card raises TasklawsError.
    """

    rung: str
    source_kind: str
    n_params: int
    n_params_total: int
    tokenizer_sha256: str
    checkpoints: tuple[Checkpoint, ...]
    corpus_sha256: str | None = None
    repo: str | None = None
    revision: str | None = None
    commit: str | None = None
    n_params_loaded: int | None = None

    def __post_init__(self) -> None:
        if self.source_kind not in ONLY:
            raise TasklawsError(f"source_kind is {self.source_kind!r}: give one of {', '.join(ONLY)}")
        for kind, names in ONLY.items():
            for name in names:
                if (getattr(self, name) is None) == (kind == self.source_kind):
                    state = "lacks" if kind == self.source_kind else "has"
                    raise TasklawsError(f"card of a {self.source_kind} rung {state} {name}: it is for {kind} rungs")
        counts = ("n_params", "n_params_total") + (("n_params_loaded",) if self.source_kind == "hub" else ())
        _refuse_number(self, counts, minimum=1, whole=True)
        if self.n_params > self.n_params_total:
            raise TasklawsError(f"n_params {self.n_params} exceeds n_params_total {self.n_params_total}: swap them")
        _refuse_text("tokenizer_sha256", self.tokenizer_sha256, SHA256)
        if self.corpus_sha256 is not None:
            _refuse_text("corpus_sha256", self.corpus_sha256, SHA256)
        if self.commit is not None:
            _refuse_text("commit", self.commit, COMMIT)
        _refuse_checkpoints(self)

    @property
    def final(self) -> Checkpoint:
        """The checkpoint in the rung's own directory."""
        return next(checkpoint for checkpoint in self.checkpoints if checkpoint.path == ".")

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON has it: a field that this kind of rung lacks is absent."""
        row = _present(asdict(self))
        return row | {"checkpoints": [_present(asdict(checkpoint)) for checkpoint in self.checkpoints]}


@dataclass(frozen=True)
class MadeBy:
    """scores/<ladder>/<role>/<rung>.json: what made the scores beside it, the rung's models and the sandbox."""

    card: Card
    sandbox: str


def read(rung_dir: Path) -> Card:
    """Read a rung's card; a missing, malformed or inconsistent one raises TasklawsError."""
    path = rung_dir / CARD
    return _read(Card, read_json(path), str(path), f"remove {rung_dir} and run `dvc repro`")


def read_made_by(scores_dir: Path, rung: str) -> MadeBy:
    """Read what made a rung's scores; a missing or malformed file, or another rung's, raises TasklawsError."""
    path, remedy = scores_dir / f"{rung}.json", f"run `dvc repro --force score@{rung}`"
    found = _read(MadeBy, read_json(path), str(path), remedy)
    if found.card.rung != rung:
        raise TasklawsError(f"{path} holds the card of {found.card.rung}: {remedy}")
    return found


def write(rung_dir: Path, card: Card) -> None:
    """Write a rung's card atomically."""
    write_json(rung_dir / CARD, card.to_dict())


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def _refuse_number(of: Any, names: Iterable[str], minimum: int, whole: bool) -> None:
    for name in names:
        value = getattr(of, name)
        right_type = isinstance(value, int) or (not whole and isinstance(value, float))
        if isinstance(value, bool) or not right_type or not math.isfinite(value) or value < minimum:
            kind = "a whole number" if whole else "a finite number"
            raise TasklawsError(f"{name} is {value!r}: give {kind} of at least {minimum}")


def _refuse_text(name: str, value: Any, form: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise TasklawsError(f"{name} is {value!r}: give {form.pattern}")


def _refuse_checkpoints(card: Card) -> None:
    for key in ("path", "seed and step"):
        seen = [c.path if key == "path" else (c.seed, c.step) for c in card.checkpoints]
        twice = [value for value in seen if seen.count(value) > 1]
        if twice:
            raise TasklawsError(f"checkpoints share the {key} {twice[0]}: keep one")
    for checkpoint in card.checkpoints:
        flops = train_flops(card.n_params, checkpoint.n_tokens)
        if not math.isclose(checkpoint.train_flops, flops, rel_tol=1e-9):
            raise TasklawsError(f"train_flops of {checkpoint.path} is {checkpoint.train_flops}: 6 N D is {flops}")
        if (checkpoint.commit is None) == (card.source_kind == "hub"):
            raise TasklawsError(
                f"commit of {checkpoint.path} is {checkpoint.commit}: a hub checkpoint has one, no other"
            )
        last = max(other.step for other in card.checkpoints if other.seed == checkpoint.seed)
        if checkpoint.is_final != (checkpoint.step == last):
            raise TasklawsError(
                f"is_final of {checkpoint.path} is {checkpoint.is_final}: step {last} is the seed's last"
            )
    finals = [checkpoint for checkpoint in card.checkpoints if checkpoint.is_final]
    if not finals or "." not in (checkpoint.path for checkpoint in finals):
        raise TasklawsError('no final checkpoint with path ".": the final weights of the first seed belong there')
    if card.final.commit != card.commit:
        raise TasklawsError(
            f"commit {card.commit} is not that of the final checkpoint, {card.final.commit}: give that one"
        )


def ladder_rows(models: Models) -> list[dict[str, Any]]:
    """The size and budget of every rung (tables.LADDER), from the configuration alone."""
    return [
        {
            "ladder": models.name,
            "rung": name,
            "role": rung.role,
            "n_params": rung.source.n_params,
            "n_tokens": rung.source.n_tokens,
            "train_flops": train_flops(rung.source.n_params, rung.source.n_tokens),
        }
        for name, rung in models.rungs.items()
    ]
