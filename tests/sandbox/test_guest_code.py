"""The guest's hash, and the directory that keeps its machine code."""

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from wasmtime.component import Component

from tasklaws.core.errors import TasklawsError
from tasklaws.core.sealed import private_directory
from tasklaws.sandbox import Sandbox
from tasklaws.sandbox.guest_code import GUEST, new_engine, precompiled, read_guest

EMPTY = b"(component)"
RACE = """
import sys
from pathlib import Path
from tasklaws.sandbox.guest_code import new_engine, precompiled
for _ in range(30):
    precompiled(new_engine(), b"(component)", Path(sys.argv[1]), lambda source: source)
    for path in Path(sys.argv[1]).glob("*.cwasm"):
        path.unlink(missing_ok=True)
"""


def load(directory: Path) -> Component:
    return precompiled(new_engine(), EMPTY, directory, lambda source: source)


def test_a_changed_guest_is_refused(tmp_path: Path) -> None:
    changed = tmp_path / "guest.wasm.xz"
    changed.write_bytes(GUEST.read_bytes() + b"\0")
    with pytest.raises(TasklawsError, match=r"^the sandbox guest .* has SHA-256 .*, not .*: install tasklaws again"):
        Sandbox(changed)
    with pytest.raises(TasklawsError, match="does not exist: install tasklaws again"):
        read_guest(tmp_path / "absent.xz")


def kept(directory: Path) -> Path:
    (path,) = directory.glob("*.cwasm")
    return path


def test_machine_code_is_kept_private_and_reused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(tmp_path / "cache")
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert kept(tmp_path / "cache").stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().err.count("compiling") == 1
    load(tmp_path / "cache")
    assert not capsys.readouterr().err


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(0o600)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        flipped,
        linked,
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.chmod(0o640),
        lambda path: path.with_name(f"{path.name}.seal").unlink(),
        lambda path: path.with_name(f"{path.name}.seal").write_text(hashlib.sha256(path.read_bytes()).hexdigest()),
    ],
    ids=["a bit", "a link", "cut", "readable", "no seal", "a hash"],
)
def test_machine_code_that_may_not_be_ours_is_compiled_anew(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
) -> None:
    load(tmp_path)
    change(kept(tmp_path))
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(Component, "deserialize_file", lambda *_: pytest.fail("it was loaded"))
        load(tmp_path)
    assert capsys.readouterr().err.count("compiling") == 1
    load(tmp_path)
    assert not capsys.readouterr().err


def test_what_was_planted_in_an_open_directory_is_not_loaded_once_it_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice is to remove it, and whoever closes it instead runs no native code of another."""
    load(tmp_path / "theirs")
    for mode in (0o770, 0o707, 0o777):
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache").chmod(mode)
        with pytest.raises(TasklawsError, match=f"has mode {mode:o}, others could put files there: remove it"):
            load(tmp_path / "cache")
    for path in (tmp_path / "theirs").iterdir():
        path.rename(tmp_path / "cache" / path.name)
    (tmp_path / "cache").chmod(0o700)
    capsys.readouterr()
    load(tmp_path / "cache")
    assert capsys.readouterr().err.count("compiling") == 1


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(TasklawsError, match=f"belongs to user {user}: set XDG_CACHE_HOME"):
        load(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(TasklawsError, match="is not a directory of its own:"):
        private_directory(tmp_path / "link", "XDG_CACHE_HOME")


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TasklawsError, match=r"set XDG_CACHE_HOME to a directory that you can write$"):
        load(tmp_path / "file" / "tasklaws")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        load(tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["guest.lock"]


def test_racing_processes_are_safe(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "cache")]
    racers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for racer in racers:
        errors = racer.communicate()[1]
        assert racer.returncode == 0, errors
