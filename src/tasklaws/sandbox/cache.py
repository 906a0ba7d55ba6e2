"""A store of outcomes on disk, so that equal programs run once, within a process and across processes."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from tasklaws.core.errors import TasklawsError
from tasklaws.core.sealed import seal_of
from tasklaws.sandbox.guest_code import engine_id
from tasklaws.sandbox.outcome import Outcome
from tasklaws.sandbox.runner import run

NAME = "outcomes.sqlite"
SCHEMA = "CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, outcome TEXT, seal TEXT) WITHOUT ROWID"
# What the disk or another process does; any other error is that of a file that is no store of ours.
REFUSALS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
REFUSALS |= {sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_PROGRAMS_A_COMMIT = 64  # programs between two commits: what a kill can cost
_STORE_SECONDS = 60.0

Found = TypeVar("Found")


class OutcomeCache:
    """Outcomes kept in `directory`, which can be deleted at any time at the cost of running again.

    Each is sealed with the user's key: a row that was changed, or written by somebody else, is not believed.
    """

    def __init__(self, directory: Path, workers: int | None = None) -> None:
        """`workers` threads, by default one a core, run what is not known yet."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / NAME
        self._workers = workers or os.cpu_count() or 1

    def of(self, programs: list[tuple[str, int]]) -> list[Outcome]:
        """The outcome of each (program, fuel), in order; equal ones run once, `invalid` is not remembered."""
        keys = [_key(program, fuel) for program, fuel in programs]
        unique = dict(zip(keys, programs, strict=True))
        outcomes = self._attempt(partial(_remembered, set(keys)))
        missing = [key for key in unique if key not in outcomes]
        pool = ThreadPoolExecutor(self._workers)
        try:
            running = {pool.submit(run, *unique[key]): key for key in missing}
            found: dict[str, Outcome] = {}
            for number, done in enumerate(as_completed(running), 1):
                found[running[done]] = done.result()
                if number % _PROGRAMS_A_COMMIT == 0 or number == len(missing):
                    self._attempt(partial(_remember, found))
                    outcomes |= found
                    found = {}
        finally:
            pool.shutdown(cancel_futures=True)
        return [outcomes[key] for key in keys]

    def _attempt(self, action: Callable[[sqlite3.Connection], Found], again: bool = True) -> Found:
        """Do `action` in one transaction; a damaged file is removed, being a cache, and made anew."""
        try:
            with closing(sqlite3.connect(self._path, timeout=_STORE_SECONDS)) as store, store:
                store.text_factory = bytes  # whatever a changed row holds
                store.execute(SCHEMA)
                return action(store)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in REFUSALS or not again:
                remedy = "free some space, or see who holds it, then run it again"
                raise TasklawsError(f"{self._path}: {error}: {remedy}") from error
        for path in (self._path, Path(f"{self._path}-journal")):
            path.unlink(missing_ok=True)
        return self._attempt(action, again=False)


def _key(program: str, fuel: int) -> str:
    """Hash of all that an outcome depends on."""
    return hashlib.sha256(f"{engine_id()}\n{fuel}\n{program}".encode("utf-8", "surrogatepass")).hexdigest()


def _remembered(keys: set[str], store: sqlite3.Connection) -> dict[str, Outcome]:
    """The outcomes remembered for `keys`; a row without its seal counts as forgotten."""
    outcomes = {}
    for wanted in keys:
        text, seal = store.execute("SELECT outcome, seal FROM outcomes WHERE key = ?", (wanted,)).fetchone() or ("", "")
        if isinstance(text, bytes) and seal == seal_of(wanted, text).encode():
            outcomes[wanted] = Outcome(**json.loads(text))
    return outcomes


def _remember(outcomes: dict[str, Outcome], store: sqlite3.Connection) -> None:
    valid = {name: outcome for name, outcome in outcomes.items() if outcome.status != "invalid"}
    texts = {name: json.dumps(outcome.to_dict(), sort_keys=True) for name, outcome in valid.items()}
    rows = [(name, text, seal_of(name, text.encode())) for name, text in texts.items()]
    store.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", rows)
