"""Equal programs run once, within a process and across processes, and no damage to the store changes an outcome."""

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.sandbox import Outcome, OutcomeCache, run
from tasklaws.sandbox import cache as outcomes
from tasklaws.sandbox.cache import _PROGRAMS_A_COMMIT, NAME

FUEL = 100_000_000
PROGRAMS = [(f"print({n})", FUEL) for n in range(5)]
CHILD = """
import sys
from pathlib import Path
from tasklaws.sandbox import OutcomeCache
found = OutcomeCache(Path(sys.argv[1])).of([(f"print({n})", 100_000_000) for n in range(int(sys.argv[2]))])
assert [outcome.stdout for outcome in found] == [f"{n}\\n" for n in range(int(sys.argv[2]))]
"""


class Counter:
    """Stands in for `run`, counting calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    def __call__(self, program: str, fuel: int) -> Outcome:
        with self.lock:
            self.calls.append((program, fuel))
        return run(program, fuel)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(outcomes, "run", counter)
    return counter


def test_equal_programs_run_once(tmp_path: Path, counter: Counter) -> None:
    store = OutcomeCache(tmp_path, workers=2)
    found = store.of([*PROGRAMS, *reversed(PROGRAMS), (PROGRAMS[0][0], FUEL // 2)])
    assert [outcome.stdout for outcome in found] == [
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
    assert OutcomeCache(tmp_path).of(PROGRAMS) == found[:5]
    assert len(counter.calls) == 6
    assert store.of([]) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=[])), st.sampled_from([10**6, 10**7])), max_size=4))
def test_a_remembered_outcome_is_the_outcome(tmp_path: Path, programs: list[tuple[str, int]]) -> None:
    fresh = [run(*program) for program in programs]
    store = OutcomeCache(tmp_path)
    assert store.of(programs) == fresh
    assert store.of(programs) == fresh


def test_another_guest_has_other_outcomes(tmp_path: Path, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    OutcomeCache(tmp_path).of(PROGRAMS)
    monkeypatch.setattr(outcomes, "engine_id", lambda: "another guest")
    OutcomeCache(tmp_path).of(PROGRAMS)
    assert len(counter.calls) == 2 * len(PROGRAMS)


def test_invalid_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = Outcome("invalid", "", "stopped by the wall-clock fuse", 5)
    monkeypatch.setattr(outcomes, "run", lambda program, fuel: invalid)
    assert OutcomeCache(tmp_path).of(PROGRAMS) == [invalid] * 5
    monkeypatch.setattr(outcomes, "run", run)
    assert OutcomeCache(tmp_path).of(PROGRAMS)[0].status == "ok"


@pytest.mark.parametrize("damage", ["garbage", "truncated", "middle", "empty"])
def test_a_damaged_store_is_made_anew(tmp_path: Path, damage: str) -> None:
    expected = OutcomeCache(tmp_path).of(PROGRAMS)
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
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected


FORGED = {"status": "ok", "stdout": "forged\n", "error": "", "fuel": 1}


@pytest.mark.parametrize(
    ("outcome", "seal"),
    [
        ("replace(outcome, '\"ok\"', '\"error\"')", "seal"),
        (f"'{json.dumps(FORGED)}'", "seal"),
        (f"'{json.dumps(FORGED)}'", f"'{hashlib.sha256(json.dumps(FORGED).encode()).hexdigest()}'"),
        ("'no verdict'", "seal"),
        ("x'ff'", "seal"),
        ("7", "8"),
        ("NULL", "NULL"),
    ],
)
def test_a_forged_row_is_run_anew(tmp_path: Path, outcome: str, seal: str, counter: Counter) -> None:
    expected = OutcomeCache(tmp_path).of(PROGRAMS)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        connection.execute(f"UPDATE outcomes SET outcome = {outcome}, seal = {seal}")
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected
    assert len(counter.calls) == 2 * len(PROGRAMS)
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected
    assert len(counter.calls) == 2 * len(PROGRAMS)


def test_an_outcome_in_the_place_of_another_is_run_anew(tmp_path: Path) -> None:
    expected = OutcomeCache(tmp_path).of(PROGRAMS)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        row = connection.execute("SELECT outcome, seal FROM outcomes LIMIT 1").fetchone()
        connection.execute("UPDATE outcomes SET outcome = ?, seal = ?", row)
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected


def test_another_users_store_is_run_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counter: Counter) -> None:
    expected = OutcomeCache(tmp_path).of(PROGRAMS)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected
    assert len(counter.calls) == 2 * len(PROGRAMS)


def test_a_store_of_other_columns_is_made_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / NAME)) as connection, connection:
        connection.execute("CREATE TABLE outcomes (key TEXT PRIMARY KEY, outcome TEXT, sha256 TEXT) WITHOUT ROWID")
    expected = [run(*program) for program in PROGRAMS]
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected
    assert rows(tmp_path) == len(PROGRAMS)


def test_a_store_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(TasklawsError, match=r"outcomes\.sqlite: unable to open database file: "):
        OutcomeCache(tmp_path).of(PROGRAMS)


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = OutcomeCache(tmp_path).of(PROGRAMS)
    pages = (tmp_path / NAME).stat().st_size // 4096
    with monkeypatch.context() as full:
        full.setattr(outcomes, "SCHEMA", f"PRAGMA max_page_count = {pages}")
        with pytest.raises(TasklawsError, match="database or disk is full: free some space"):
            OutcomeCache(tmp_path).of([(f"print('{n}' * 1000)", FUEL) for n in range(40)])
    assert OutcomeCache(tmp_path).of(PROGRAMS) == expected


def test_processes_share_the_store_and_survive_a_kill(tmp_path: Path) -> None:
    count = 6 * _PROGRAMS_A_COMMIT
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
        return int(connection.execute("SELECT count(*) FROM outcomes").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
