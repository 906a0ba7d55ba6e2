"""The guest file, and its machine code, compiled once per machine and kept where only the user can write."""

import hashlib
import lzma
import os
import stat
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from wasmtime import Config, Engine, WasmtimeError, _ffi
from wasmtime.component import Component

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing

WASMTIME = version("wasmtime")
GUEST = Path(__file__).parent / "guest.wasm.xz"
GUEST_SHA256 = "689ec59fb973bd0e2cc8705c65180a30e640de06a52d12ffc18d4fdb622ef9cc"
MAX_MEMORY_BYTES = 128 * 2**20
MAX_OUTPUT_BYTES = 64 * 2**10
MAX_STACK_BYTES = 2 * 2**20  # the most wasmtime takes; Python's own limits mostly come first
MAX_GUESTS = 16  # at once in one engine; each reserves 4 GB of addresses
RESIDENT_BYTES = 8 * 2**20  # of each guest's memory, copied over between programs; beyond, mapping anew costs less
INSTANCE_BYTES = 8 * 2**20  # wasmtime's own record of a guest
ENGINE_SETTINGS = f"fuel epoch canonical-nan stack={MAX_STACK_BYTES}"


def engine_id() -> str:
    """What an outcome depends on besides program and fuel: the guest, wasmtime's version, the limits."""
    limits = f"memory {MAX_MEMORY_BYTES} output {MAX_OUTPUT_BYTES} stack {MAX_STACK_BYTES}"
    return f"guest {GUEST_SHA256} wasmtime {WASMTIME} {limits}"


def new_engine() -> Engine:
    """An engine with deterministic settings that counts fuel and can be interrupted."""
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.max_wasm_stack = MAX_STACK_BYTES
    # A guest's memory is wiped and used again, which costs less than mapping it anew each time. wasmtime's Python API
    # does not offer its pooling allocator, so this speaks to the C API below it. Its `pagemap_scan`, which wipes only
    # what was written, stays off: it forgets pages that were swapped out (wasmtime's pull request 14357).
    pool = _ffi.wasmtime_pooling_allocation_config_new()
    _ffi.wasmtime_pooling_allocation_config_total_memories_set(pool, MAX_GUESTS)
    _ffi.wasmtime_pooling_allocation_config_max_memory_size_set(pool, MAX_MEMORY_BYTES)
    _ffi.wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, RESIDENT_BYTES)
    _ffi.wasmtime_pooling_allocation_config_table_keep_resident_set(pool, RESIDENT_BYTES)
    _ffi.wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, INSTANCE_BYTES)
    _ffi.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    _ffi.wasmtime_pooling_allocation_config_delete(pool)
    return Engine(config)


def read_guest(path: Path = GUEST) -> bytes:
    """The packed guest; a missing file or one with another hash than `GUEST_SHA256` raises TasklawsError."""
    try:
        packed = path.read_bytes()
    except FileNotFoundError as error:
        raise TasklawsError(f"the sandbox guest {path} does not exist: install tasklaws again") from error
    found = hashlib.sha256(packed).hexdigest()
    if found != GUEST_SHA256:
        raise TasklawsError(
            f"the sandbox guest {path} has SHA-256 {found}, not {GUEST_SHA256}: install tasklaws again, "
            "or `git checkout` the file"
        )
    return packed


def cache_directory() -> Path:
    """$XDG_CACHE_HOME/tasklaws, else ~/.cache/tasklaws."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tasklaws"


def private_directory(directory: Path) -> None:
    """Make `directory` with mode 0700; one that others own or can write to raises TasklawsError.

    What is kept there is run as native code outside the sandbox, so whoever can write it owns the process.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TasklawsError(
            f"{directory}: {error.strerror}: set XDG_CACHE_HOME to a directory that you can write"
        ) from error
    status = directory.lstat()
    own = stat.S_ISDIR(status.st_mode)
    if not own or status.st_uid != os.getuid():
        reason = f"belongs to user {status.st_uid}" if own else "is not a directory of its own"
        raise TasklawsError(f"{directory} {reason}: set XDG_CACHE_HOME to another")
    if status.st_mode & 0o022:
        raise TasklawsError(
            f"{directory} has mode {status.st_mode & 0o777:o}, others can write: `chmod 700 {directory}`"
        )


def precompiled(
    engine: Engine, source: bytes, directory: Path, unpack: Callable[[bytes], bytes] = lzma.decompress
) -> Component:
    """A component of `source`, its machine code kept in `directory` under the hash of source, wasmtime and settings.

    Two processes that start together both compile, and one replaces the other's equal file. Machine code that
    wasmtime refuses (another processor, a damaged file) is compiled anew.
    """
    private_directory(directory)
    key = hashlib.sha256(f"{WASMTIME} {ENGINE_SETTINGS} ".encode() + source).hexdigest()
    path = directory / f"guest-{key[:32]}.cwasm"
    if path.exists():
        try:
            return Component.deserialize_file(engine, str(path))
        except WasmtimeError:
            path.unlink(missing_ok=True)
    print(f"compiling the sandbox guest into {directory} (once per machine, 10 to 20 s)", file=sys.stderr)
    compiled = Component(engine, unpack(source))
    with replacing(path) as file:
        file.write(compiled.serialize())
    return compiled
