"""Jobs run alike on any number of workers, and no worker outlives its parent, to write where the next run resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasklaws.core.workers import run_each

PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from tasklaws.core import errors, script
from tasklaws.core.workers import run_each

def work(number):
    Path(f"pid{number}").write_text(str(os.getpid()))
    time.sleep(60)

def die(number):
    os.kill(os.getpid(), 9)

def fail(number):
    if number == 0:
        work(number)
    while not Path("pid0").exists():
        time.sleep(0.02)
    raise errors.TasklawsError(f"job {number} failed: mend it")

def main():
    run_each({"work": work, "die": die, "fail": fail}[sys.argv[1]], [(number,) for number in (1, 0, 2, 3)], 2)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs behind it deaf to that
    script.run(main)
"""


@pytest.fixture
def start(tmp_path: Path):
    """Starts the program, in a process group of its own."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    started = []

    def begin(what: str) -> subprocess.Popen[str]:
        command = [sys.executable, script, what]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()


def workers(folder: Path) -> list[int]:
    """The ids of both workers, once they work."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = [path.read_text() for path in folder.glob("pid*")]
        if len(found) == 2 and all(found):
            return [int(pid) for pid in found]
        time.sleep(0.02)
    raise AssertionError("no worker began")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc").exists() else True


def end(pids: list[int], within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not any(map(alive, pids)):
            return True
        time.sleep(0.02)
    return False


def test_workers_of_a_killed_process_end(start, tmp_path):
    process = start("work")
    pids = workers(tmp_path)
    process.send_signal(signal.SIGKILL)  # to the parent alone
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert end(pids)


def test_an_interrupted_run_ends_at_once_in_one_line(start, tmp_path):
    process = start("work")
    pids = workers(tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said == "error: interrupted: run the same command again to resume\n"
    assert end(pids)
    assert len(list(tmp_path.glob("pid*"))) == 2, "what was waiting must not begin"


def test_a_worker_that_dies_is_one_clear_line(start):
    process = start("die")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith("error: a worker process died")
    assert said.count("\n") == 1


def test_the_first_failure_ends_the_rest_at_once(start):
    began = time.monotonic()
    process = start("fail")
    _, said = process.communicate(timeout=30)
    assert said == "error: job 1 failed: mend it\n"
    assert time.monotonic() - began < 30


def add(one, other):
    return one + other


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_results_come_in_the_order_of_the_jobs(workers):
    assert run_each(add, [(number, 1) for number in range(4)], workers) == [1, 2, 3, 4]


def test_one_job_alone_needs_no_process():
    assert run_each(os.getpid, [()], 2) == [os.getpid()]


def test_no_job_is_no_result():
    assert run_each(add, [], 2) == []
