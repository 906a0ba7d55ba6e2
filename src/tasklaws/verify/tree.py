"""What is verified: a repository's files, what dvc.lock says of them, and what dvc.yaml and git say of both."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tasklaws.core.errors import TasklawsError, printable
from tasklaws.core.files import read_json
from tasklaws.core.git import git
from tasklaws.core.lock import LOCK
from tasklaws.core.settings import PARAMS, load
from tasklaws.paths import Paths
from tasklaws.provenance.chain import Chain, Entry, files_in, folder_md5, md5, md5_of, parse_chain, read_chain
from tasklaws.provenance.git import Commit
from tasklaws.provenance.lock import Mended, mend
from tasklaws.provenance.planned import PlannedStage, planned

Read = TypeVar("Read")


class Difference(NamedTuple):
    """What differs (a file, a stage, a run) and how."""

    where: str
    what: str

    def __str__(self) -> str:
        return printable(f"{self.where}: {self.what}").replace("\n", "\\n")  # a file's name may hold ends of lines


class Unchecked(NamedTuple):
    """What cannot be checked here, or need not hold; no failure."""

    what: str

    def __str__(self) -> str:
        return self.what


Finding = Difference | Unchecked


def problem(error: TasklawsError, root: Path) -> Difference:
    """What an error names, and what it says of it."""
    where, _, what = str(error).replace(f"{root}/", "").partition(": ")
    return Difference(where, what)


@dataclass(frozen=True)
class Pipeline:
    """What DVC says of a repository: the stages that dvc.yaml and params.yaml plan, where its cache keeps objects, why
    it cannot read dvc.lock, if so, and which settings it has from outside the repository."""

    stages: dict[str, PlannedStage]
    objects: Path
    lock_problem: str | None = None
    own_settings: tuple[str, ...] = ()


class Tree:
    """A repository: its root, its commit (None outside git), the stages that DVC plans and those that dvc.lock records,
    those of its studies among them.

    Of a dvc.lock that lost something it has what `tasklaws repair-lock` would make of it, and where that, dvc.yaml or
    params.yaml cannot be read, no stages; `unread` says why.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commit = Commit.of(root)
        self.unread: list[TasklawsError] = []
        self.settings = self._read(lambda: load(root / PARAMS), None)
        found = Pipeline({}, root / ".dvc/cache/files/md5")
        self.pipeline = found if self.settings is None else self._read(lambda: pipeline(root), found)
        self.chain: Chain = self._read(lambda: read_chain(root), Chain({}))
        nothing: Mended | None = None
        self.mended = self._read(lambda: mend(root), nothing)
        if self.mended is not None and self.mended.text and not self.mended.was_whole:
            self.chain = parse_chain(self.mended.text, str(LOCK))
        for path in sorted(root.glob(f"studies/*/{LOCK}")):
            study = self._read(partial(_of_study, path, root), Chain({}))
            self.chain = Chain(self.chain.stages | study.stages)  # no two have one name
        self._md5: dict[str, str] = {}

    def _read(self, reading: Callable[[], Read], otherwise: Read) -> Read:
        try:
            return reading()
        except TasklawsError as error:
            self.unread.append(error)
            return otherwise

    @property
    def planned(self) -> dict[str, PlannedStage]:
        """The stages of the present ladder."""
        return self.pipeline.stages

    @cached_property
    def has_modes(self) -> bool:
        """Whether files here have modes of their own, as git sees it."""
        return git(self.root, "config", "--type=bool", "core.fileMode") != b"false\n"

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
        return self.pipeline.objects / digest[:2] / digest[2:]

    def misstated(self, entry: Entry) -> str | None:
        """What dvc.lock says of a file or folder beside its hash and is not so: its size, its number of files."""
        place = self.root / entry.path
        files = files_in(place) if place.is_dir() else [place]
        size, count = sum(file.stat().st_size for file in files), len(files) if place.is_dir() else None
        if size != entry.size:
            return f"the size {entry.size} of {entry.path}, and it is {size}"
        return None if count == entry.n_files else f"{entry.n_files} files in {entry.path}, and there are {count}"

    def differing(self, entry: Entry) -> list[str]:
        """The files in which an output differs from its entry: those of a folder where it is known what it had."""
        had = self.listing(entry) or self._committed(entry) or self._recorded(entry)
        if not had or not (self.root / entry.path).is_dir():
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

    def _committed(self, entry: Entry) -> dict[str, str] | None:
        """The same from the commit, if that has the folder as the entry does."""
        folder = f"{entry.path}/"
        names = [name for name in self.commit.files if name.startswith(folder)] if self.commit is not None else []
        contents = {name: self.commit.read(name) or b"" for name in names} if self.commit is not None else {}
        found = {name.removeprefix(folder): md5_of(content) for name, content in contents.items()}
        return found if folder_md5(found) == entry.md5 else None

    def _recorded(self, entry: Entry) -> dict[str, str] | None:
        """The same of a ladder's pages from the records beside its figures, if they name the folder's hash."""
        try:
            found = read_json(Paths(Path(entry.path).name, self.root).records)["pages"]
            return dict(found) if folder_md5(found) == entry.md5 else None
        except (TasklawsError, KeyError, TypeError, ValueError):
            return None

    @property
    def n_read(self) -> int:
        """How many files were read."""
        return len(self._md5)

    def present(self) -> Iterator[tuple[PlannedStage, str]]:
        """The planned stages that dvc.lock records, with their names."""
        for name, stage in self.planned.items():
            if name in self.chain.stages:
                yield stage, name


def _of_study(path: Path, root: Path) -> Chain:
    """The chain of a study's own lock, which has the root's paths; one that is damaged raises TasklawsError."""
    name = path.relative_to(root).as_posix()
    try:
        return parse_chain(path.read_text(encoding="utf-8"), name)
    except (TasklawsError, UnicodeDecodeError) as error:
        raise TasklawsError(f"{name}: is damaged: run `git checkout {name}`") from error


def pipeline(root: Path) -> Pipeline:
    """What DVC makes of `root` and its studies; what it cannot read raises TasklawsError."""
    from dvc.config import ConfigError
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    name = "dvc.yaml"
    try:
        with Repo(str(root)) as repo:
            stages = dict[str, PlannedStage]()
            for path in sorted([*root.glob(name), *root.glob(f"studies/*/{name}")]):
                name = path.relative_to(root).as_posix()
                stages |= planned(repo, path)
            try:
                Lockfile(repo, str(root / LOCK)).load()
                problem = None
            except DvcException as error:
                problem = " ".join(str(error).split())
            return Pipeline(stages, Path(repo.cache.local.path), problem, tuple(_own_settings(repo.config)))
    except DvcException as error:
        reason = " ".join(str(error).split())
        where = ".dvc/config" if isinstance(error, ConfigError) else name
        raise TasklawsError(f"{where}: DVC cannot read the pipeline ({reason}): mend what it names") from error


def _own_settings(config: Any) -> Iterator[str]:
    """The settings of DVC, less those of remotes, that this machine or user has beside the repository's."""
    for level in ("system", "global", "local"):
        for section, settings in config.load_one(level).items():
            if section != "remote":
                yield from (f"{section}.{name} ({level})" for name in settings if (section, name) != ("core", "remote"))
