"""Seconds, processor seconds and peak memory of every stage, in one clean run.

`python benchmarks/stages.py [LADDER] > docs/stages.md` (default nano_ladder, which takes a quarter of an hour;
nano_mini takes two minutes) runs the commands of a ladder's stages one after the other in a fresh copy of the
repository and prints a table: wall-clock seconds; processor seconds, the workers' included; the most memory that the
stage's processes held at once (resident; what they share counts in each). Below it, what DVC adds: its own seconds to
note the results, and to find that there is nothing to do.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import psutil
from dvc.repo import Repo

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Measured:
    """Wall-clock and processor seconds of a command and all its processes, their peak bytes, and what it said."""

    seconds: float
    cpu_seconds: float
    peak: int
    said: str

    def row(self, name: str) -> str:
        return f"| {name} | {self.seconds:.1f} | {self.cpu_seconds:.1f} | {self.peak / 1e6:.0f} |"


def copy_repository(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name == "dvc.lock" or (name.startswith("results/") and not name.startswith("results/real/")):
            continue  # what the stages make
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def commands_of(root: Path) -> list[tuple[str, str]]:
    """Name and command of every stage, each after those whose outputs it reads."""
    graph = Repo(root).index.graph
    order = TopologicalSorter({stage: list(graph[stage]) for stage in graph}).static_order()
    return [(stage.name, stage.cmd) for stage in order]


def resident(process: psutil.Process) -> int:
    """Bytes of memory that a process and its children hold now."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def measure(command: list[str], root: Path) -> Measured:
    """Run a command, one at a time: processor seconds are those of all children that have ended meanwhile."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
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
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(time.perf_counter() - start, cpu, peaks[0], said)


def main() -> None:
    ladder = sys.argv[1] if len(sys.argv) > 1 else "nano_ladder"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        copy_repository(root)
        measure(["tasklaws", "compose", f"models={ladder}"], root)
        print(f"# Every stage of {ladder}\n\n`python benchmarks/stages.py {ladder}`, {os.cpu_count()} cores.\n")
        print("| stage | seconds | CPU seconds | peak MB |\n|---|---:|---:|---:|", flush=True)
        stages = []
        for name, command in commands_of(root):
            stages.append(measure(command.split(), root))
            print(stages[-1].row(name), flush=True)
        seconds, cpu = sum(each.seconds for each in stages), sum(each.cpu_seconds for each in stages)
        print(Measured(seconds, cpu, max(each.peak for each in stages), "").row("all stages"))
        print(measure(["dvc", "commit", "--force"], root).row("`dvc commit`"))
        print(measure(["dvc", "repro"], root).row("`dvc repro` again"))


if __name__ == "__main__":
    main()
