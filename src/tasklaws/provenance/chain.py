"""dvc.lock as a chain: which stage wrote a file, from which inputs, parameters and code.

It is read by itself, without dvc.yaml: it holds the stages of every ladder that was run, also of those that the present
parameters do not name.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_text
from tasklaws.core.lock import LOCK

_CHUNK = 2**20


@dataclass(frozen=True)
class Entry:
    """A file or folder as dvc.lock has it: `md5` of a folder ends in .dir, and it has a number of files."""

    path: str
    md5: str
    size: int
    n_files: int | None = None
    is_executable: bool = False


@dataclass(frozen=True)
class Stage:
    """A stage that has run: its name (`model@nano-10k`), command, inputs, parameters and outputs."""

    name: str
    command: str
    inputs: tuple[Entry, ...]
    params: Mapping[str, Any]
    outputs: tuple[Entry, ...]

    def param(self, key: str) -> Any:
        """A parameter by its dotted key; one that the stage did not read raises TasklawsError."""
        if key not in self.params:
            raise TasklawsError(f"{LOCK}: {self.name} has no parameter {key}: run `dvc repro {self.name}`")
        return self.params[key]

    @property
    def code(self) -> tuple[Entry, ...]:
        """The inputs that are code or what is asked with, not data."""
        return tuple(entry for entry in self.inputs if entry.path.startswith(("src/", "stages/", "custom_tasks")))

    @property
    def data(self) -> tuple[Entry, ...]:
        """The inputs that are no code."""
        return tuple(entry for entry in self.inputs if entry not in self.code)


class _AsDvc(yaml.CSafeLoader):
    """DVC reads and writes YAML 1.2, in which yes, no, on and off are words and 1e-05 is a number."""


_AsDvc.yaml_implicit_resolvers = {
    first: [each for each in resolvers if first in "tTfF" or not each[0].endswith(":bool")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_AsDvc.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


class _Lock(_AsDvc):
    """Of dvc.lock DVC refuses a key that stands twice in one place."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key stands there twice", node.start_mark)
        return found


def load_yaml(text: str) -> Any:
    """What DVC reads in the text of dvc.lock or params.yaml; malformed text raises yaml.YAMLError."""
    return yaml.load(text, Loader=_AsDvc)


def read_yaml(path: Path) -> Any:
    """What DVC reads in a file; a missing or malformed one raises TasklawsError."""
    try:
        return load_yaml(read_text(path))
    except yaml.YAMLError as error:
        raise TasklawsError(f"{path}: {' '.join(str(error).split())}: correct it") from error


class Chain:
    """The stages of a dvc.lock by name, and which of them wrote what."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        self.stages = dict(stages)
        self._by_output = {entry.path: (stage, entry) for stage, entry in self.outputs()}

    def outputs(self) -> Iterator[tuple[Stage, Entry]]:
        """Every output behind its stage, in the lock's order; one path twice where two stages wrote it."""
        return ((stage, entry) for stage in self.stages.values() for entry in stage.outputs)

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

    def sources(self, read: Entry) -> list[Entry] | None:
        """The outputs of which an input consists, none where no stage wrote it; None if it was made anew since then."""
        written = self.written(read.path)
        if written is None:
            return [entry for _, entry in self.below(read.path)]
        return None if written[1].path == read.path and written[1].md5 != read.md5 else [written[1]]


def read_chain(root: Path = Path()) -> Chain:
    """The chain in `root`/dvc.lock; a missing or damaged lock raises TasklawsError."""
    path = root / LOCK
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        remedy = "run this in the repository's root; where it is gone there, `tasklaws repair-lock` brings it back"
        raise TasklawsError(f"{path} does not exist: {remedy}") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is damaged: run `tasklaws repair-lock`") from error
    return parse_chain(text, str(path))


def parse_chain(text: str, name: str) -> Chain:
    """The chain in the text of a dvc.lock; one that is no whole lock raises TasklawsError, which calls it `name`."""
    try:
        found = yaml.load(text, Loader=_Lock)
        return Chain({str(stage): _stage(str(stage), entry) for stage, entry in found["stages"].items()})
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise TasklawsError(f"{name} is damaged: run `tasklaws repair-lock`") from error


def _stage(name: str, entry: Mapping[str, Any]) -> Stage:
    params = {key: value for values in entry.get("params", {}).values() for key, value in values.items()}
    inputs, outputs = (tuple(_entry(each) for each in entry.get(key, [])) for key in ("deps", "outs"))
    return Stage(name, str(entry["cmd"]), inputs, params, outputs)


def _entry(entry: Mapping[str, Any]) -> Entry:
    executable = bool(entry.get("isexec", False))
    return Entry(str(entry["path"]), str(entry["md5"]), int(entry["size"]), entry.get("nfiles"), executable)


def md5(path: Path) -> str:
    """The MD5 of a file, or of a folder as DVC has it: of the JSON list of its files' hashes, with .dir behind it.

    It reads every byte: nothing is taken from DVC's own notes of what it has hashed.
    """
    if path.is_dir():
        return folder_md5({file.relative_to(path).as_posix(): md5(file) for file in files_in(path)})
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def md5_of(content: bytes) -> str:
    """The MD5 of what a file holds."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def folder_md5(hashes: Mapping[str, str]) -> str:
    """The MD5 of a folder whose files, by their paths inside it, have these hashes."""
    text = json.dumps([{"md5": hashes[name], "relpath": name} for name in sorted(hashes)], sort_keys=True)
    return f"{md5_of(text.encode())}.dir"


def files_in(folder: Path) -> list[Path]:
    """All files below a folder that DVC counts, sorted: those that the .dvcignore of its repository leaves in."""
    there = folder.absolute()
    root = next((place for place in there.parents if (place / ".dvc").is_dir()), there)
    found = [path for path in there.rglob("*") if path.is_file()]
    files = {path.relative_to(root).as_posix(): folder / path.relative_to(there) for path in found}
    ignore = root / ".dvcignore"
    left_out = _ignored(ignore.read_text(encoding="utf-8") if ignore.is_file() else "").match_files(files)
    return sorted(files[name] for name in files.keys() - set(left_out))


@cache
def _ignored(text: str) -> Any:
    from pathspec import GitIgnoreSpec  # which DVC itself reads the file with

    return GitIgnoreSpec.from_lines([*text.splitlines(), "__pycache__"])
