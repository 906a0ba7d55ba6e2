"""Mending dvc.lock: DVC rewrites it in place, and what a kill at that moment cut off is put back, stage by stage."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_text
from tasklaws.core.git import git
from tasklaws.core.lock import COPIES, LOCK, copies_of_lock
from tasklaws.provenance.chain import parse_chain

DVC_TMP = Path(".dvc/tmp")
_FIRST_LINES = "schema: '2.0'\nstages:\n"
_STAGE = re.compile(r"^  (?=[^\s-])", re.MULTILINE)  # where the entry of a stage begins
_DVC_SECONDS = 30.0


@dataclass(frozen=True)
class Mended:
    """A lock's text with all that it lost, the stages that were put back, and those that nothing could complete.

    `was_whole`: the lock was one that DVC can read. One that is not, and lost no stage, is only written anew.
    """

    text: str
    put_back: list[str]
    left_out: list[str]
    was_whole: bool


def repair_lock(root: Path = Path()) -> Mended:
    """Put back into `root`/dvc.lock the stages that an interrupted write lost, and keep a copy of what it then is.

    A lock that equals a person's commit's, or the one in git's index, has lost nothing; one of which nothing is left or
    known is removed, and a missing one has lost all. Where nothing is known of a missing one, and of one that DVC is
    writing or that cannot be completed, TasklawsError is raised.
    """
    path = root / LOCK
    (root / DVC_TMP).mkdir(parents=True, exist_ok=True)
    try:
        # The lock under which DVC writes.
        with FileLock(root / DVC_TMP / "lock", timeout=_DVC_SECONDS):
            mended = mend(root)
            if not path.exists() and not mended.text:
                raise TasklawsError(
                    f"{path} does not exist, nor any copy of it: run `dvc repro` in the repository's root"
                )
            if not mended.was_whole:
                write_text(path, mended.text)
            _drop_cut_notes(root / DVC_TMP / "rwlock")
            shutil.rmtree(root / COPIES, ignore_errors=True)
            if mended.text:
                (root / COPIES).mkdir(parents=True)
                shutil.copyfile(path, root / COPIES / "1")
            else:
                path.unlink()
    except Timeout as error:
        raise TasklawsError(f"another process uses DVC in {root.resolve()}: wait until it ends") from error
    return mended


def mend(root: Path) -> Mended:
    """What `repair_lock` makes of `root`/dvc.lock; it changes no file.

    An entry comes from the lock, else from the latest copy that has it, else from git's index, else from HEAD, else
    from a copy that is older than HEAD's lock. The entry at a text's end may be cut off: one that is no whole entry, or
    the beginning of an older one, does not count.
    """
    path = root / LOCK
    data = path.read_bytes() if path.exists() else b""
    text = _text(data)
    is_whole = text.encode() == data and text.startswith(_FIRST_LINES) and _is_whole(text)
    copies = copies_of_lock(root)
    committed = _committed(root, [each for each in (path, *copies) if each.exists()])
    if path in committed and is_whole:
        return Mended(text, [], [], True)
    # Older than a commit's is what a checkout has taken back.
    since = next((index for index in reversed(range(len(copies))) if copies[index] in committed), 0)
    of_head = int(_git(root, "log", "-1", "--format=%ct", "--", str(LOCK)) or 0)
    before = [copy for copy in copies[since:] if copy.stat().st_mtime < of_head]
    of_git = [_git(root, "show", f"{where}:./{LOCK}") for where in ("HEAD", "")]
    stages: dict[str, str] = {}
    for each in [*map(_read, before), *of_git, *map(_read, copies[since + len(before) :])]:
        stages |= _entries(each, stages)
    found = _split(text)
    stages |= _entries(text, stages)
    mended = _FIRST_LINES + "".join(stages.values()) if stages else ""
    if stages and not _is_whole(mended):
        raise TasklawsError(f"{path} is damaged, and not by an interrupted write: `git checkout {LOCK}` takes git's")
    put_back = [name for name, entry in stages.items() if found.get(name) != entry]
    left_out = [name for name in found if name not in stages]
    return Mended(mended, put_back, left_out, is_whole and not put_back and not left_out)


def _split(text: str) -> dict[str, str]:
    """The text of every stage's entry, by the stage's name."""
    entries = _STAGE.split(text.partition("\nstages:\n")[2])[1:]
    return {entry.partition("\n")[0].rstrip(":").strip("'\""): f"  {entry}" for entry in entries}


def _entries(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """The entries of a text, less one at its end that was cut off: no whole entry, or the beginning of a known one."""
    entries = _split(text)
    if entries:
        name, last = list(entries.items())[-1]
        if known.get(name, "").startswith(last) or not _is_whole(_FIRST_LINES + last):
            del entries[name]
    return entries


def _is_whole(text: str) -> bool:
    try:
        return bool(parse_chain(text, str(LOCK)).stages) and text.endswith("\n")
    except TasklawsError:
        return False


def _read(path: Path) -> str:
    return _text(path.read_bytes())


def _text(data: bytes) -> str:
    return data.decode(errors="ignore")  # it may be cut off inside a character


def _git(root: Path, *words: str) -> str:
    return _text(git(root, *words) or b"")


def _committed(root: Path, files: list[Path]) -> set[Path]:
    """Those of the files that have the content that dvc.lock has in some commit, or in git's index."""
    # Not in those that DVC makes of the working tree by itself for an experiment: there it may be cut off too.
    refs = ("--exclude=refs/exps/*", "--all")
    changes = _git(root, "log", *refs, "-m", "--raw", "--no-abbrev", "--format=", "--", str(LOCK))
    known = {line.split()[3] for line in changes.splitlines()}
    known |= {line.split()[1] for line in _git(root, "ls-files", "--stage", "--", str(LOCK)).splitlines()}
    names = [str(file.resolve()) for file in files]
    ours = _git(root, "hash-object", "--no-filters", "--", *names).split() if known else []
    return {file for file, each in zip(files, ours, strict=False) if each in known}


def _drop_cut_notes(notes: Path) -> None:
    """Remove DVC's notes of who reads and writes if a kill cut them off: no command of DVC starts with such."""
    try:
        json.loads(notes.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except ValueError:
        notes.unlink()
