"""`dvc repro` killed while it writes dvc.lock, over and over: after `tasklaws repair-lock` nothing is lost, and nothing
is up to date that is not."""

import os
import random
import signal
import subprocess
import time
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from clone import ROOT, Clone
from tasklaws.core.lock import LOCK
from tasklaws.provenance.chain import md5, read_chain

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

KILLS = 100
STAGES = ("one", "two", "three")
SCRIPT = """
import sys
from pathlib import Path
from tasklaws.core.script import run

def main():
    source, target = map(Path, sys.argv[1:])
    target.write_text(source.read_text() + target.name)

run(main)
"""


def stage(source: str, target: str) -> dict[str, object]:
    return {"cmd": f"python stage.py {source} {target}", "deps": [source, "stage.py"], "outs": [target]}


def tiny_pipeline(path: Path) -> Clone:
    """Three quick stages in a row, after those of another ladder that stand in this repository's own lock."""
    path.mkdir()
    clone = Clone(path)
    clone.run("git", "init", "-q")
    clone.run("dvc", "init", "-q")
    sources = ("start", *STAGES)
    stages = {name: stage(*pair) for name, *pair in zip(STAGES, sources[:-1], sources[1:], strict=True)}
    (path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (path / "stage.py").write_text(SCRIPT)
    (path / "start").write_text("0")
    (path / ".gitignore").write_text(".work\n")
    others = (ROOT / LOCK).read_text().split("\n  ladder@")[0] + "\n"
    (path / LOCK).write_text(others)
    clone.run("dvc", "repro")
    clone.commit("all has run")
    return clone


def kill_while_the_lock_is_written(clone: Clone, writes: int, delay: float) -> bool:
    """Run the pipeline and end it without warning in so many writes of the lock; whether the lock was then cut off."""
    lock = clone.path / LOCK
    whole = lock.stat().st_size
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=clone.path,
        env=clone.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    was_cut = False
    while writes and process.poll() is None:
        is_cut = lock.stat().st_size < whole - 200  # hashes and sizes of a few digits may change
        writes -= is_cut and not was_cut
        was_cut = is_cut
        time.sleep(0.0005)
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return lock.stat().st_size < whole - 200


def claimed(root: Path) -> list[str]:
    """The stages that are up to date by the lock: inputs and outputs are what it says, and so are those before."""
    found = read_chain(root).stages

    def holds(name: str) -> bool:
        entries = [*found[name].inputs, *found[name].outputs] if name in found else []
        return bool(entries) and all(
            (root / each.path).exists() and md5(root / each.path) == each.md5 for each in entries
        )

    return list(takewhile(holds, STAGES))


def is_true(root: Path, name: str) -> bool:
    wanted = (root / "start").read_text() + "".join(STAGES[: STAGES.index(name) + 1])
    return (root / name).exists() and (root / name).read_text() == wanted


@pytest.mark.heavy
def test_no_kill_while_the_lock_is_written_loses_anything(tmp_path: Path) -> None:
    clone = tiny_pipeline(tmp_path / "killed")
    undisturbed = clone.copy(tmp_path / "undisturbed")
    wanted = list(clone.locked())
    draw, n_cut = random.Random(0), 0
    for number in range(1, KILLS + 1):
        for each in (clone, undisturbed):
            (each.path / "start").write_text(str(number))
        n_cut += kill_while_the_lock_is_written(clone, draw.randint(1, len(STAGES)), draw.uniform(0, 0.05))
        clone.run("tasklaws", "repair-lock")
        assert list(clone.locked()) == wanted, number
        assert all(is_true(clone.path, name) for name in claimed(clone.path)), number
        if number % 10 == 0:
            for each in (clone, undisturbed):
                each.run("dvc", "repro")
            assert (clone.path / LOCK).read_bytes() == (undisturbed.path / LOCK).read_bytes(), number
            assert all(is_true(clone.path, name) for name in STAGES)
    assert n_cut > KILLS / 2


def test_what_was_put_back_is_not_up_to_date_where_the_files_differ(tmp_path: Path) -> None:
    clone = tiny_pipeline(tmp_path / "clone")
    whole = (clone.path / LOCK).read_bytes()
    for path in ("start", "two"):
        (clone.path / LOCK).write_bytes(whole[: len(whole) // 3])
        assert "put back three" in clone.run("tasklaws", "repair-lock")
        assert (clone.path / LOCK).read_bytes() == whole
        assert "up to date" in clone.run("dvc", "status")
        kept = (clone.path / path).read_text()
        (clone.path / path).write_text("other")
        assert path in clone.run("dvc", "status")
        (clone.path / path).write_text(kept)


@pytest.mark.heavy
def test_where_dvc_cannot_start_repair_lock_can(tmp_path: Path) -> None:
    clone = tiny_pipeline(tmp_path / "clone")
    lock, notes = clone.path / LOCK, clone.path / ".dvc/tmp/rwlock"
    whole = lock.read_bytes()
    inside_a_word = whole[: whole.index(b"md5:", 5000) + 2]
    for file, text in ((lock, b""), (lock, inside_a_word), (notes, b'{"write": {')):
        file.write_bytes(text)
        clone.run("dvc", "repro", fails=True)
        clone.run("tasklaws", "repair-lock")
        assert lock.read_bytes() == whole
    assert clone.ran("dvc", "repro") == []
