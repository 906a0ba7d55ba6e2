"""A cell: one stage of one rung, trained, fetched or asked, and the key of all that determines what comes of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import sha256_file
from tasklaws.core.runs import packages
from tasklaws.core.settings import Settings, TrainSource
from tasklaws.provenance.chain import files_in
from tasklaws.provenance.dotted import value_at
from tasklaws.provenance.planned import PlannedStage

TRAIN, ASK = "model", "respond"
# Of the installed packages those that compute what a cell makes.
_COMPUTE = ("python", "torch", "transformers", "tokenizers", "safetensors", "accelerate", "lm_eval", "numpy")


@dataclass(frozen=True)
class Cell:
    """A stage of a rung, with the digests of all that it reads but the model that it asks.

    `sources` are places outside the repository that the rung's source names. `model` is the folder of that model, and
    `made_by` the id of the cell that makes it; both are empty of a cell that makes one.
    """

    name: str
    command: str
    inputs: Mapping[str, str]
    sources: Mapping[str, str]
    params: Mapping[str, object]
    versions: Mapping[str, str]
    device: str
    outputs: tuple[str, ...]
    model: str = ""
    made_by: str = ""

    @property
    def rung(self) -> str:
        return self.of.partition("@")[2]

    @property
    def stage(self) -> str:
        return self.name.partition("@")[0]

    @property
    def of(self) -> str:
        """The stage of dvc.yaml whose outputs it makes, or a shard of them."""
        return self.name.partition(":")[0]

    @property
    def whole(self) -> "Cell":
        """The cell that asks all items; of one that does, itself."""
        return replace(self, name=self.of, command=self.command.partition(":")[0])

    @cached_property
    def id(self) -> str:
        """What names it before its model is there: the hash of all that determines it, its model's cell in the place of
        the model. Of a cell that makes a model it is the key."""
        return self._hash({self.model: self.made_by} if self.model else {})

    def key(self, model: str = "") -> str:
        """The SHA-256, in hex, of all that determines its outputs; `model` is the digest of the model it asks."""
        return self._hash({self.model: model} if self.model else {})

    def _hash(self, model: Mapping[str, str]) -> str:
        parts = {name: value for name, value in asdict(self).items() if name not in ("name", "model", "made_by")}
        parts["inputs"] = {**self.inputs, **model}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cell_sha256(path: Path) -> str:
    """The SHA-256 of a file, or of a folder's list of files that DVC counts; of what is not there TasklawsError."""
    if path.is_dir():
        return digest_of({file.relative_to(path).as_posix(): sha256_file(file) for file in files_in(path)})
    if not path.is_file():
        raise TasklawsError(f"{path} does not exist: run `dvc repro {path}`, or `dvc pull`")
    return sha256_file(path)


def digest_of(hashes: Mapping[str, str]) -> str:
    """The digest of a folder whose files, by their paths inside it, have these hashes."""
    return hashlib.sha256("\n".join(f"{name} {hashes[name]}" for name in sorted(hashes)).encode()).hexdigest()


class Reader:
    """Makes the cells of a ladder from the files under `root`, of which none is read twice."""

    def __init__(self, stages: Mapping[str, PlannedStage], settings: Settings, root: Path) -> None:
        self.stages, self.settings, self.root = stages, settings, root
        self._known: dict[str, str] = {}

    def cells(self) -> list[Cell]:
        """The cells that make the ladder's models, from small to large, then those that ask them."""
        models = {rung: self.cell(f"{TRAIN}@{rung}") for rung in self.settings.models.rungs}
        return [*models.values(), *(shard for made in models.values() for shard in self.asking(made.rung, made))]

    def asking(self, rung: str, made_by: Cell | None = None) -> list[Cell]:
        """The cells that ask a rung: one, or as many as the settings have shards of it."""
        whole = self.cell(f"{ASK}@{rung}", made_by)
        count = self.settings.execution.resources.respond.of(rung).shards
        parts = [f":{number}of{count}" for number in range(1, count + 1)] if count > 1 else [""]
        return [replace(whole, name=whole.name + part, command=whole.command + part) for part in parts]

    def cell(self, name: str, made_by: Cell | None = None) -> Cell:
        """The cell of a stage; an input that is not there raises TasklawsError."""
        stage, (kind, _, rung) = self.stages[name], name.partition("@")
        model = f"models/{rung}" if kind == ASK else ""
        device = self.settings.execution.device
        if kind == TRAIN or (isinstance(self.settings.rung(rung).source, TrainSource) and device == "auto"):
            device = "cpu"  # as the stages take it
        return Cell(
            name=name,
            command=stage.command,
            inputs={path: self.digest(path) for path in sorted(stage.inputs - {model})},
            sources={place: self.digest(place) for place in self.settings.models.read_here_by(rung).values()},
            params={key: value_at(self.settings.raw, key) for key in sorted(stage.params)},
            versions={name: version for name, version in packages().items() if name in _COMPUTE},
            device=device,
            outputs=tuple(sorted(stage.outputs)),
            model=model,
            made_by=made_by.id if made_by else "",
        )

    def digest(self, path: str) -> str:
        """The digest of a file or folder."""
        if path not in self._known:
            self._known[path] = cell_sha256(self.root / Path(path).expanduser())
        return self._known[path]
