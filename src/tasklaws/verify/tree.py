"""What is verified: a repository's files, what dvc.lock says of them, and what dvc.yaml and git say of both."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import LOCK
from tasklaws.provenance.chain import Chain, Entry, files_in, folder_md5, md5, parse_chain, read_chain
from tasklaws.provenance.git import Commit


class Difference(NamedTuple):
    """What differs (a file, a stage, a run) and how."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Unchecked(NamedTuple):
    """What cannot be checked here, or need not hold; no failure."""

    what: str

    def __str__(self) -> str:
        return self.what


Finding = Difference | Unchecked


@dataclass(frozen=True)
class PlannedStage:
    """A stage of the present ladder, as dvc.yaml has it."""

    name: str
    command: str
    inputs: frozenset[str]
    params: frozenset[str]
    outputs: frozenset[str]


class Tree:
    """A repository: its root, its commit (None outside git), the stages that DVC plans and those that dvc.lock records,
    those of its studies among them.

    A dvc.lock or dvc.yaml that cannot be read raises TasklawsError.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commit = Commit.of(root)
        self.chain: Chain = _with_studies(read_chain(root), root)
        self.planned, self.objects = planned(root)
        self._md5: dict[str, str] = {}

    def md5(self, path: str) -> str:
        """The MD5 of a file or folder below the root, as dvc.lock has it; no file is read twice."""
        place = self.root / path
        if place.is_dir():
            return folder_md5({file.relative_to(place).as_posix(): self._of(file) for file in files_in(place)})
        return self._of(place)

    def _of(self, file: Path) -> str:
        name = file.relative_to(self.root).as_posix()
        if name not in self._md5:
            self._md5[name] = md5(file) if file.is_file() else "no file"  # to open a pipe would wait for ever
        return self._md5[name]

    def is_file_or_folder(self, path: str) -> bool:
        """Whether a path leads to a file or a folder: not to nowhere, to a pipe or to a device."""
        return (self.root / path).is_file() or (self.root / path).is_dir()

    def exists(self, path: str) -> bool:
        """Whether there is something at a path, a link that leads nowhere included."""
        return os.path.lexists(self.root / path)

    def object(self, digest: str) -> Path:
        """Where DVC's cache keeps what has this hash."""
        return self.objects / digest[:2] / digest[2:]

    def differing(self, entry: Entry) -> list[str]:
        """The files in which an output differs from its entry: those of a folder where the cache knows which it had."""
        had = self.listing(entry)
        if had is None or not (self.root / entry.path).is_dir():
            return [entry.path]
        place = self.root / entry.path
        has = {file.relative_to(place).as_posix(): self._of(file) for file in files_in(place)}
        return [f"{entry.path}/{name}" for name in sorted(had.keys() | has.keys()) if had.get(name) != has.get(name)]

    def listing(self, entry: Entry) -> dict[str, str] | None:
        """The hashes of a folder's files by name, from the cache; None of a file, or where the cache lacks it."""
        path = self.object(entry.md5)
        if entry.n_files is None or not path.is_file() or md5(path) != entry.md5.removesuffix(".dir"):
            return None
        return {file["relpath"]: file["md5"] for file in json.loads(path.read_text(encoding="utf-8"))}

    @property
    def n_read(self) -> int:
        """How many files were read."""
        return len(self._md5)

    def present(self) -> Iterator[tuple[PlannedStage, str]]:
        """The planned stages that dvc.lock records, with their names."""
        for name, stage in self.planned.items():
            if name in self.chain.stages:
                yield stage, name


def _with_studies(chain: Chain, root: Path) -> Chain:
    """The chain with the stages of the studies: their locks have the root's paths, and no two stages one name."""
    stages = dict(chain.stages)
    for path in sorted(root.glob(f"studies/*/{LOCK}")):
        name = path.relative_to(root).as_posix()
        try:
            stages |= parse_chain(path.read_text(encoding="utf-8"), name).stages
        except (TasklawsError, UnicodeDecodeError) as error:
            raise TasklawsError(f"{name}: is damaged: run `git checkout {name}`") from error
    return Chain(stages)


def planned(root: Path) -> tuple[dict[str, PlannedStage], Path]:
    """The stages of every dvc.yaml under params.yaml by name, and where DVC's cache keeps objects by their hashes."""
    from dvc.dependency import ParamsDependency
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            stages = {}
            for stage in repo.index.stages:
                if stage.is_data_source:  # what was imported has a file of its own, and no command
                    continue
                params = {name for each in stage.deps if isinstance(each, ParamsDependency) for name in each.params}
                inputs = {each.def_path for each in stage.deps if not isinstance(each, ParamsDependency)}
                outputs = {each.def_path for each in stage.outs}
                sets = map(frozenset, (inputs, params, outputs))
                stages[stage.name] = PlannedStage(stage.name, stage.cmd, *sets)
            return stages, Path(repo.cache.local.path)
    except DvcException as error:
        reason = " ".join(str(error).split())
        raise TasklawsError(f"dvc.yaml: DVC cannot read the pipeline ({reason}): mend what it names") from error
