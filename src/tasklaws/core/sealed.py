"""Work that is kept to be read back later: sealed with a key of the user's own, so that what changed is not believed.

DVC records what stages write; this is for what lies outside its record, caches and work in progress. A hash beside a
file can be made by whoever makes the file. A seal can not: its key lies elsewhere, in a directory of the user's own.
"""

import hashlib
import hmac
import os
import secrets
import stat
from functools import cache
from pathlib import Path

from filelock import FileLock

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing, sha256_file, write_text

_KEY_BYTES = 32
_SEAL_DIGITS = 64


def state_directory() -> Path:
    """Where the key lies: $XDG_STATE_HOME/tasklaws, else ~/.local/state/tasklaws."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tasklaws"


def private_directory(directory: Path, variable: str) -> None:
    """Make `directory` with mode 0700; one that others own or can write to raises TasklawsError.

    `variable` is the environment's variable that puts it elsewhere.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"set {variable} to a directory that you can write"
        raise TasklawsError(f"{directory}: {error.strerror}: {remedy}") from error
    status = directory.lstat()
    own = stat.S_ISDIR(status.st_mode)
    if not own or status.st_uid != os.getuid():
        reason = f"belongs to user {status.st_uid}" if own else "is not a directory of its own"
        raise TasklawsError(f"{directory} {reason}: set {variable} to another")
    if status.st_mode & 0o022:
        reason = f"has mode {status.st_mode & 0o777:o}, others could put files there"
        raise TasklawsError(f"{directory} {reason}: remove it, it is made anew")


def is_private(status: os.stat_result) -> bool:
    """Whether this is a regular file of the user's own that nobody else can read or write."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def seal_of(name: str, content: bytes) -> str:
    """The seal of `content`, kept under `name`: 64 hex digits (HMAC-SHA256, RFC 2104)."""
    message = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest() + content
    return hmac.digest(_key(state_directory()), message, "sha256").hex()


def write_sealed(path: Path, content: bytes) -> None:
    """Write a file for `read_sealed`, whole or not at all."""
    with replacing(path) as file:
        file.write(seal_of(path.as_posix(), content).encode() + content)


def read_sealed(path: Path) -> bytes | None:
    """What `write_sealed` wrote to this place, or None where it has changed, somebody else wrote it, or nothing is."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    seal, content = found[:_SEAL_DIGITS], found[_SEAL_DIGITS:]
    return content if hmac.compare_digest(seal, seal_of(path.as_posix(), content).encode()) else None


def seal(path: Path) -> None:
    """Seal a finished file or folder as it stands, in a file beside it."""
    write_text(_beside(path), _seal(path))


def is_sealed(path: Path) -> bool:
    """Whether a file or folder is as this user sealed it, at this place; what is not there is not."""
    beside = _beside(path)
    return path.exists() and beside.is_file() and hmac.compare_digest(beside.read_bytes(), _seal(path).encode())


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _seal(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if not file.is_dir()) if path.is_dir() else [path]
    hashes = [sha256_file(file) if file.is_file() else "no file" for file in files]
    lines = [f"{file.relative_to(path).as_posix()} {found}" for file, found in zip(files, hashes, strict=True)]
    return seal_of(path.as_posix(), "\n".join(lines).encode())


@cache
def _key(directory: Path) -> bytes:
    """The user's key, made where there is none; one that others could know is made anew, and all seals are void."""
    private_directory(directory, "XDG_STATE_HOME")
    path = directory / "key"
    with FileLock(directory / "key.lock"):
        if path.is_file() and is_private(path.lstat()) and len(key := path.read_bytes()) == _KEY_BYTES:
            return key
        path.unlink(missing_ok=True)
        key = secrets.token_bytes(_KEY_BYTES)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(key)
        return key
