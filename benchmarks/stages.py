"""Seconds and peak memory of every stage, in one clean run.

`python benchmarks/stages.py [LADDER]` (default nano_mini; nano_ladder takes a quarter of an hour) runs the stages of a
ladder one after the other in a fresh copy of the repository, as `dvc repro` does, and prints for each its wall-clock
seconds and the most resident memory that its processes held at once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

BIN = Path(sys.executable).parent


def copy_repository(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(root / "results", ignore_errors=True)


def resident(process: psutil.Process) -> int:
    """Bytes of memory that a process and its children hold now."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure(command: list[str], root: Path) -> tuple[float, int, str]:
    """Seconds, peak bytes and output of a command."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    running = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peaks = [0]

    def watch() -> None:
        try:
            process = psutil.Process(running.pid)
            while running.poll() is None:
                peaks[0] = max(peaks[0], resident(process))
                time.sleep(0.1)
        except psutil.NoSuchProcess:
            return

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = running.communicate()[0]
    watcher.join()
    if running.returncode:
        raise SystemExit(f"error: {' '.join(command)} failed:\n{said}")
    return time.perf_counter() - start, peaks[0], said


def main() -> None:
    ladder = sys.argv[1] if len(sys.argv) > 1 else "nano_mini"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        copy_repository(root)
        measure(["tasklaws", "compose", f"models={ladder}"], root)
        listed = measure(["dvc", "repro", "--dry"], root)[2]
        stages = [line.split("'")[1] for line in listed.splitlines() if line.startswith("Running stage '")]
        print(f"{'stage':20} {'seconds':>8} {'peak MB':>8}")
        total = 0.0
        for stage in stages:
            taken, peak, _ = measure(["dvc", "repro", "--single-item", stage], root)
            total += taken
            print(f"{stage:20} {taken:8.1f} {peak / 1e6:8.0f}", flush=True)
        again = measure(["dvc", "repro"], root)[0]
        print(f"{'all':20} {total:8.1f}\n{'dvc repro again':20} {again:8.1f}")


if __name__ == "__main__":
    main()
