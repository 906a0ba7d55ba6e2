"""One program, one fresh guest."""

import functools
import math
import os
import threading
import weakref
from pathlib import Path
from typing import NoReturn

from wasmtime import Engine, Store, WasmtimeError
from wasmtime.component import Linker

from tasklaws.core.errors import TasklawsError, printable
from tasklaws.sandbox.guest_code import (
    EMIT_FUEL,
    EMIT_FUEL_A_CHARACTER,
    GUEST,
    MAX_GUESTS,
    MAX_MEMORY_BYTES,
    MAX_OUTPUT_BYTES,
    cache_directory,
    new_engine,
    precompiled,
    read_guest,
)
from tasklaws.sandbox.outcome import Outcome, Status

FUSE_SECONDS = 120.0  # 1e9 fuel takes 0.1 to 0.3 s, so this fires only when the machine stands still
TICK_SECONDS = 0.25
MAX_FUEL = 2**62
BYTE_ORDER_MARK = "\N{BYTE ORDER MARK}"  # which CPython takes at the start of a file, though not of a string
MAX_PROGRAM_BYTES = 2**20
OUTPUT, ERROR = 1, 2  # the streams
STREAM_LIMITS = {OUTPUT: MAX_OUTPUT_BYTES, ERROR: 4096}
OUT_OF_FUEL: tuple[Status, str] = ("out_of_fuel", "the fuel budget is spent")
ENDINGS: dict[int, Status] = {0: "ok", 1: "error", 2: "out_of_memory"}


class Streams(threading.local):
    """What the program running in this thread has sent so far; more output than its stream takes stops it."""

    def start(self, store: Store) -> None:
        self.store = store
        self.sent = {stream: bytearray() for stream in STREAM_LIMITS}
        self.stopped: tuple[Status, str] | None = None

    def emit(self, _: object, stream: int, text: str) -> None:
        """The guest's only way out: bytes as one character each, of which a program can make anything."""
        if stream not in self.sent:
            raise WasmtimeError(f"no stream {stream}")
        left = self.store.get_fuel() - EMIT_FUEL - EMIT_FUEL_A_CHARACTER * len(text)
        self.store.set_fuel(max(left, 0))
        if left < 0:
            self._stop(OUT_OF_FUEL)
        sent, limit = self.sent[stream], STREAM_LIMITS[stream]
        if stream == ERROR:  # of which the guest's own line is the last
            sent.clear()
        fitting = text[: limit - len(sent)]
        sent += fitting.encode("latin-1", "replace")
        if stream == OUTPUT and fitting != text:
            self._stop(("output_limit", f"more than {MAX_OUTPUT_BYTES} bytes of output"))

    def _stop(self, ending: tuple[Status, str]) -> NoReturn:
        self.stopped = ending
        raise WasmtimeError(ending[1])

    def text(self, stream: int) -> str:
        return self.sent[stream].decode("utf-8", "replace")


class Sandbox:
    """Compiled guest that judges any number of programs, each in a fresh instance; threads may share it."""

    def __init__(self, guest: Path = GUEST, cache: Path | None = None, fuse_seconds: float = FUSE_SECONDS) -> None:
        """Load the guest; a wrong hash, or a cache that others can write to, raises TasklawsError."""
        self._fuse_ticks = math.ceil(fuse_seconds / TICK_SECONDS) + 1
        self._fuse_error = f"stopped by the wall-clock fuse of {fuse_seconds:g} s"
        self._engine = new_engine()
        kept = cache or cache_directory()
        self._component = precompiled(self._engine, read_guest(guest), kept)
        self._streams = Streams()
        self._linker = Linker(self._engine)
        with self._linker.root() as root:
            root.add_func("emit", self._streams.emit)
        self._places = threading.BoundedSemaphore(MAX_GUESTS)
        self._clock_process = 0

    def run(self, program: str, fuel: int) -> Outcome:
        """Run `program` with at most `fuel` instructions; whatever it does is an Outcome, never an exception.

        A fuel outside 1..MAX_FUEL raises TasklawsError.
        """
        if not 0 < fuel <= MAX_FUEL:
            raise TasklawsError(f"fuel is {fuel}: give a whole number from 1 to {MAX_FUEL}")
        try:
            size = len(program.encode())
        except UnicodeEncodeError as surrogate:
            return Outcome("error", "", f"UnicodeEncodeError: {surrogate}", 0)
        if size > MAX_PROGRAM_BYTES:
            return Outcome("error", "", f"SyntaxError: {size} bytes, more than {MAX_PROGRAM_BYTES}", 0)
        self._start_clock()
        with self._places, Store(self._engine) as store:
            self._streams.start(store)
            store.set_limits(memory_size=MAX_MEMORY_BYTES)
            store.set_epoch_deadline(self._fuse_ticks)
            store.set_fuel(fuel)
            try:
                instance = self._linker.instantiate(store, self._component)
                ending = instance.get_func(store, "run")(store, program.removeprefix(BYTE_ORDER_MARK))
                forged: tuple[Status, str] = ("trap", f"the guest returned {ending}")
                status, line = (ENDINGS[ending], self._streams.text(ERROR)) if ending in ENDINGS else forged
            except WasmtimeError as error:
                status, line = self._streams.stopped or self._stopped(str(error))
            line = "" if status == "ok" else printable(" ".join(line.split()))
            return Outcome(status, self._streams.text(OUTPUT), line, fuel - store.get_fuel())

    def _stopped(self, message: str) -> tuple[Status, str]:
        """Tell apart what stopped the guest; wasmtime's Python API gives it as text only."""
        cause = message.rpartition("Caused by:")[2].strip()
        if "all fuel consumed" in cause:
            return OUT_OF_FUEL
        if cause == "wasm trap: interrupt":
            return "invalid", self._fuse_error
        return "trap", cause

    def _start_clock(self) -> None:
        """Tick the engine's epoch from a thread, which a forked child has to start again."""
        if self._clock_process == os.getpid():
            return
        self._clock_process = os.getpid()
        stopped = threading.Event()
        weakref.finalize(self, stopped.set)
        threading.Thread(target=_tick, args=(self._engine, stopped), daemon=True).start()


def _tick(engine: Engine, stopped: threading.Event) -> None:
    while not stopped.wait(TICK_SECONDS):
        engine.increment_epoch()


@functools.cache
def shared() -> Sandbox:
    """The process's sandbox, loaded on first use."""
    return Sandbox()


def run(program: str, fuel: int) -> Outcome:
    """Run one program in the process's sandbox."""
    return shared().run(program, fuel)
