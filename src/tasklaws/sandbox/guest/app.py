"""The Python side of the guest: runs one program in a world without files, clock, network or processes.

Every WASI call of the guest is a stub that traps, so nothing here guards the host. It turns what would be a
trap into an exception that a program can catch and a person can read, and makes the same program do the same
each time.
"""

import builtins
import contextlib
import gc
import importlib
import importlib.machinery
import io
import os
import posix
import random
import sys
import time
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import wit_world

ENDED, RAISED, MEMORY_RAN_OUT = 0, 1, 2
MAX_MESSAGE = 500
NAMELESS = "an exception that cannot be described"
HARMLESS = {"fspath", "strerror", "putenv", "unsetenv", "register_at_fork"}
ABSENT = "the sandbox has no files, clock, network or processes"
CLOCKS = ("monotonic", "perf_counter", "process_time", "thread_time", "time")

# Only what is imported while the guest is built exists in it.
MODULES = """
    _pylong _strptime abc argparse array ast base64 binascii bisect calendar cmath codecs collections
    collections.abc colorsys contextlib contextvars copy copyreg csv dataclasses datetime decimal
    difflib enum errno fractions functools gc graphlib hashlib heapq hmac html html.entities html.parser
    inspect io itertools json keyword linecache locale math numbers operator os os.path pickle pprint
    queue random re reprlib secrets shlex stat statistics string string.templatelib struct sys textwrap
    threading time token tokenize traceback types typing unicodedata urllib urllib.parse uuid warnings
    weakref zlib zoneinfo encodings.ascii encodings.base64_codec encodings.cp1252 encodings.cp437
    encodings.hex_codec encodings.idna encodings.latin_1 encodings.punycode encodings.raw_unicode_escape
    encodings.rot_13 encodings.unicode_escape encodings.utf_16 encodings.utf_16_be encodings.utf_16_le
    encodings.utf_32 encodings.utf_8_sig
"""


class Output(io.RawIOBase):
    """Standard output: hands bytes to the host."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        wit_world.emit(1, str(data, "latin-1"))
        return len(data)


class Nothing(io.TextIOBase):
    """Standard error: a program may write there, nobody reads it."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


class Missing:
    """The last importer: says that a module is not there instead of asking the file system."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> NoReturn:
        root = name.partition(".")[0]
        if root in sys.stdlib_module_names and root not in sys.modules and not root.startswith("_"):
            raise PermissionError(f"the sandbox has no module {name!r}")
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def put(target: object, **values: object) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def denied(name: str) -> Callable[..., NoReturn]:
    def call(*args: object, **kwargs: object) -> NoReturn:
        raise PermissionError(f"{name}: {ABSENT}")

    call.__name__ = call.__qualname__ = name
    return call


def deny_opening(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook; it also catches the interpreter, which opens a program's file to quote a syntax error."""
    if event == "open":
        raise PermissionError(f"open: {ABSENT}")


def deny_system_calls() -> None:
    for name, value in list(vars(posix).items()):
        harmless = name in HARMLESS or name.startswith("_path")
        if isinstance(value, types.BuiltinFunctionType) and not harmless:
            replacement = denied(f"os.{name}")
            setattr(posix, name, replacement)
            if getattr(os, name, None) is value:
                setattr(os, name, replacement)
    for name in (*CLOCKS, *(f"{clock}_ns" for clock in CLOCKS), "sleep"):
        if hasattr(time, name):
            setattr(time, name, denied(f"time.{name}"))
    for module in (builtins, io, sys.modules["_io"]):
        put(module, open=denied("open"), open_code=denied("open_code"))


def fix_randomness() -> None:
    seed = random.Random.seed

    def seed_without_entropy(self: random.Random, a: Any = None, version: int = 2) -> None:
        seed(self, 0 if a is None else a, version)

    put(random.Random, seed=seed_without_entropy)
    stream = random.Random(0)
    for module in (posix, os):
        put(module, urandom=stream.randbytes)
    generator = random.Random(0)
    put(random, _urandom=stream.randbytes, _inst=generator)
    for name in dir(generator):
        if not name.startswith("_") and hasattr(random, name):
            setattr(random, name, getattr(generator, name))


def prepare() -> None:
    for name in MODULES.split():
        importlib.import_module(name)
    fix_randomness()
    deny_system_calls()
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, Missing]
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    sys.argv[:] = [""]
    sys.addaudithook(deny_opening)
    put(warnings, showwarning=lambda *args, **kwargs: None)
    # Collecting would touch, and so copy, every page of what is loaded here.
    gc.collect()
    gc.freeze()


def forget(error: BaseException) -> None:
    """Let go of the program's variables, and so of the memory needed now, without running code of the exception."""
    for name in ("__traceback__", "__context__", "__cause__"):
        vars(BaseException)[name].__set__(error, None)


def ending(error: BaseException) -> tuple[int, str]:
    """How the program ended: by the exception's own type, as its name is the program's to choose."""
    kind = type(error)
    if issubclass(kind, SystemExit):
        code = vars(SystemExit)["code"].__get__(error)
        if code is None or code == 0:
            return ENDED, ""
    # The parser's own stack limit is a MemoryError too, but one with a message.
    return MEMORY_RAN_OUT if kind is MemoryError and not error.args else RAISED, describe(error)


def describe(error: BaseException) -> str:
    """The last line of a traceback, the message's own lines joined and cut, as bytes in characters."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = " ".join(str(error)[:MAX_MESSAGE].split())
    except BaseException:
        message = "<exception str() failed>"
    line = f"{name[:MAX_MESSAGE]}: {message}" if message else name[:MAX_MESSAGE]
    return str.encode(line, "utf-8", "backslashreplace").decode("latin-1")


class WitWorld:
    """What the host calls."""

    def run(self, program: str) -> int:
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        status, line = ENDED, ""
        try:
            exec(compile(program, "<program>", "exec", dont_inherit=True), vars(main))
        except BaseException as error:
            builtins.__dict__.update(BUILTINS)
            forget(error)
            vars(main).clear()
            status, line = RAISED, NAMELESS
            with contextlib.suppress(BaseException):
                status, line = ending(error)
        with contextlib.suppress(ValueError):
            OUTPUT.flush()
        if line:
            wit_world.emit(2, line)
        return status


prepare()
BUILTINS = dict(vars(builtins))
OUTPUT = io.TextIOWrapper(io.BufferedWriter(Output()), encoding="utf-8")
ERRORS = Nothing()
INPUT = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
put(sys, stdout=OUTPUT, __stdout__=OUTPUT, stderr=ERRORS, __stderr__=ERRORS, stdin=INPUT, __stdin__=INPUT)
