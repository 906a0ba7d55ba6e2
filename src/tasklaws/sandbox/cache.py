"""A store of verdicts on disk, so that equal programs run once, within a process and across processes."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from tasklaws.core.errors import TasklawsError
from tasklaws.sandbox.guest_code import engine_id
from tasklaws.sandbox.outcome import Verdict
from tasklaws.sandbox.runner import run

NAME = "verdicts.sqlite"
SCHEMA = "CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT, sha256 TEXT) WITHOUT ROWID"
BATCH = 64  # programs between two commits: what a kill can cost
LOCK_SECONDS = 60.0

Result = TypeVar("Result")


class Verdicts:
    """Verdicts kept in `directory`, which can be deleted at any time at the cost of running again."""

    def __init__(self, directory: Path, workers: int | None = None) -> None:
        """`workers` threads, by default one a core, run what is not known yet."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / NAME
        self._workers = workers or os.cpu_count() or 1

    def judge(self, programs: list[tuple[str, int]]) -> list[Verdict]:
        """The verdict on each (program, fuel), in order; equal ones run once, `invalid` is not remembered."""
        keys = [key(program, fuel) for program, fuel in programs]
        unique = dict(zip(keys, programs, strict=True))
        verdicts = self._attempt(partial(known, set(keys)))
        missing = [key for key in unique if key not in verdicts]
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(missing), BATCH):
                batch = missing[start : start + BATCH]
                found = dict(zip(batch, pool.map(lambda key: run(*unique[key]), batch), strict=True))
                verdicts |= found
                self._attempt(partial(remember, found))
        return [verdicts[key] for key in keys]

    def _attempt(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do `action` in one transaction; a damaged file is removed, being a cache, and made anew."""
        try:
            return self._transact(action)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._unusable(error) from error
        for path in (self._path, Path(f"{self._path}-journal")):
            path.unlink(missing_ok=True)
        try:
            return self._transact(action)
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.DatabaseError) -> TasklawsError:
        return TasklawsError(f"{self._path}: {error}: free some space, or see who holds it, then run it again")

    def _transact(self, action: Callable[[sqlite3.Connection], Result]) -> Result:
        with closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS)) as store, store:
            store.execute(SCHEMA)
            return action(store)


def key(program: str, fuel: int) -> str:
    """Hash of all that a verdict depends on."""
    text = f"{engine_id()}\n{fuel}\n{program}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def known(keys: set[str], store: sqlite3.Connection) -> dict[str, Verdict]:
    """The verdicts remembered for `keys`; a row that does not match its own hash counts as forgotten."""
    verdicts = {}
    for wanted in keys:
        row = store.execute("SELECT verdict, sha256 FROM verdicts WHERE key = ?", (wanted,)).fetchone()
        if row is not None and checksum(wanted, row[0]) == row[1]:
            verdicts[wanted] = Verdict.from_dict(json.loads(row[0]))
    return verdicts


def remember(verdicts: dict[str, Verdict], store: sqlite3.Connection) -> None:
    rows = [
        (name, text, checksum(name, text))
        for name, verdict in verdicts.items()
        if verdict.status != "invalid"
        for text in [json.dumps(verdict.to_dict(), sort_keys=True)]
    ]
    store.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", rows)


def checksum(name: str, text: str) -> str:
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()
