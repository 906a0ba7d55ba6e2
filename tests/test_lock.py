"""A dvc.lock that was cut off while DVC wrote it gets back what it lost, and no other lock is touched."""

import os
import subprocess
from pathlib import Path

import pytest

from tasklaws.core.errors import TasklawsError
from tasklaws.core.lock import COPIES, LOCK, copies_of_lock, keep_lock
from tasklaws.provenance.lock import repair_lock


def entry(name: str, version: str = "0") -> str:
    return f"""  {name}:
    cmd: python stages/{name}.py
    deps:
    - path: stages/{name}.py
      hash: md5
      md5: {version * 32}
      size: 1234
    params:
      params.yaml:
        models:
          rungs:
            a-1k: fit
    outs:
    - path: models/{name}
      hash: md5
      md5: {version * 32}.dir
      size: 567
      nfiles: 12
    - path: results/{name} é.csv
      hash: md5
      md5: {version * 32}
      size: 8901
"""


def lock_of(*names: str, **versions: str) -> str:
    return "schema: '2.0'\nstages:\n" + "".join(entry(name, versions.get(name, "0")) for name in names)


NAMES = ("items", "model@a-1k", "report@one", "report@two")
WHOLE = lock_of(*NAMES)


class Repository:
    """A git repository of nothing but dvc.lock, whose stages set out one after another."""

    def __init__(self, root: Path) -> None:
        self.lock = root / LOCK
        self.git("init", "-q")

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        subprocess.run(["git", *identity, *arguments], cwd=self.lock.parent, check=True, capture_output=True)

    def commit(self, text: str) -> None:
        self.lock.write_text(text)
        self.git("add", str(LOCK))
        self.git("commit", "-qm", "a lock")

    def stage_sets_out(self, text: str) -> None:
        self.lock.write_text(text)
        keep_lock()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "items")
    return Repository(tmp_path)


def cuts(text: str, number: int) -> list[int]:
    """Lengths at which a write may end: spread out, and at the ends of stages and lines."""
    ends = [len(lock_of(*NAMES[:count])) for count in range(1, len(NAMES))]
    lines = [index + 1 for index, character in enumerate(text) if character == "\n"]
    spread = [len(text) * step // number for step in range(number)]
    return sorted({*spread, *ends, *lines[-4:-1], lines[3], ends[0] + 2, ends[0] + 5})


@pytest.mark.parametrize("kept_by", ["copy", "commit", "index"])
def test_a_lock_cut_off_anywhere_is_made_whole(repository: Repository, kept_by: str) -> None:
    data = WHOLE.encode()
    for length in cuts(WHOLE, 10):
        if kept_by == "copy":
            repository.stage_sets_out(WHOLE)
        elif kept_by == "index":
            repository.lock.write_text(WHOLE)
            repository.git("add", str(LOCK))
        else:
            repository.commit(WHOLE + "\n" * length)  # git takes no commit without a change
            repository.git("rm", "-q", "--cached", str(LOCK))
        repository.lock.write_bytes(data[:length])
        assert repair_lock().put_back
        assert repository.lock.read_text().rstrip() == WHOLE.rstrip(), length
        assert repair_lock().put_back == []


def test_what_the_lock_has_stays_and_what_it_lost_comes_from_the_latest_copy(repository: Repository) -> None:
    repository.commit(WHOLE)
    repository.stage_sets_out(lock_of(*NAMES, **{"report@two": "1"}))
    repository.lock.write_text(lock_of(*NAMES[:3], items="2"))
    mended = repair_lock()
    assert mended.put_back == ["report@two"]
    assert repository.lock.read_text() == mended.text == lock_of(*NAMES, **{"items": "2", "report@two": "1"})


def test_what_a_damaged_lock_went_on_with_is_kept(repository: Repository) -> None:
    repository.stage_sets_out(WHOLE)
    repository.stage_sets_out(lock_of("items"))
    repository.lock.write_text(lock_of("items", "model@a-1k", **{"model@a-1k": "1"}))
    assert repair_lock().put_back == ["report@one", "report@two"]
    assert repository.lock.read_text() == lock_of(*NAMES, **{"model@a-1k": "1"})


@pytest.mark.parametrize("then", [None, "other@a-1k"])
def test_a_lock_that_git_checked_out_has_lost_nothing(repository: Repository, then: str | None) -> None:
    repository.commit(lock_of("items"))
    repository.commit(WHOLE)
    repository.stage_sets_out(WHOLE)
    repository.git("checkout", "-q", "HEAD~1")
    if then:  # and a stage ran after that
        keep_lock()
        repository.lock.write_text(lock_of("items", then))
    assert repair_lock().put_back == []
    assert repository.lock.read_text() == lock_of(*filter(None, ["items", then]))


def test_a_lock_that_a_person_added_to_the_index_has_lost_nothing(repository: Repository) -> None:
    repository.commit(WHOLE)
    repository.lock.write_text(lock_of("items"))
    repository.git("add", str(LOCK))
    assert repair_lock().put_back == []


def test_a_lock_that_dvc_itself_committed_for_an_experiment_may_be_cut_off(repository: Repository) -> None:
    repository.commit(WHOLE)
    repository.commit(lock_of("items"))
    repository.git("update-ref", "refs/exps/ab/cdef/name", "HEAD")
    repository.git("reset", "-q", "--hard", "HEAD~1")
    repository.lock.write_text(lock_of("items"))
    assert repair_lock().put_back == list(NAMES[1:])


def test_a_stage_that_nothing_can_complete_is_left_out(repository: Repository) -> None:
    text = lock_of("items", "report@one")
    repository.lock.write_text(text[:-10])
    mended = repair_lock()
    assert (mended.put_back, mended.left_out) == ([], ["report@one"])
    assert repository.lock.read_text() == lock_of("items")


def test_an_empty_lock_of_which_nothing_is_known_makes_way(repository: Repository) -> None:
    repository.lock.write_text("")
    repair_lock()
    assert not repository.lock.exists()
    with pytest.raises(TasklawsError, match=r"dvc.lock does not exist"):
        repair_lock()


def test_a_lock_that_is_gone_has_lost_all(repository: Repository) -> None:
    repository.commit(lock_of("items"))
    repository.stage_sets_out(WHOLE)
    repository.lock.unlink()
    assert repair_lock().put_back == list(NAMES)
    assert repository.lock.read_text() == WHOLE


def test_what_git_has_is_newer_than_a_copy_made_before(repository: Repository) -> None:
    repository.stage_sets_out(WHOLE)
    os.utime(copies_of_lock()[-1], (1e9, 1e9))
    new = lock_of(*NAMES, **{"report@two": "1"})
    repository.commit(new)
    for cut in (0, 7, len(new) - 200):
        repository.lock.write_text(new[:cut])
        repair_lock()
        assert repository.lock.read_text() == new


@pytest.mark.parametrize(
    "damaged", [f"{WHOLE[:900]}{WHOLE}".encode(), WHOLE.encode() + b"\xff\xfe", WHOLE.replace("2.0", "3.0").encode()]
)
def test_a_lock_that_dvc_cannot_read_is_written_anew(repository: Repository, damaged: bytes) -> None:
    repository.commit(WHOLE)
    repository.lock.write_bytes(damaged)
    assert not repair_lock().was_whole
    assert repository.lock.read_text() == WHOLE
    assert repair_lock().was_whole


def test_other_damage_is_refused(repository: Repository) -> None:
    repository.commit(WHOLE)
    repository.lock.write_text(WHOLE.replace("    outs:\n", "<<<<<<< HEAD\n", 1))
    with pytest.raises(TasklawsError, match=r"not by an interrupted write: .git checkout dvc.lock"):
        repair_lock()


def test_notes_of_dvc_that_were_cut_off_go(repository: Repository) -> None:
    repository.commit(WHOLE)
    notes = Path(".dvc/tmp/rwlock")
    notes.parent.mkdir(parents=True)
    for text, stays in (('{"write": {', False), ('{"write": {}}', True)):
        notes.write_text(text)
        repair_lock()
        assert notes.exists() == stays


def test_few_copies_are_kept_and_none_outside_dvc(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(203):
        repository.stage_sets_out(WHOLE)
    assert [copies_of_lock()[index].name for index in (0, -1)] == ["3", "203"]
    repair_lock()
    assert len(copies_of_lock()) == 1
    monkeypatch.delenv("DVC_STAGE")
    keep_lock()
    assert [path.name for path in COPIES.iterdir()] == ["1"]
