"""The same program has the same outcome on every run, in any order, in other processes."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tasklaws.sandbox import engine_id, run
from tasklaws.sandbox.guest_code import GUEST_SHA256, MAX_GUESTS, WASMTIME

FUEL = 200_000_000
PROGRAMS = [
    "n = 1000\nprint(n * (n + 1) // 2)",
    "import hashlib\nx = 'abc'\nfor _ in range(50): x = hashlib.sha256(x.encode()).hexdigest()\nprint(x)",
    "import random\nprint(random.random(), random.Random().random(), random.SystemRandom().random())",
    "import random\nrandom.seed()\nprint(random.randrange(10**9), random.sample(range(100), 5))",
    "import os, secrets, uuid\nprint(os.urandom(4), secrets.token_hex(4), uuid.uuid4())",
    "print(hash('a'), {'b', 'a', 'c', 'd'}, id(object()), object())",
    "print(float('nan'), 0.1 + 0.2, 2.0**0.5)\nimport struct\nprint(struct.pack('d', float('inf') - float('inf')))",
    "x = []\nwhile True: x.append(x[:])",
    "x = []\nwhile True: x.append([0] * 1000)",
    "def f(n): return f(n + 1)\nf(0)",
    "while True: print('x' * 100)",
    "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n  def __repr__(self): return repr([self])\nrepr(A())",
]
SCRIPT = """
import json, sys
from tasklaws.sandbox import run
print(json.dumps([run(program, int(sys.argv[1])).to_dict() for program in json.load(sys.stdin)]))
"""


def test_runs_and_order_do_not_matter() -> None:
    first = [run(program, FUEL) for program in PROGRAMS]
    assert [run(program, FUEL) for program in reversed(PROGRAMS)] == first[::-1]
    assert len({outcome.status for outcome in first}) >= 5


def test_threads_do_not_matter() -> None:
    with ThreadPoolExecutor(MAX_GUESTS + 4) as pool:
        several = list(pool.map(lambda program: run(program, FUEL), PROGRAMS * 4))
    assert several == [run(program, FUEL) for program in PROGRAMS] * 4


def test_processes_do_not_matter() -> None:
    here = [run(program, FUEL).to_dict() for program in PROGRAMS]
    for seed in ("1", "random"):
        child = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(FUEL)],
            input=json.dumps(PROGRAMS),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(child.stdout) == here


def test_fuel_is_independent_of_the_budget_and_grows_with_the_work() -> None:
    loop = "s = 0\nfor i in range({}): s += i\nprint(s)"
    few, many = (run(loop.format(n), FUEL).fuel for n in (10_000, 20_000))
    assert run(loop.format(10_000), 2 * FUEL).fuel == few
    assert run(loop.format(10_000), few).status == "ok"
    assert run(loop.format(10_000), few - 1000).status == "out_of_fuel"
    assert 1500 < (many - few) / 10_000 < 3000


def test_the_engine_is_named_by_guest_and_version() -> None:
    assert GUEST_SHA256 in engine_id()
    assert f"wasmtime {WASMTIME} " in engine_id()
