"""Equal programs run once, within a process and across processes, and no damage to the store changes a verdict."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.sandbox import Verdict, Verdicts, run
from tasklaws.sandbox import cache as verdicts
from tasklaws.sandbox.cache import BATCH, NAME

FUEL = 100_000_000
PROGRAMS = [(f"print({n})", FUEL) for n in range(5)]
CHILD = """
import sys
from pathlib import Path
from tasklaws.sandbox import Verdicts
found = Verdicts(Path(sys.argv[1])).judge([(f"print({n})", 100_000_000) for n in range(int(sys.argv[2]))])
assert [verdict.stdout for verdict in found] == [f"{n}\\n" for n in range(int(sys.argv[2]))]
"""


class Counter:
    """Stands in for `run`, counting calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    def __call__(self, program: str, fuel: int) -> Verdict:
        with self.lock:
            self.calls.append((program, fuel))
        return run(program, fuel)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(verdicts, "run", counter)
    return counter


def test_equal_programs_run_once(tmp_path: Path, counter: Counter) -> None:
    store = Verdicts(tmp_path, workers=2)
    found = store.judge([*PROGRAMS, *reversed(PROGRAMS), (PROGRAMS[0][0], FUEL // 2)])
    assert [verdict.stdout for verdict in found] == [
        "0\n",
        "1\n",
        "2\n",
        "3\n",
        "4\n",
        "4\n",
        "3\n",
        "2\n",
        "1\n",
        "0\n",
        "0\n",
    ]
    assert sorted(counter.calls) == sorted([*PROGRAMS, (PROGRAMS[0][0], FUEL // 2)])
    assert Verdicts(tmp_path).judge(PROGRAMS) == found[:5]
    assert len(counter.calls) == 6
    assert store.judge([]) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=[])), st.sampled_from([10**6, 10**7])), max_size=4))
def test_a_remembered_verdict_is_the_verdict(tmp_path: Path, programs: list[tuple[str, int]]) -> None:
    fresh = [run(*program) for program in programs]
    store = Verdicts(tmp_path)
    assert store.judge(programs) == fresh
    assert store.judge(programs) == fresh


def test_another_guest_has_other_verdicts(tmp_path: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    Verdicts(tmp_path).judge(PROGRAMS)
    monkeypatch.setattr(verdicts, "engine_id", lambda: "another guest")
    Verdicts(tmp_path).judge(PROGRAMS)
    assert len(counter.calls) == 2 * len(PROGRAMS)


def test_invalid_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = Verdict("invalid", "", "stopped by the wall-clock fuse", 5)
    monkeypatch.setattr(verdicts, "run", lambda program, fuel: invalid)
    assert Verdicts(tmp_path).judge(PROGRAMS) == [invalid] * 5
    monkeypatch.setattr(verdicts, "run", run)
    assert Verdicts(tmp_path).judge(PROGRAMS)[0].status == "ok"


@pytest.mark.parametrize("damage", ["garbage", "truncated", "middle", "empty"])
def test_a_damaged_store_is_made_anew(tmp_path: Path, damage: str) -> None:
    expected = Verdicts(tmp_path).judge(PROGRAMS)
    path = tmp_path / NAME
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {
            "garbage": b"not a database at all " * 1000,
            "truncated": whole[:half],
            "middle": whole[:half] + bytes(byte ^ 0x55 for byte in whole[half:]),
            "empty": b"",
        }[damage]
    )
    assert Verdicts(tmp_path).judge(PROGRAMS) == expected
    assert Verdicts(tmp_path).judge(PROGRAMS) == expected


def test_a_changed_row_is_forgotten(tmp_path: Path) -> None:
    expected = Verdicts(tmp_path).judge(PROGRAMS)
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute("UPDATE verdicts SET verdict = replace(verdict, 'ok', 'error')")
    connection.close()
    assert Verdicts(tmp_path).judge(PROGRAMS) == expected


def test_a_store_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(TasklawsError, match=r"verdicts\.sqlite: unable to open database file: "):
        Verdicts(tmp_path).judge(PROGRAMS)


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Verdicts(tmp_path).judge(PROGRAMS)
    pages = (tmp_path / NAME).stat().st_size // 4096
    with monkeypatch.context() as full:
        full.setattr(verdicts, "SCHEMA", f"PRAGMA max_page_count = {pages}")
        with pytest.raises(TasklawsError, match="database or disk is full: free some space"):
            Verdicts(tmp_path).judge([(f"print('{n}' * 1000)", FUEL) for n in range(40)])
    assert Verdicts(tmp_path).judge(PROGRAMS) == expected


def test_processes_share_the_store_and_survive_a_kill(tmp_path: Path) -> None:
    count = 6 * BATCH
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(count)]
    victim = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while not rows(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert 0 < rows(tmp_path) < count
    survivors = [subprocess.Popen(command) for _ in range(2)]
    assert [survivor.wait() for survivor in survivors] == [0, 0]
    assert rows(tmp_path) == count


def rows(directory: Path) -> int:
    if not (directory / NAME).exists():
        return 0
    connection = sqlite3.connect(directory / NAME, timeout=30)
    try:
        return int(connection.execute("SELECT count(*) FROM verdicts").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
