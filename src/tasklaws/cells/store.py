"""The store: a folder on a shared path that holds the outputs of cells, each entry whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from tasklaws.cells.cell import Cell, digest_of
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, sha256_file, write_json

_MANIFEST = "manifest.json"


class StoredOutputs(NamedTuple):
    """The outputs of a cell as they lie in the store, with the SHA-256 of every file, by its path."""

    folder: Path
    files: Mapping[str, str]

    def digest(self, path: str) -> str:
        """The digest of an output that is a folder."""
        inside = f"{path}/"
        return digest_of(
            {name.removeprefix(inside): sha for name, sha in self.files.items() if name.startswith(inside)}
        )


class Store:
    """A store in the folder `root`, which is made by the first entry; `damaged` says what was found so, a line each."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.normpath(root.expanduser().absolute()))
        self.damaged: list[str] = []

    def find(self, key: str) -> StoredOutputs | None:
        """The entry under a key if it is whole: each file has the hash of its manifest, none is missing, none more."""
        folder = self.root / "entries" / key
        if not folder.is_dir():
            return None
        try:
            files = dict(read_json(folder / _MANIFEST)["files"])
        except (TasklawsError, KeyError, TypeError, ValueError):
            self.damaged.append(f"{folder / _MANIFEST} is damaged: the cell is missing")
            return None
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        for name in sorted(files.keys() | there - {_MANIFEST}):
            path = folder / name
            if name not in files or not path.is_file() or sha256_file(path) != files[name]:
                self.damaged.append(f"{path} is not as it was stored: the cell is missing")
                return None
        return StoredOutputs(folder, files)

    def put(self, cell: Cell, key: str, root: Path) -> None:
        """Store the outputs of a cell, which lie under `root`: whole or not at all; an entry that is whole stays."""
        entries = self.root / "entries"
        entries.mkdir(parents=True, exist_ok=True)
        begun = f".{key}."
        for left in entries.glob(f"{begun}*"):  # by one that was killed: a cell has one process at a time
            shutil.rmtree(left)
        made = Path(tempfile.mkdtemp(prefix=begun, dir=entries))
        try:
            for output in cell.outputs:
                copy(root / output, made / output)
            files = {
                path.relative_to(made).as_posix(): sha256_file(path)
                for path in sorted(made.rglob("*"))
                if not path.is_dir()
            }
            write_json(made / _MANIFEST, {"cell": cell.name, "command": cell.command, "files": files})
            made.chmod(0o755)
            if self.find(key) is None:
                shutil.rmtree(entries / key, ignore_errors=True)
                made.rename(entries / key)
                _sync(entries)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    @contextmanager
    def alone(self, name: str, seconds: float = -1) -> Iterator[None]:
        """Hold the lock `name`, which ends with this process in any case; where another does, wait, for so many seconds
        if a number is given, and then raise Timeout."""
        path = self.root / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, timeout=seconds):
            yield

    def is_held(self, name: str) -> bool:
        """Whether a process holds the lock `name`; so that one may ask of a store that is only to be read, too."""
        try:
            handle = os.open(self.root / "locks" / name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # held; on a file system without such locks, where filelock takes the file for one, too
            return True
        finally:
            os.close(handle)
        return False


def copy(path: Path, to: Path) -> None:
    """Copy a file or folder to a place where nothing is, down to the disk; links are copied as links."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, to, symlinks=True, copy_function=_copy_file)
    else:
        _copy_file(path, to)


def _copy_file(path: str | Path, to: str | Path, *, follow_symlinks: bool = True) -> None:
    try:
        shutil.copyfile(path, to, follow_symlinks=follow_symlinks)
    except OSError as error:
        if error.filename2 is None:
            raise
        raise OSError(error.errno, error.strerror, error.filename2) from error  # a disk is full where it is written
    if not Path(to).is_symlink():
        _sync(Path(to))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
