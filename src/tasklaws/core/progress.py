"""How far long work has come: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0  # seconds: shorter work says nothing
PAUSE = 10.0  # seconds between two plain lines
BAR = 30  # characters


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function to call after each of `total` steps; it says on stderr how many are done and the time left.

    Nothing is said in the first two seconds, nor of a single step. The time left takes the steps to come to be as long
    as those done.
    """
    start = time.monotonic()
    said, done, terminal = start + PATIENCE - PAUSE, 0, sys.stderr.isatty()

    def advance() -> None:
        nonlocal said, done
        done += 1
        now = time.monotonic()
        if total < 2 or now - start < PATIENCE or (not terminal and now - said < PAUSE):
            return
        said = now
        left = _clock((now - start) * (total - done) / done)
        if terminal:
            full = BAR * done // total
            line = f"\r{what} [{'#' * full}{'-' * (BAR - full)}] {done}/{total}, {left} left\033[K"
            print(line, end="", file=sys.stderr, flush=True)
        else:
            print(f"{what}: {done} of {total}, {left} left", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        if terminal and said > start:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    """75 -> `1:15`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
