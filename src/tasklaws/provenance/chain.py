"""dvc.lock as a chain: which stage wrote a file, from which inputs, parameters and code.

It is read by itself, without dvc.yaml: it holds the stages of every ladder that was run, also of those that the present
parameters do not name.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import LOCK

IGNORED = ("__pycache__",)  # as .dvcignore and DVC have it
_CHUNK = 2**20


@dataclass(frozen=True)
class Entry:
    """A file or folder as dvc.lock has it: `md5` of a folder ends in .dir, and it has a number of files."""

    path: str
    md5: str
    size: int
    n_files: int | None = None


@dataclass(frozen=True)
class Stage:
    """A stage that has run: its name (`model@nano-10k`), command, inputs, parameters and outputs."""

    name: str
    command: str
    inputs: tuple[Entry, ...]
    params: Mapping[str, Any]
    outputs: tuple[Entry, ...]

    @property
    def code(self) -> tuple[Entry, ...]:
        """The inputs that are code or what is asked with, not data."""
        return tuple(entry for entry in self.inputs if entry.path.startswith(("src/", "stages/", "custom_tasks")))

    @property
    def data(self) -> tuple[Entry, ...]:
        """The inputs that are no code."""
        return tuple(entry for entry in self.inputs if entry not in self.code)


class Chain:
    """The stages of a dvc.lock by name, and which of them wrote what."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self.stages = dict(stages)
        self._by_output = {entry.path: (stage, entry) for stage in self.stages.values() for entry in stage.outputs}

    def written(self, path: str) -> tuple[Stage, Entry] | None:
        """The stage that wrote `path`, a file or one inside a folder that a stage wrote, and the output it lies in."""
        for place in (PurePosixPath(path), *PurePosixPath(path).parents):
            if (found := self._by_output.get(place.as_posix())) is not None:
                return found
        return None

    def below(self, path: str) -> list[tuple[Stage, Entry]]:
        """The outputs at `path` or below it, as an input that is a folder of several stages' outputs has them."""
        inside = f"{path}/"
        return [(stage, entry) for name, (stage, entry) in self._by_output.items() if f"{name}/".startswith(inside)]

    def before(self, stage: Stage) -> Iterator[Stage]:
        """The stages whose outputs a stage read, each once, in the order of its inputs."""
        seen = {stage.name}
        for entry in stage.inputs:
            written = self.written(entry.path)
            for earlier, _ in [written] if written else self.below(entry.path):
                if earlier.name not in seen:
                    seen.add(earlier.name)
                    yield earlier


def read_chain(root: Path = Path()) -> Chain:
    """The chain in `root`/dvc.lock; a missing or damaged lock raises TasklawsError."""
    path = root / LOCK
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: run `dvc repro` in the repository's root") from error
    return parse_chain(text, str(path))


def parse_chain(text: str, name: str) -> Chain:
    """The chain in the text of a dvc.lock; one that is no whole lock raises TasklawsError, which calls it `name`."""
    try:
        found: Any = yaml.load(text, Loader=yaml.CSafeLoader)
        return Chain({str(stage): _stage(str(stage), entry) for stage, entry in found["stages"].items()})
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise TasklawsError(f"{name} is damaged: run `tasklaws repair-lock`") from error


def _stage(name: str, entry: Mapping[str, Any]) -> Stage:
    params = {key: value for values in entry.get("params", {}).values() for key, value in values.items()}
    inputs, outputs = (tuple(_entry(each) for each in entry.get(key, [])) for key in ("deps", "outs"))
    return Stage(name, str(entry["cmd"]), inputs, params, outputs)


def _entry(entry: Mapping[str, Any]) -> Entry:
    return Entry(str(entry["path"]), str(entry["md5"]), int(entry["size"]), entry.get("nfiles"))


def md5(path: Path) -> str:
    """The MD5 of a file, or of a folder as DVC has it: of the JSON list of its files' hashes, with .dir behind it.

    It reads every byte: nothing is taken from DVC's own notes of what it has hashed.
    """
    if path.is_dir():
        files = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in files_in(path)]
        text = json.dumps(sorted(files, key=lambda file: file["relpath"]), sort_keys=True)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_in(folder: Path) -> list[Path]:
    """All files below a folder that DVC counts, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not set(IGNORED) & set(path.parts))
