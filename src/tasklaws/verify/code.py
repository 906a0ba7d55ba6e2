"""The code, the settings and the libraries: against git's commit, Python's own caches and requirements.lock."""

import importlib.util
import marshal
import os
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tasklaws.core.git import git
from tasklaws.provenance.git import Commit
from tasklaws.provenance.requirements import REQUIREMENTS, pinned
from tasklaws.verify.tree import Difference, Finding, Unchecked

FOLDERS = ("src", "stages", "custom_tasks", "conf", ".dvc/plots")
STUDIES = re.compile(r"studies/.+(\.py|/dvc\.yaml|/published/[^/]+)")  # what they find is the stages' to vouch for
FILES = ("dvc.yaml", ".dvc/config", ".dvcignore", "pyproject.toml", "requirements.lock")
_MADE = ("tasklaws.egg-info", "__pycache__")  # folders that Python's tools make beside the code


def check_code(root: Path, commit: Commit | None) -> Iterator[Finding]:
    """Name each file of code or settings that is not the commit's, each stale bytecode and each other library.

    params.yaml is not among them: composing another ladder changes it.
    """
    if commit is None:
        yield Unchecked("there is no git commit here: code and settings were not compared with one")
    else:
        yield from _against(root, commit)
    yield from _bytecode(root)
    yield from _libraries(root)


def _against(root: Path, commit: Commit) -> Iterator[Difference]:
    has_modes = git(root, "config", "--type=bool", "core.fileMode") != b"false\n"
    folders = tuple(f"{each}/" for each in FOLDERS)
    ours = [path for path in commit.files if path in FILES or path.startswith(folders) or STUDIES.fullmatch(path)]
    for path in ours:
        if not os.path.lexists(root / path):
            yield Difference(path, f"missing; commit {commit.name} has it")
        elif not commit.has(path):
            yield Difference(path, f"is not the file of commit {commit.name}")
        elif has_modes and bool((root / path).stat().st_mode & 0o111) != (path in commit.executable):
            yield Difference(path, f"has another mode than in commit {commit.name}: one of them may be executed")
    for folder in FOLDERS:
        for file in _all(root / folder):
            name = file.relative_to(root).as_posix()
            if name not in commit.files and (file.is_symlink() or not file.is_dir()):
                yield Difference(name, f"commit {commit.name} has no such file")


def _all(folder: Path) -> Iterator[Path]:
    """Everything below a folder, links and hidden files too, but what Python's tools make."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _MADE)
        yield from (Path(place) / name for name in [*folders, *sorted(files)])


def _bytecode(root: Path) -> Iterator[Difference]:
    """What Python would load in the place of a source that says something else, and what it does not leave there."""
    for folder in ("src", "stages", "custom_tasks"):
        for source in sorted((root / folder).rglob("*.py")):
            for level in range(3):  # as python, python -O and python -OO name it
                compiled = Path(importlib.util.cache_from_source(str(source), optimization=level or ""))
                if compiled.is_file() and source.is_file() and not _is_of(compiled.read_bytes(), source, level):
                    name = compiled.relative_to(root).as_posix()
                    yield Difference(name, f"is not what {source.name} compiles to: remove it")
        for path in sorted((root / folder).rglob("__pycache__/*")):
            if path.is_symlink() or path.suffix != ".pyc" or not path.is_file():
                yield Difference(path.relative_to(root).as_posix(), "is no bytecode: remove it")


def _is_of(compiled: bytes, source: Path, optimize: int) -> bool:
    """Whether bytecode is that of a source, or of an earlier one, which Python would not load."""
    if compiled[:4] != importlib.util.MAGIC_NUMBER:
        return False
    flags, changed, size = (int.from_bytes(compiled[start : start + 4], "little") for start in (4, 8, 12))
    status = source.stat()
    stale = not flags and (changed, size) != (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    if stale:
        return True
    try:
        code = compile(source.read_bytes(), str(source), "exec", dont_inherit=True, optimize=optimize)
        return bool(marshal.loads(compiled[16:]) == code)
    except (EOFError, ValueError, TypeError, SyntaxError):
        return False


def _libraries(root: Path) -> Iterator[Difference]:
    for name, wanted in pinned(root).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Difference(name, f"{REQUIREMENTS} has {wanted}, and it is not installed")
            continue
        if found != wanted and found.partition("+")[0] != wanted:
            yield Difference(name, f"{REQUIREMENTS} has {wanted}, installed is {found}")
