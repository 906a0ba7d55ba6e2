"""models/<rung>/card.json: what is known of a rung's models once they exist.

A checkpoint in the directory "." is the final one of the first seed; the others lie in seed<S>-step<T>/.
"""

import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from tasklaws.core.checked import Count, Natural, NotNegative, Rule, read
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file, sha256_of, write_json
from tasklaws.core.git import COMMIT
from tasklaws.core.schema import train_flops

CARD = "card.json"
ONLY = {
    "train": ("corpus_sha256",),
    "hub": ("repo", "revision", "commit", "n_params_loaded"),
    "local": ("path",),
    "lm_eval": ("model", "model_args", "identity"),
}


def _is_inside(path: str) -> bool:
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


Inside = Annotated[str, Rule("a path inside the rung's directory", _is_inside)]
Name = Annotated[str, Rule("the name of a file", lambda name: PurePosixPath(name).name == name)]
Commit = Annotated[str, Rule("a commit of 40 hex digits", COMMIT.fullmatch)]
Sha256 = Annotated[str, Rule("a SHA-256 of 64 hex digits", re.compile(r"[0-9a-f]{64}").fullmatch)]


def hash_files(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file in a checkpoint's directory, by name; the card, and folders in it, are left out."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != CARD)
    return {path.name: sha256_file(path) for path in files}


@dataclass(frozen=True)
class Checkpoint:
    """A rung at one training step.

    `path` is relative to the rung's directory. `n_tokens` is what it was trained on so far, where that is known.
    `loss_nats` is the mean negative log-likelihood of a held-out token, `bits_per_byte` that of a byte of the same
    text, where they were measured. `files` has the SHA-256 of every file in its directory, as configuration and
    tokenizer change answers too; without weights among them TasklawsError is raised. A model that lm-eval reaches by
    itself has none. `commit` is what the hub resolved the checkpoint's revision to; others have none.
    """

    path: Inside
    seed: Natural
    step: Natural
    is_final: bool
    n_tokens: Natural | None = None
    train_flops: NotNegative | None = None
    loss_nats: NotNegative | None = None
    bits_per_byte: NotNegative | None = None
    files: dict[Name, Sha256] = field(default_factory=dict)
    commit: Commit | None = None

    def __post_init__(self) -> None:
        if self.files and self.weights_sha256 is None:
            raise TasklawsError(f"files of {self.path} have no weights: it needs a .safetensors or .bin file")
        for one, other in (("loss_nats", "bits_per_byte"), ("bits_per_byte", "loss_nats")):
            if getattr(self, one) is None and getattr(self, other) is not None:
                raise TasklawsError(f"{self.path} has no {one}, but {other}: it has both or neither")

    @property
    def weights_sha256(self) -> str | None:
        """The SHA-256 of the weights' file, or of the list of their shards' hashes; None where it has none here."""
        return sha256_of([self.files[name] for name in sorted(self.files) if name.endswith((".safetensors", ".bin"))])


@dataclass(frozen=True)
class Card:
    """A rung's models: how large, from where, on what, and every checkpoint.

    `n_params` leaves out embeddings, `n_params_total` does not. `source_kind` says which of the optional fields exist:
    "train" has corpus_sha256; "hub" has repo, revision, commit (the resolved revision of the final checkpoint) and
    n_params_loaded, the non-embedding count of the fetched weights where n_params is what the ladder states; "local"
    has path, the name of the directory or file that it came from, and of a GGUF file its gguf_sha256; "lm_eval" has
    model and model_args, as lm-eval takes them, and identity, what the server or hub told of it. All but the last
    have the tokenizer's hash, and trust_remote_code where code of the model's own is to run. An inconsistent card
    raises TasklawsError.
    """

    rung: str
    source_kind: Literal["train", "hub", "local", "lm_eval"]
    n_params: Count
    n_params_total: Count | None = None
    tokenizer_sha256: Sha256 | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    corpus_sha256: Sha256 | None = None
    repo: str | None = None
    revision: str | None = None
    commit: Commit | None = None
    n_params_loaded: Count | None = None
    path: Name | None = None
    gguf_sha256: Sha256 | None = None
    model: str | None = None
    model_args: dict[str, object] | None = None
    identity: dict[str, str] | None = None
    trust_remote_code: Literal[True] | None = None

    def __post_init__(self) -> None:
        has_files = self.source_kind != "lm_eval"
        due = ["checkpoints", *(["n_params_total", "tokenizer_sha256"] if has_files else [])]
        for name in due:
            if not getattr(self, name):
                raise TasklawsError(f"card of a {self.source_kind} rung has no {name}: it needs one")
        if self.source_kind == "train":
            for one in self.checkpoints:
                for name in ("n_tokens", "train_flops", "loss_nats"):
                    if getattr(one, name) is None:
                        raise TasklawsError(f"{one.path} of a train rung has no {name}: it needs one")
        for kind, names in ONLY.items():
            for name in names:
                if (getattr(self, name) is None) == (kind == self.source_kind):
                    state = "lacks" if kind == self.source_kind else "has"
                    raise TasklawsError(f"card of a {self.source_kind} rung {state} {name}: it is for {kind} rungs")
        if self.n_params_total is not None and self.n_params > self.n_params_total:
            raise TasklawsError(f"n_params {self.n_params} exceeds n_params_total {self.n_params_total}: swap them")
        _refuse_shared("path", [one.path for one in self.checkpoints])
        _refuse_shared("seed and step", [(one.seed, one.step) for one in self.checkpoints])
        last_steps: dict[int, int] = {}
        for one in self.checkpoints:
            last_steps[one.seed] = max(one.step, last_steps.get(one.seed, 0))
        for one in self.checkpoints:
            flops = train_flops(self.n_params, one.n_tokens)
            if not (flops == one.train_flops or math.isclose(one.train_flops or 0, flops or 0, rel_tol=1e-9)):
                raise TasklawsError(f"train_flops of {one.path} is {one.train_flops}: 6 N D is {flops}")
            if has_files != bool(one.files):
                state = "have no weights" if has_files else "are here"
                raise TasklawsError(f"files of {one.path} {state}, in the card of a {self.source_kind} rung")
            if (one.commit is None) == (self.source_kind == "hub"):
                raise TasklawsError(f"commit of {one.path} is {one.commit}: a hub checkpoint has one, no other")
            if one.is_final != (one.step == last_steps[one.seed]):
                raise TasklawsError(
                    f"is_final of {one.path} is {one.is_final}: step {last_steps[one.seed]} is the seed's last"
                )
        if not any(one.path == "." and one.is_final for one in self.checkpoints):
            raise TasklawsError('no final checkpoint with path ".": the final weights of the first seed belong there')
        if self.final.commit != self.commit:
            raise TasklawsError(f"commit {self.commit} is not that of the final checkpoint, {self.final.commit}")

    @property
    def final(self) -> Checkpoint:
        """The checkpoint in the rung's own directory."""
        return next(checkpoint for checkpoint in self.checkpoints if checkpoint.path == ".")

    @property
    def origin(self) -> str:
        """Where it is from, in words."""
        if self.source_kind == "lm_eval":
            return f"{self.model} {(self.identity or {}).get('id', '')}".rstrip()
        known = {"train": "trained here", "hub": f"{self.repo} at {self.commit}", "local": f"from {self.path}"}
        return known[self.source_kind]

    def to_dict(self) -> dict[str, object]:
        """The card as JSON has it: a field that this kind of rung lacks is absent."""
        row = asdict(self, dict_factory=lambda fields: {name: value for name, value in fields if value is not None})
        return row | {"checkpoints": list(row["checkpoints"])}


@dataclass(frozen=True)
class Whole:
    """A metric of a benchmark that lm-eval makes of all answers of a checkpoint together, such as perplexity."""

    seed: Natural
    step: Natural
    family: str
    metric: str
    value: float
    n_items: Count


@dataclass(frozen=True)
class MadeBy:
    """scores/<ladder>/<role>/<rung>.json: what made the scores beside it, the rung's models and the sandbox; and what
    is known of benchmarks' answers as a whole."""

    card: Card
    sandbox: str
    whole: tuple[Whole, ...] = ()


def read_card(rung_dir: Path) -> Card:
    """Read a rung's card; a missing, malformed or inconsistent one raises TasklawsError."""
    path = rung_dir / CARD
    return read(Card, read_json(path), str(path), f"remove {rung_dir} and run `dvc repro`")


def check_files(rung_dir: Path, card: Card) -> None:
    """Raise TasklawsError unless a rung's directory holds the files on its card, as they were, and no other.

    Every byte is read. The message names the first file that is missing, differs or is none of the card's.
    """
    listed = {str(PurePosixPath(one.path, name)): sha for one in card.checkpoints for name, sha in one.files.items()}
    inside = [path for path in rung_dir.rglob("*") if path.is_symlink() or not path.is_dir()]
    found = {path.relative_to(rung_dir).as_posix() for path in inside} - {CARD}
    for name in sorted(listed.keys() | found):
        path = rung_dir / name
        if name not in listed:
            reason = "is not on the card"
        elif not path.is_file():
            reason = "is on the card and not there"
        elif (sha := sha256_file(path)) != listed[name]:
            reason = f"has SHA-256 {sha}, on the card it is {listed[name]}"
        else:
            continue
        raise TasklawsError(f"{path} {reason}: remove {rung_dir} and run `dvc repro`")


def read_made_by(scores_dir: Path, rung: str) -> MadeBy:
    """Read what made a rung's scores; a missing or malformed file, or another rung's, raises TasklawsError."""
    path, remedy = scores_dir / f"{rung}.json", f"run `dvc repro --force score@{rung}`"
    found = read(MadeBy, read_json(path), str(path), remedy)
    if found.card.rung != rung:
        raise TasklawsError(f"{path} holds the card of {found.card.rung}: {remedy}")
    return found


def write_card(rung_dir: Path, card: Card) -> None:
    """Write a rung's card atomically."""
    write_json(rung_dir / CARD, card.to_dict())


def _refuse_shared(name: str, values: list[object]) -> None:
    shared = [value for value in values if values.count(value) > 1]
    if shared:
        raise TasklawsError(f"checkpoints share the {name} {shared[0]}: keep one")
