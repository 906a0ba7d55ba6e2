"""What is kept to be read back is believed only as this user left it."""

import os
from pathlib import Path

import pytest

from tasklaws.core import sealed
from tasklaws.core.errors import TasklawsError
from tasklaws.core.sealed import is_sealed, read_sealed, seal, seal_of, write_sealed


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key of the test's own, and where it lies."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    sealed._key.cache_clear()
    seal_of("", b"")
    return tmp_path / "state" / "tasklaws" / "key"


def folder(path: Path) -> Path:
    (path / "below").mkdir(parents=True)
    (path / "a").write_text("one")
    (path / "below" / "b").write_text("two")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_sealed(tmp_path / "file", b"content\n")
    assert read_sealed(tmp_path / "file") == b"content\n"
    assert read_sealed(tmp_path / "absent") is None
    seal(folder(tmp_path / "folder"))
    assert is_sealed(tmp_path / "folder")
    assert not is_sealed(tmp_path / "absent")


@pytest.mark.parametrize("place", range(0, 72, 7))
def test_a_changed_byte_is_noticed(tmp_path: Path, place: int) -> None:
    write_sealed(tmp_path / "file", b"content\n")
    found = bytearray((tmp_path / "file").read_bytes())
    found[place] ^= 1
    (tmp_path / "file").write_bytes(found)
    assert read_sealed(tmp_path / "file") is None


@pytest.mark.parametrize("content", [b"", b"planted", b"0" * 64, b"0" * 64 + b"planted", b"\xff" * 100])
def test_what_somebody_else_wrote_is_not_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_sealed(tmp_path / "file") is None
    (tmp_path / "file.seal").write_bytes(content)
    assert not is_sealed(tmp_path / "file")


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / "a").write_text("One"),
        lambda path: (path / "a").unlink(),
        lambda path: (path / "a").rename(path / "c"),
        lambda path: (path / "c").touch(),
        lambda path: (path / "below" / "c").symlink_to("nowhere"),
        lambda path: os.mkfifo(path / "pipe"),
    ],
)
def test_any_change_of_a_folder_is_noticed(tmp_path: Path, change) -> None:
    path = folder(tmp_path / "folder")
    seal(path)
    change(path)
    assert not is_sealed(path)


def test_a_seal_is_of_one_place(tmp_path: Path) -> None:
    write_sealed(tmp_path / "one", b"content")
    (tmp_path / "one").rename(tmp_path / "two")
    assert read_sealed(tmp_path / "two") is None
    seal(folder(tmp_path / "a"))
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "a.seal").rename(tmp_path / "b.seal")
    assert not is_sealed(tmp_path / "b")
    assert seal_of("a", b"b") != seal_of("ab", b"")


def test_the_key_is_private_and_lasts(own_key: Path) -> None:
    assert own_key.stat().st_mode & 0o777 == 0o600
    assert own_key.parent.stat().st_mode & 0o777 == 0o700
    first = seal_of("name", b"content")
    sealed._key.cache_clear()
    assert seal_of("name", b"content") == first


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.chmod(0o644),
        lambda key: key.write_bytes(b"short"),
        lambda key: key.unlink(),
        lambda key: (key.rename(key.with_name("other")), key.symlink_to("other")),
    ],
)
def test_a_key_that_others_could_know_is_made_anew(own_key: Path, change) -> None:
    first = seal_of("name", b"content")
    change(own_key)
    sealed._key.cache_clear()
    assert seal_of("name", b"content") != first
    assert own_key.lstat().st_mode & 0o177777 == 0o100600


def test_a_key_where_others_can_write_is_refused(own_key: Path) -> None:
    own_key.parent.chmod(0o777)
    sealed._key.cache_clear()
    with pytest.raises(TasklawsError, match=r"has mode 777, others could .*: remove it, it is made anew$"):
        seal_of("name", b"content")
