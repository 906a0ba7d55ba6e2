"""What vouches for a file: the digest that a claim names, the entry of a dvc.lock, the commit that holds it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasklaws.claims.code import PACKAGE, code_digests
from tasklaws.claims.file import Claim
from tasklaws.core.files import sha256_file
from tasklaws.core.git import git
from tasklaws.core.lock import LOCK

State = Literal["as recorded", "changed", "not checked"]


@dataclass(frozen=True)
class Checked:
    """A file, or code, and whether it is what something else says of it."""

    what: str
    state: State
    why: str


def recorded(path: Path, what: str) -> Checked:
    """A file against the dvc.lock that has it, above it or of the study in which it lies; where none has, against the
    commit of its repository."""
    file = path.resolve()
    for folder in file.parents:
        if (folder / LOCK).is_file() and (matches := _in_lock(folder, file)):
            same, lock = any(matches), f"{LOCK} of {folder.name}"
            return Checked(what, "as recorded" if same else "changed", f"{'as' if same else 'not as'} {lock} has it")
    head = git(file.parent, "rev-parse", "--short=10", "HEAD")
    held = None if head is None else git(file.parent, "rev-parse", f"HEAD:./{file.name}")
    if head is None or held is None:
        return Checked(what, "not checked", "no dvc.lock and no commit has it")
    same = _blob(file, held) == held.decode().strip()
    commit = head.decode().strip()
    return Checked(what, "as recorded" if same else "changed", f"{'as' if same else 'not as'} commit {commit} has it")


def _in_lock(folder: Path, file: Path) -> list[bool]:
    """Whether a file, or the folder that a stage wrote and that holds it, has the MD5 of each entry of a folder's
    dvc.lock; its paths may be from a folder above, as those of a study."""
    try:
        from tasklaws.provenance.chain import md5, read_chain  # reads YAML, which tables do without
    except ModuleNotFoundError:
        return []
    entries = {
        (entry.path, entry.md5)
        for stage in read_chain(folder).stages.values()
        for entry in (*stage.outputs, *stage.inputs)
    }
    return [
        md5(base / path) == digest
        for base in (folder, *folder.parents)
        for path, digest in sorted(entries)
        if file.is_relative_to(base / path)
    ]


def _blob(file: Path, like: bytes) -> str:
    """The name of a file's content in git, of as many digits as `like`."""
    content = file.read_bytes()
    kind = hashlib.sha256 if len(like.strip()) == 64 else hashlib.sha1
    return kind(b"blob %d\0" % len(content) + content).hexdigest()


def rests_on(claim: Claim, folder: Path) -> list[Checked]:
    """Each file that a claim in `folder` names, and the code, against the claim's digests."""
    found = []
    for name, digest in claim.rests_on.files.items():
        path = folder / name
        if not path.is_file():
            found.append(Checked(name, "not checked", "not here"))
            continue
        same = sha256_file(path) == digest
        found.append(Checked(name, "as recorded" if same else "changed", f"{'as' if same else 'not as'} claimed"))
    return [*found, _code(claim)]


def _code(claim: Claim) -> Checked:
    """The code that runs here; other code than the claim's is no tampering where it is that of a commit or version."""
    what = "code of tasklaws"
    here = code_digests()
    others = [name for name, digest in claim.rests_on.code.items() if here.get(name) != digest]
    if not others:
        return Checked(what, "as recorded", "as claimed")
    from importlib.metadata import version

    if version("tasklaws") != claim.rests_on.version:
        return Checked(
            what, "not checked", f"version {version('tasklaws')} is here, claimed with {claim.rests_on.version}"
        )
    status = git(PACKAGE, "status", "--porcelain", "--", *others)
    if status is None or status.strip():
        return Checked(what, "changed", f"{', '.join(others)}: not as claimed, and of no commit")
    return Checked(what, "not checked", f"a commit with other code is here ({', '.join(others)})")


def first_commit(path: Path) -> tuple[str, str] | None:
    """The first commit that has a file's content, in the history of HEAD, and its day by the committer's clock."""
    file = path.resolve()
    head = git(file.parent, "rev-parse", "HEAD")
    if head is None:
        return None
    listed = git(
        file.parent, "log", "--reverse", "--format=%h %cs", f"--find-object={_blob(file, head)}", "--full-history"
    )
    lines = (listed or b"").decode().split("\n")
    return None if not lines[0] else (lines[0].split()[0], lines[0].split()[1])


def order(claim: Path, results: Path | None) -> str:
    """Which of the two was committed first, as far as git tells."""
    one, other = first_commit(claim), None if results is None else first_commit(results)
    if one is None:
        return "the claim is in no commit: when it was made, only where it was published can tell"
    when = f"the claim is in git since commit {one[0]} of {one[1]} (the committer's clock)"
    if other is None:
        return when
    if one == other:
        return f"{when}, and so are the results: git does not tell which came first"
    first = git(claim.resolve().parent, "merge-base", "--is-ancestor", one[0], other[0]) is not None
    return f"{when}, the results since {other[0]} of {other[1]}: " + (
        "the claim first" if first else "NOT the claim first"
    )
