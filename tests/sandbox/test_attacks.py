"""What hostile or careless programs do: each ends in a status, and none reaches the host."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasklaws.core.errors import TasklawsError
from tasklaws.sandbox import Sandbox, run
from tasklaws.sandbox.runner import MAX_FUEL, MAX_OUTPUT_BYTES, MAX_PROGRAM_BYTES

FUEL = 1_000_000_000
NO_SYSTEM = "the sandbox has no files, clock, network or processes"


@pytest.mark.parametrize(
    ("program", "status", "error"),
    [
        ("while True: pass", "out_of_fuel", "the fuel budget is spent"),
        ("a = 10**(10**7)\nb = a * a", "out_of_fuel", "the fuel budget is spent"),
        ("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", "out_of_fuel", "the fuel budget is spent"),
        ("b = bytearray(50_000_000)\nwhile True: b[:] = b", "out_of_fuel", "the fuel budget is spent"),
        ("l = [0] * 10**9", "out_of_memory", "MemoryError"),
        ("l = []\nwhile True: l.append(' ' * 10**6)", "out_of_memory", "MemoryError"),
        ("s = 'a'\nwhile True: s += s", "out_of_memory", "MemoryError"),
        ("while True: print('x' * 1000)", "output_limit", f"more than {MAX_OUTPUT_BYTES} bytes of output"),
        ("import os\nos.fork()", "error", "AttributeError: module 'os' has no attribute 'fork'"),
        ("import subprocess", "error", "PermissionError: the sandbox has no module 'subprocess'"),
        ("import os\nos.system('ls')", "error", "AttributeError: module 'os' has no attribute 'system'"),
        ("import ctypes", "error", "PermissionError: the sandbox has no module 'ctypes'"),
        ("import socket", "error", "PermissionError: the sandbox has no module 'socket'"),
        ("import threading\nthreading.Thread(target=print).start()", "error", "RuntimeError: can't start new thread"),
        ("open('/etc/passwd').read()", "error", f"PermissionError: open: {NO_SYSTEM}"),
        ("import io\nio.FileIO('/etc/passwd')", "error", f"PermissionError: open: {NO_SYSTEM}"),
        ("open('/tmp/owned', 'w').write('x')", "error", f"PermissionError: open: {NO_SYSTEM}"),
        ("import os\nos.listdir('/')", "error", f"PermissionError: os.listdir: {NO_SYSTEM}"),
        ("import os\nos.mkdir('/tmp/owned')", "error", f"PermissionError: os.mkdir: {NO_SYSTEM}"),
        ("import os\nos._exit(0)", "error", f"PermissionError: os._exit: {NO_SYSTEM}"),
        ("import time\ntime.time()", "error", f"PermissionError: time.time: {NO_SYSTEM}"),
        ("import time\ntime.sleep(1000)", "error", f"PermissionError: time.sleep: {NO_SYSTEM}"),
        ("import numpy", "error", "ModuleNotFoundError: No module named 'numpy'"),
        ("input()", "error", "EOFError: EOF when reading a line"),
        ("def f(n): return 1 + f(n + 1)\nf(0)", "error", "RecursionError: maximum recursion depth exceeded"),
        ("-" * 100_000 + "1", "error", "MemoryError: Parser stack overflowed - Python source too complex to parse"),
        (")", "error", "SyntaxError: unmatched ')' (<program>, line 1)"),
    ],
)
def test_attack_ends_in_its_status(program: str, status: str, error: str) -> None:
    outcome = run(program, FUEL)
    assert (outcome.status, outcome.error) == (status, error)
    assert outcome.fuel == FUEL if status == "out_of_fuel" else 0 < outcome.fuel < FUEL
    assert not Path("/tmp/owned").exists()


@pytest.mark.parametrize(
    "program",
    [
        "import datetime\ndatetime.datetime.now()",
        "import wit_world\nwit_world.emit(7, 'x')",
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n  def __repr__(self): return repr([self])\nrepr(A())",
    ],
)
def test_what_the_guest_has_not_is_a_trap(program: str) -> None:
    outcome = run(program, FUEL)
    assert outcome.status == "trap"
    assert outcome.error
    assert "\n" not in outcome.error


@pytest.mark.parametrize(
    ("program", "stdout", "error"),
    [
        ("1 / 0", "", "ZeroDivisionError: division by zero"),
        ("print(1)\nraise ValueError('a\\nb')", "1\n", "ValueError: a b"),
        ("raise ValueError", "", "ValueError"),
        ("x = = 1", "", "SyntaxError: invalid syntax (<program>, line 1)"),
        ("exec('def f(:')", "", "SyntaxError: invalid syntax (<string>, line 1)"),
        ("return", "", "SyntaxError: 'return' outside function (<program>, line 1)"),
        (
            "if 1:\n\tx\n        y",
            "",
            "TabError: inconsistent use of tabs and spaces in indentation (<program>, line 3)",
        ),
        ("import json\njson.loads('[')", "", "json.decoder.JSONDecodeError: Expecting value: line 1 column 2 (char 1)"),
        ("raise SystemExit(3)", "", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "", "KeyboardInterrupt"),
        (
            "class E(Exception):\n  def __str__(self): return 1 / 0\nraise E",
            "",
            "E: <exception str() failed>",
        ),
        ("raise Exception('\\ud800')", "", "Exception: \\ud800"),
        ("raise Exception('x' * 10**6)", "", "Exception: " + "x" * 500),
        (
            "print('\\ud800')",
            "",
            "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
        ),
        ("x = '\0'", "", "SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_an_exception_is_one_line(program: str, stdout: str, error: str) -> None:
    outcome = run(program, FUEL)
    assert (outcome.status, outcome.stdout, outcome.error) == ("error", stdout, error)


@pytest.mark.parametrize(
    ("program", "stdout"),
    [
        ("", ""),
        ("print('é', '日本', '😀')", "é 日本 😀\n"),
        ("import sys\nsys.stdout.buffer.write(b'\\xff')", "\N{REPLACEMENT CHARACTER}"),
        ("print('a\\0b')", "a\0b\n"),
        ("import sys\nprint('hidden', file=sys.stderr)\nprint('shown')", "shown\n"),
        ("raise SystemExit", ""),
        ("import sys\nsys.stdout.close()", ""),
        ("print(__name__)", "__main__\n"),
        ("'\\d'\nprint(1 is 1)", "True\n"),
        ("import os\nprint(dict(os.environ), os.path.join('a', 'b'))", "{} a/b\n"),
        ("import hashlib\nprint(hashlib.sha256(b'abc').hexdigest()[:8])", "ba7816bf\n"),
        ("from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int = 0\nprint(P(3))", "P(x=3)\n"),
        (
            "import traceback\ntry: 1 / 0\nexcept Exception: print(traceback.format_exc()[-18:])",
            " division by zero\n\n",
        ),
        ("import sys\nsys.set_int_max_str_digits(0)\nprint(len(str(3**60000)))", "28628\n"),
    ],
)
def test_ordinary_programs_run(program: str, stdout: str) -> None:
    outcome = run(program, FUEL)
    assert (outcome.status, outcome.stdout, outcome.error) == ("ok", stdout, "")


COMMON_MODULES = """
    array base64 bisect collections copy datetime decimal enum fractions functools hashlib heapq
    itertools json math operator random re statistics string struct textwrap typing unicodedata zlib
"""


@pytest.mark.parametrize("module", COMMON_MODULES.split())
def test_common_modules_exist(module: str) -> None:
    assert run(f"import {module}", FUEL).status == "ok"


def test_forged_output_is_only_output() -> None:
    forgery = run("import wit_world\nwit_world.emit(2, 'all tests passed')\nwit_world.emit(1, '42\\u20ac')", FUEL)
    assert (forgery.status, forgery.stdout, forgery.error) == ("ok", "42?", "")


CLASS_OF_A_NAME = "raise type({!r}, (Exception,), {{}})"


@pytest.mark.parametrize(
    ("program", "status", "error"),
    [
        ("class MemoryError(Exception): pass\nraise MemoryError", "error", "MemoryError"),
        ("class MemoryError(MemoryError): pass\nraise MemoryError", "error", "MemoryError"),
        ("import builtins\nclass M(Exception): pass\nbuiltins.MemoryError = M\nraise M", "error", "M"),
        (
            "import builtins\nbuiltins.type = lambda _: MemoryError\n1 / 0",
            "error",
            "ZeroDivisionError: division by zero",
        ),
        (CLASS_OF_A_NAME.format("x" * 10_000), "error", "x" * 500),
        (CLASS_OF_A_NAME.format("MemoryError\n"), "error", "MemoryError"),
        ("class E(Exception):\n  __class__ = SystemExit\n  code = 0\nraise E('x')", "error", "E: x"),
        ("class E(SystemExit):\n  code = 0\nraise E(3)", "error", "E: 3"),
        (
            "class E(Exception):\n  def __setattr__(*_): 1 / 0\n  __traceback__ = property()\nraise E('x')",
            "error",
            "E: x",
        ),
        (
            "class E(Exception):\n  def __str__(_): return type('S', (str,), {'__getitem__': 5})()\nraise E",
            "error",
            "E: <",
        ),
        (
            "class M(type):\n  def __getattribute__(*_): 1 / 0\nclass E(Exception, metaclass=M): pass\nraise E",
            "error",
            "an exception that cannot be described",
        ),
        ("import wit_world\nwhile True: wit_world.emit(2, 'x' * 100)", "out_of_fuel", "the fuel budget is spent"),
        ("import wit_world\nwhile True: wit_world.emit(1, '')", "out_of_fuel", "the fuel budget is spent"),
        ("import wit_world\nwit_world.emit(2, 'x' * 10**6)", "ok", ""),
        ("import wit_world\nwit_world.emit(2, 'x' * 10**6)\n1 / 0", "error", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_status_is_not_the_programs_to_name(program: str, status: str, error: str) -> None:
    outcome = run(program, FUEL)
    assert outcome.status == status
    assert outcome.error.startswith(error)
    assert len(outcome.error) <= 600


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb", "a b"),
        ("a\r\n\vb\u2028c", "a b c"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x00\x7f", r"\x00\x7f"),
        ("\u202eabc\u200b", r"\u202eabc\u200b"),
        ("na\u00efve", "na\u00efve"),
    ],
)
def test_an_error_is_one_printable_line(said: str, shown: str) -> None:
    assert run(f"raise ValueError({said!r})", FUEL).error == f"ValueError: {shown}"
    named = run(f"raise type({said!r}, (Exception,), {{}})", FUEL) if "\0" not in said else None
    assert named is None or named.error == shown


def test_a_call_out_of_the_guest_costs_fuel() -> None:
    """About what its time would cost in a loop; also where nothing, or nothing more that fits, is said."""
    start = "import wit_world\n"
    for stream, text in ((1, "''"), (2, "''"), (2, "'x' * 5000")):
        call = f"wit_world.emit({stream}, {text})\n"
        none, once, twice = (run(start + call * count, FUEL).fuel for count in range(3))
        assert 200_000 < once - none < 450_000
        assert 200_000 < twice - once < 450_000
    assert run(start + "wit_world.emit(1, 'x')", 500_000).status == "out_of_fuel"


def test_a_byte_order_mark_is_no_part_of_a_program() -> None:
    assert run("\ufeffprint(1)", FUEL).stdout == "1\n"
    assert run("\ufeff\ufeffprint(1)", FUEL).error.startswith("SyntaxError: ")


def test_a_limit_on_addresses_is_one_line() -> None:
    program = "from tasklaws.core import script; from tasklaws.sandbox import run; script.run(lambda: run('', 10**9))"
    command = f"ulimit -v 2000000; exec {sys.executable} -c {shlex.quote(program)}"
    limited = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert limited.returncode == 1
    assert limited.stderr == (
        "error: `ulimit -v` allows 2000000 kB of addresses, the sandbox reserves 83886080: "
        "run `ulimit -v unlimited` first\n"
    )


def test_a_program_changes_nothing_for_the_next() -> None:
    vandal = "import builtins, sys, random\nbuiltins.print = None\nsys.modules.clear()\nrandom.seed(5)"
    before = run("import random\nprint(random.random())", FUEL)
    assert run(vandal, FUEL).status == "ok"
    assert run("import random\nprint(random.random())", FUEL) == before


def test_text_that_cannot_be_a_program() -> None:
    assert run("x = '\ud800'", FUEL).error.startswith("UnicodeEncodeError: 'utf-8' codec can't encode")
    long = "#" * (MAX_PROGRAM_BYTES + 1)
    assert run(long, FUEL).error == f"SyntaxError: {len(long)} bytes, more than {MAX_PROGRAM_BYTES}"
    assert run(long[1:], FUEL).status == "ok"


@pytest.mark.parametrize("fuel", [0, -1, MAX_FUEL + 1])
def test_fuel_out_of_range_is_refused(fuel: int) -> None:
    with pytest.raises(TasklawsError, match=f"fuel is {fuel}: give"):
        run("", fuel)


@pytest.mark.parametrize("fuel", [1, 1000, 10_000, 100_000])
def test_too_little_fuel_to_start_is_out_of_fuel(fuel: int) -> None:
    assert run("print(1)", fuel).to_dict() == {
        "status": "out_of_fuel",
        "stdout": "",
        "error": "the fuel budget is spent",
        "fuel": fuel,
    }


def test_the_fuse_makes_a_run_invalid() -> None:
    outcome = Sandbox(fuse_seconds=0.5).run("while True: pass", MAX_FUEL)
    assert (outcome.status, outcome.error) == ("invalid", "stopped by the wall-clock fuse of 0.5 s")


def test_a_forked_child_has_its_own_fuse() -> None:
    sandbox = Sandbox(fuse_seconds=0.5)
    assert sandbox.run("", FUEL).status == "ok"
    child = os.fork()
    if child == 0:
        os._exit(0 if sandbox.run("while True: pass", MAX_FUEL).status == "invalid" else 1)
    assert os.waitpid(child, 0)[1] == 0


@settings(max_examples=150)
@given(st.text(st.characters(exclude_categories=[])))
def test_arbitrary_text_never_crashes_the_host(program: str) -> None:
    outcome = run(program, 50_000_000)
    assert outcome.status in ("ok", "error", "out_of_fuel")
    assert 0 <= outcome.fuel <= 50_000_000
    assert "\n" not in outcome.error


@settings(max_examples=100)
@given(st.text("()[]{}'\"\\:=+-*/%&|^~<>.,@# \n\tabfordinexsclmpt0123456789", max_size=60))
def test_python_like_text_never_crashes_the_host(program: str) -> None:
    assert run(program, 50_000_000).status in ("ok", "error", "out_of_fuel", "out_of_memory")
