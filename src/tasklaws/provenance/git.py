"""What git has committed, read from its objects and not from its index, which can be told to overlook a change."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tasklaws.core.git import git


@dataclass(frozen=True)
class Commit:
    """HEAD of the repository at `root`: its short name, each file's object by its path below the root, and which of
    them may be executed."""

    root: Path
    name: str
    files: dict[str, str]
    executable: frozenset[str]

    @classmethod
    def of(cls, root: Path) -> "Commit | None":
        """The commit, or None where there is no git, no repository or no commit."""
        listed = git(root, "ls-tree", "-r", "-z", "HEAD")
        name = git(root, "rev-parse", "--short=10", "HEAD")
        if listed is None or name is None:
            return None
        entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
        about = {path.decode("utf-8", "surrogateescape"): about.split() for about, _, path in entries}
        files = {path: each[2].decode() for path, each in about.items()}
        executable = frozenset(path for path, each in about.items() if each[0] == b"100755")
        return cls(root, name.decode().strip(), files, executable)

    def holds(self, path: str) -> bool:
        """Whether the commit has such a file, or files in such a folder."""
        return path in self.files or any(name.startswith(f"{path}/") for name in self.files)

    def read(self, path: str) -> bytes | None:
        """A file as committed; None if it is not."""
        return git(self.root, "cat-file", "blob", self.files[path]) if path in self.files else None

    def has(self, path: str) -> bool:
        """Whether the file on disk is the one committed, byte for byte: no link to it, and no other."""
        file = self.root / path
        if file.is_symlink() or not file.is_file():
            return False
        content = file.read_bytes()
        kind = hashlib.sha256 if len(self.files[path]) == 64 else hashlib.sha1
        return kind(b"blob %d\0" % len(content) + content).hexdigest() == self.files[path]
