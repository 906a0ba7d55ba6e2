"""What the disk, git and the notes of runs say of an output, beside what dvc.lock says."""

import re
from functools import cached_property
from pathlib import Path

from tasklaws.core.files import sha256_file
from tasklaws.core.git import COMMIT, git
from tasklaws.core.lock import LOCK
from tasklaws.core.marks import SHOWN
from tasklaws.core.runs import PACKAGES, source_state
from tasklaws.provenance.chain import Chain, Entry, files_in, md5
from tasklaws.provenance.notes import Notes
from tasklaws.provenance.record import digests
from tasklaws.provenance.requirements import pinned

AS_RECORDED, DIFFERS, GONE = "as dvc.lock has it", "DIFFERS from dvc.lock", "not on this disk"
_LOGGED = re.compile(rf"commit ({COMMIT.pattern})")
_ADDED = re.compile(r"\+.*\bmd5: ([0-9a-f]{32}(?:\.dir)?)$")


class Ground:
    """The repository under `root` with the chain of its dvc.lock; each file is read once."""

    def __init__(self, root: Path, chain: Chain) -> None:
        self.root, self.chain = root, chain
        self._sha256: dict[str, str] = {}
        self._md5: dict[str, str] = {}

    def sha256(self, path: str) -> str | None:
        """The SHA-256 of a file as it is now; None of a folder, or where none is."""
        if path not in self._sha256 and (self.root / path).is_file():
            self._sha256[path] = sha256_file(self.root / path)
        return self._sha256.get(path)

    def state(self, entry: Entry) -> str:
        """Whether the file or folder is what dvc.lock says of it."""
        path = self.root / entry.path
        if not path.exists():
            return GONE
        if entry.path not in self._md5:
            self._md5[entry.path] = md5(path)
        return AS_RECORDED if self._md5[entry.path] == entry.md5 else DIFFERS

    def files(self, path: str) -> dict[str, str]:
        """The SHA-256 of every file in a folder, by its path."""
        found = [file.relative_to(self.root).as_posix() for file in files_in(self.root / path)]
        return {file: self.sha256(file) or "" for file in found}

    @cached_property
    def records(self) -> dict[str, str]:
        """The digest of the record of every output, by its path."""
        return digests(self.chain)

    @cached_property
    def head(self) -> dict[str, object]:
        """The commit that is checked out, and whether the sources differ from it."""
        return source_state(self.root)

    @cached_property
    def pinned(self) -> dict[str, str]:
        """The versions in requirements.lock of the packages that bear on results."""
        found = pinned(self.root)
        return {name: found[name] for name in PACKAGES if name in found}

    def commit(self, entry: Entry) -> str | None:
        """The commit that first put an output's hash into dvc.lock; None while none has."""
        return self._commits.get(entry.md5)

    @cached_property
    def _commits(self) -> dict[str, str]:
        said = git(self.root, "log", "--reverse", "--format=commit %H", "-p", "-U0", "--", str(LOCK)) or b""
        commit, found = "", dict[str, str]()
        for line in said.decode(errors="replace").splitlines():
            if began := _LOGGED.fullmatch(line):
                commit = began[1]
            elif added := _ADDED.fullmatch(line):
                found.setdefault(added[1], commit)
        return found

    @cached_property
    def notes(self) -> Notes:
        """What is known of the runs that made the outputs."""
        return Notes(self.root)


def brief(hexadecimal: str | None) -> str:
    """The first digits of a hash, as a line of a tree has them."""
    return "unknown" if hexadecimal is None else hexadecimal[:SHOWN]
