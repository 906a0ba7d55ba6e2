"""A guest's memory is used again for the next program: after each, it has to be the same to the byte as at first."""

import contextlib
import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
from wasmtime import Store, WasmtimeError

from tasklaws.sandbox import Sandbox
from tasklaws.sandbox.guest_code import MAX_MEMORY_BYTES

MARK = b"left behind " * 5
FILL = f"x = [bytes([n % 251 + 1]) * 1000 for n in range(60_000)]\nwhile True: x.append({MARK!r} * 1000)"
VANDAL = f"import builtins, sys\nx = {MARK!r} * 100\nbuiltins.print = None\nsys.modules.clear()"
GROW = "x = bytearray(90_000_000)"


def guest_memory() -> bytes:
    """What the one guest of this process that lives now can reach; its image is mapped from the machine code's file."""
    start = end = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, *_, name = line.split()
        low, high = (int(address, 16) for address in addresses.split("-"))
        if rights == "rw-p" and name.endswith(".cwasm") and high - low > MAX_MEMORY_BYTES // 16:
            start, end = low, high
        elif rights == "rw-p" and low == end:
            end = high
    assert start
    return ctypes.string_at(start, end - start)


def before_and_after(sandbox: Sandbox, program: str) -> tuple[bytes, bytes]:
    """A guest's memory before and after `program`."""
    with Store(sandbox._engine) as store:
        sandbox._streams.start(store)
        store.set_limits(memory_size=MAX_MEMORY_BYTES)
        store.set_epoch_deadline(10**6)
        store.set_fuel(10**9)
        run = sandbox._linker.instantiate(store, sandbox._component).get_func(store, "run")
        before = guest_memory()
        with contextlib.suppress(WasmtimeError):  # out of fuel
            run(store, program)
        return before, guest_memory()


def check() -> None:
    sandbox = Sandbox()
    fresh, _ = before_and_after(sandbox, "")
    for program in (VANDAL, GROW, FILL, GROW, FILL, VANDAL, GROW):
        before, after = before_and_after(sandbox, program)
        assert before == fresh
        assert after[: len(fresh)] != fresh
        assert (MARK in after) == (program != GROW)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_a_guest_finds_nothing_that_another_left() -> None:
    alone = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stderr) == (0, "")


if __name__ == "__main__":
    check()
