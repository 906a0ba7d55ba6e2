"""Small programs a second: this sandbox on all cores against one python process per program, on the same programs.

    python benchmarks/sandbox.py [--programs N] [--workers N]

Small programs of the kind that models write: a closed form, fifty rounds of sha256, string work. The sides run the
same ones in turns: the sandbox with as many threads as cores, processes with as many at once, and processes one after
another. CPU counts that of children. The outputs have to agree. On a busy machine only the ratio of CPU means
something. Fuel figures follow.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tasklaws.sandbox import engine_id, run

FUEL = 2_000_000_000
ROUND = 48
SHA256 = "import hashlib\nx = b'abc'\nfor _ in range({}):\n    x = hashlib.sha256(x).digest()\nprint(x.hex())"
LOOP = "s = 0\nfor i in range({} + 1):\n    s += i\nprint(s)"


def program(number: int) -> str:
    """The `number`-th small program; no two are equal."""
    kinds = [
        f"n = {number}\nprint(n * (n + 1) // 2)",
        SHA256.format(40 + number % 20) + f"  # {number}",
        f"s = 'hello world {number}'\nprint(s[::-1].upper(), ''.join(sorted(s)), s.replace('o', '0'))",
        f"def add(a, b):\n    return a + b\n\nprint(add({number}, {number * 7}))",
    ]
    return kinds[number % len(kinds)]


def in_sandbox(source: str) -> str:
    return run(source, FUEL).stdout


def in_process(source: str) -> str:
    command = [sys.executable, "-c", source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def compare(n_programs: int, workers: int) -> None:
    sides: dict[str, tuple[Callable[[str], str], int]] = {
        f"sandbox, {workers} at once": (in_sandbox, workers),
        f"one process each, {workers} at once": (in_process, workers),
        "one process each, in turn": (in_process, 1),
    }
    spent = {name: [0.0, 0.0] for name in sides}
    in_sandbox(program(0))
    for start in range(0, n_programs, ROUND):
        outputs = []
        for name, (judge, at_once) in sides.items():
            cpu, clock = cpu_seconds(), time.perf_counter()
            with ThreadPoolExecutor(at_once) as pool:
                outputs.append(list(pool.map(judge, map(program, range(start, start + ROUND)))))
            spent[name][0] += cpu_seconds() - cpu
            spent[name][1] += time.perf_counter() - clock
        if any(output != outputs[0] for output in outputs):
            raise SystemExit(f"error: outputs differ on programs {start} to {start + ROUND - 1}")
    count = -(-n_programs // ROUND) * ROUND
    print(f"{count} small programs{'':10}programs/CPU-second   programs/second   (goal: 400 a second)")
    for name, (cpu, clock) in spent.items():
        print(f"{name:32}{count / cpu:15.0f}{count / clock:18.0f}")
    (cpu, clock), *others = spent.values()
    for name, (other_cpu, other_clock) in zip(list(sides)[1:], others, strict=True):
        print(f"x {name:30}{other_cpu / cpu:15.1f}{other_clock / clock:18.1f}   (goal: 8)")


def fuel(source: str) -> int:
    return run(source, FUEL).fuel


def figures() -> None:
    loop = (fuel(LOOP.format(200_000)) - fuel(LOOP.format(100_000))) / 100_000
    total = "print(sum(range({} + 1)))"
    built_in = (fuel(total.format(200_000)) - fuel(total.format(100_000))) / 100_000
    start = time.process_time()
    burnt = run("while True: pass", FUEL).fuel
    seconds = (time.process_time() - start) / burnt * 1e9
    print(f"\nfuel of an empty program         {fuel(''):12,}")
    print(f"fuel of a 100-fold sha256 loop   {fuel(SHA256.format(100)):12,}")
    print(f"fuel a step of `s += i`          {loop:12,.0f}")
    print(f"fuel a step of `sum(range(n))`   {built_in:12,.0f}")
    print(f"CPU-seconds for 1e9 fuel         {seconds:12.2f}")
    print(engine_id())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="the sandbox against one python process per program")
    parser.add_argument("--programs", type=int, default=480)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    compare(arguments.programs, arguments.workers)
    figures()
