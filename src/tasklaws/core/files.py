"""Reading and writing: files appear whole or not at all, JSON in one byte-stable form."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import STAGE

written: set[str] = set()
"""The MD5 of every file that this process has written, where it runs a stage."""
REMAKE = "remove it and run `dvc repro`"  # the remedy for a file that the pipeline made


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once the block ends without an error.

    A link stays, and what it points to is replaced. An OSError names `path`; what `refuse_device` refuses raises
    TasklawsError.
    """
    refuse_device(path)
    name, target = None, Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        if STAGE in os.environ:
            with Path(name).open("rb") as file:
                written.add(hashlib.file_digest(file, _md5).hexdigest())
        Path(name).replace(target)
    except OSError as error:
        # The block may read other files, which its errors name; of ours they should not name the temporary one.
        if error.filename in (None, name) or name is None:
            error.filename = str(path)
        raise
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def refuse_device(path: Path) -> None:
    """Raise TasklawsError where no file can be at `path`: there is a device, a pipe or a directory, or a file above."""
    refuse_file(path.parent)
    if path.absolute().parent == Path("/dev") or (path.exists() and not path.is_file()):
        raise TasklawsError(f"{path} is no regular file and would be replaced: give another name")


@contextmanager
def written_together(out: Path) -> Iterator[Path]:
    """A directory whose files appear in `out` once the block ends without an error, summary.json as the last.

    A new `out` appears whole; in an old one files of the same name are replaced, and others stay. A file in its place,
    or in that of a folder above it, raises TasklawsError.
    """
    refuse_file(out)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tasklaws.", dir=out.absolute().parent) as name:
        made = Path(name) / "made"
        made.mkdir()
        yield made
        if not out.exists():
            made.rename(out)
            return
        (out / "summary.json").unlink(missing_ok=True)
        files = [path for path in made.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path.name == "summary.json", path)):
            target = out / path.relative_to(made)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)


def refuse_file(out: Path) -> None:
    """Raise TasklawsError where `out` cannot be a directory because there is a file."""
    for path in (out, *out.absolute().parents):
        if path.exists() and not path.is_dir():
            raise TasklawsError(f"{out}: {path} is a file: give a directory")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted; NaN and infinity raise TasklawsError."""
    write_text(path, json_line(path, value, indent=2) + "\n")


def json_line(path: Path, value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError as error:
        raise TasklawsError(f"{path}: {error}: leave a missing value out instead") from error


def read_json(path: Path) -> Any:
    """Read JSON; a missing or malformed file raises TasklawsError."""
    try:
        return json.loads(read_text(path), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TasklawsError(f"{path}: malformed JSON ({error}): {REMAKE}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def read_text(path: Path, remedy: str | None = None) -> str:
    """Read UTF-8 text; a missing or undecodable file, or a device, which may not end, raises TasklawsError.

    `remedy` is for a file that a person gave; others the pipeline makes again.
    """
    if path.is_char_device() or path.is_block_device():
        raise TasklawsError(f"{path} is a device: give a file")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TasklawsError(f"{path} does not exist: {remedy or 'run `dvc repro` (or give the right path)'}") from error
    except UnicodeDecodeError as error:
        raise TasklawsError(f"{path} is not UTF-8 text ({error.reason}): {remedy or REMAKE}") from error


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json_line(path, row) + "\n" for row in rows))


def read_jsonl(path: Path, remedy: str | None = None) -> list[Any]:
    """Read one JSON object a line; a malformed line raises TasklawsError with its number, and `remedy` as `read_text`
    has it."""
    rows = []
    # Not splitlines(): JSON strings may hold the other characters that it takes for the end of a line.
    lines = read_text(path, remedy).split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
        try:
            rows.append(json.loads(line, parse_constant=_refuse_constant))
        except (ValueError, RecursionError) as error:
            raise TasklawsError(f"{path}:{number}: malformed JSON: {remedy or REMAKE}") from error
    return rows


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(hashes: Sequence[str]) -> str | None:
    """The SHA-256 of a file, or of the list of several's; None without any."""
    if len(hashes) < 2:
        return next(iter(hashes), None)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


@contextmanager
def opening(directory: Path | str, remedy: str) -> Iterator[None]:
    """Turn any failure of the block, which loads `directory` and does no more, into a TasklawsError."""
    try:
        yield
    except TasklawsError:
        raise
    # All of them, as the tokenizers library raises Exception itself, and a missing key is a KeyError or worse.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise TasklawsError(f"{directory} does not load ({reason}): {remedy}") from error
