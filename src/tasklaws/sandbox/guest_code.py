"""The guest file, and its machine code, compiled once and kept where only the user can write."""

import contextlib
import hashlib
import lzma
import os
import resource
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock
from wasmtime import Config, Engine, WasmtimeError, _ffi
from wasmtime.component import Component

from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import replacing
from tasklaws.core.sealed import is_private, is_sealed, private_directory, seal, state_directory

WASMTIME = version("wasmtime")
GUEST = Path(__file__).parent / "guest.wasm.xz"
GUEST_SHA256 = "f45c1115e3462cad28023e5a8c316373d26c48b3fa96b45279e8be467c08e5cb"
MAX_MEMORY_BYTES = 128 * 2**20
MAX_OUTPUT_BYTES = 64 * 2**10
EMIT_FUEL = 200_000  # of a call out of the guest: the time that it takes, as fuel of a loop
EMIT_FUEL_A_CHARACTER = 10
MAX_STACK_BYTES = 2 * 2**20  # the most wasmtime takes; Python's own limits mostly come first
MAX_GUESTS = 16  # at once in one engine; each reserves 4 GB of addresses
ADDRESS_BYTES = 80 * 2**30  # what these and the process around them take, nearly all of it never touched
RESIDENT_BYTES = 8 * 2**20  # of each guest's memory, copied over between programs; beyond, mapping anew costs less
INSTANCE_BYTES = 8 * 2**20  # wasmtime's own record of a guest
ENGINE_SETTINGS = f"fuel epoch canonical-nan stack={MAX_STACK_BYTES}"


def engine_id() -> str:
    """What an outcome depends on besides program and fuel: the guest, wasmtime's version, limits and prices."""
    limits = f"memory {MAX_MEMORY_BYTES} output {MAX_OUTPUT_BYTES} stack {MAX_STACK_BYTES} emit {EMIT_FUEL}"
    limits += f" {EMIT_FUEL_A_CHARACTER}"
    return f"guest {GUEST_SHA256} wasmtime {WASMTIME} {limits}"


def new_engine() -> Engine:
    """An engine with deterministic settings that counts fuel and can be interrupted.

    A limit on addresses that is too low for it, of which wasmtime would die, raises TasklawsError.
    """
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY and allowed < ADDRESS_BYTES:
        raise TasklawsError(
            f"`ulimit -v` allows {allowed // 1024} kB of addresses, the sandbox reserves {ADDRESS_BYTES // 1024}: "
            "run `ulimit -v unlimited` first"
        )
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


def precompiled(
    engine: Engine, source: bytes, directory: Path, unpack: Callable[[bytes], bytes] = lzma.decompress
) -> Component:
    """A component of `source`, its machine code kept in `directory` under the hash of source, wasmtime and settings.

    The machine code runs outside the sandbox: what is not the user's own file, closed to others and as it was when it
    was made (`sealed`), and what wasmtime refuses (another processor), is removed and compiled anew. Of processes that
    start together one compiles, and the others wait for it.
    """
    private_directory(directory, "XDG_CACHE_HOME")
    key = hashlib.sha256(f"{WASMTIME} {ENGINE_SETTINGS} ".encode() + source).hexdigest()
    path = directory / f"guest-{key[:32]}.cwasm"
    with FileLock(directory / "guest.lock"):
        if path.exists() and is_private(path.lstat()) and is_sealed(path):
            with contextlib.suppress(WasmtimeError):
                return Component.deserialize_file(engine, str(path))
        path.unlink(missing_ok=True)
        once = f"10 to 20 s, once for each key in {state_directory()}"
        print(f"compiling the sandbox guest into {directory} ({once})", file=sys.stderr)
        compiled = Component(engine, unpack(source))
        with replacing(path) as file:
            file.write(compiled.serialize())
        path.chmod(0o600)
        seal(path)
        return compiled
