"""Where every cell of a ladder stands: done, running, waiting, failed or missing."""

import hashlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from tasklaws.cells.cell import TRAIN, Cell, Reader
from tasklaws.cells.here import Here
from tasklaws.cells.resources import refuse_resources
from tasklaws.cells.store import Store
from tasklaws.cells.work import failures, last_line, log_name
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json
from tasklaws.core.settings import Settings
from tasklaws.provenance.planned import planned_with

STATES = ("done", "running", "waiting", "failed", "missing")
MOST_FAILURES = 3
SUBMITTING = "submit"  # the lock of whoever submits, and of whoever runs cells on this machine
_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")


class Queued(NamedTuple):
    """A job of Slurm's queue: its id, whether it runs, and why not."""

    job: str
    runs: bool
    why: str


class EarlyDeath(NamedTuple):
    """A job of Slurm's that ended by itself before its cell began: of which submission, why, and what it wrote to."""

    submission: str
    reason: str
    log: Path


@dataclass(frozen=True)
class CellState:
    """Where a cell stands, why, its job in the queue, how often it failed, and the file that its stage wrote to."""

    name: str
    state: str
    reason: str
    job: str
    failed: int
    log: str


@dataclass(frozen=True)
class States:
    """Where the cells of a ladder stand, and what of the store is damaged."""

    ladder: str
    store: str
    cells: tuple[CellState, ...]
    damaged: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """All of it, with the number of cells in each state."""
        return asdict(self) | {"counts": self.counts}

    @property
    def counts(self) -> dict[str, int]:
        """How many cells are in each state."""
        count = Counter(cell.state for cell in self.cells)
        return {state: count[state] for state in STATES}

    def summary(self) -> str:
        """A line a cell, then how many are in each state."""
        rows = [[cell.name, cell.state, cell.job, cell.reason, cell.log] for cell in self.cells]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([*map(str.ljust, row, widths), *row[3:]]).rstrip() for row in rows]
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        return "\n".join([*lines, "", f"{self.ladder}: {len(rows)} cells, {counts}", *self.damaged])


class Survey:
    """The cells of a ladder, its store, and what is known of both; nothing is changed.

    Settings without a store, and data that `dvc repro` has not made for this ladder, raise TasklawsError.
    """

    def __init__(self, settings: Settings, text: str, root: Path) -> None:
        if not settings.execution.store:
            raise TasklawsError("execution.store is empty: name a folder that all machines see, in conf/execution")
        refuse_resources(settings)
        self.settings, self.root = settings, root.absolute()
        self.store = Store(self.root / Path(settings.execution.store).expanduser())
        self.stages = planned_with(root / "dvc.yaml", text)
        self.here = Here(self.stages, settings.raw, self.root)
        kinds = [f"{kind}@{rung}" for rung in settings.models.rungs for kind in ("model", "respond")]
        models = {output for name in kinds for output in self.stages[name].outputs}
        inputs = sorted({path for name in kinds for path in self.stages[name].inputs} - models)
        if unmade := self.here.unmade(inputs):
            compose = f"tasklaws compose models={settings.models.name} && dvc repro {' '.join(unmade)}"
            raise TasklawsError(f"what {', '.join(unmade)} makes is not here for these settings: run `{compose}` first")
        self.cells = Reader(self.stages, settings, self.root).cells()
        self.by_id = {cell.id: cell for cell in self.cells}

    def refresh(self) -> None:
        """Forget what was seen in the store."""
        self.store.damaged.clear()
        for name in ("entries", "early_deaths"):
            self.__dict__.pop(name, None)

    def key(self, cell: Cell) -> str | None:
        """The key of a cell; None while the model that it asks is nowhere."""
        if not cell.model:
            return cell.key()
        made = self.by_id[cell.made_by]
        if (entry := self.entries.get(made.id)) is not None:
            return cell.key(entry.digest(cell.model))
        if self.here.is_current(made.name):
            return cell.key(Reader(self.stages, self.settings, self.root).digest(cell.model))
        return None

    @cached_property
    def entries(self) -> Mapping[str, Any]:
        """The models that the store has, by the ids of their cells."""
        found = {cell.id: self.store.find(cell.key()) for cell in self.cells if cell.stage == TRAIN}
        return {name: entry for name, entry in found.items() if entry is not None}

    def is_done(self, cell: Cell) -> bool:
        """Whether the outputs of a cell are in the store, or were made here."""
        if cell.stage == TRAIN:
            return cell.id in self.entries or self.here.is_current(cell.name)
        keys = {self.key(each) for each in (cell, cell.whole)} - {None}
        return any(self.store.find(key or "") for key in keys) or self.here.is_current(cell.of)

    def states(self, submitting: bool = False) -> States:
        """Where every cell stands; `submitting`: this process holds the lock, and nobody else runs cells here."""
        records = submissions_in(self.store)
        done = {cell.id for cell in self.cells if self.is_done(cell)}
        is_sent = any(one["engine"] == "slurm" for one in records.values())
        is_here = self.settings.execution.engine == "slurm" or shutil.which("squeue") is not None
        queue = read_queue(records) if is_sent and is_here and len(done) < len(self.cells) else {}
        busy = not submitting and self.store.is_held(SUBMITTING)
        latest = next(reversed(records), "")
        jobs = records[latest]["jobs"].values() if busy and latest else ()
        sent = {each for array in jobs for ids in array for each in ids}
        found = [
            CellState(cell.name, "done", "", "", len(failures(self.store, cell)), self._log(cell))
            if cell.id in done
            else self._state(cell, queue.get(cell.id), latest if cell.id in sent else "")
            for cell in self.cells
        ]
        damaged = tuple(dict.fromkeys(self.store.damaged))
        return States(self.settings.models.name, str(self.store.root), tuple(found), damaged)

    @cached_property
    def early_deaths(self) -> Mapping[str, EarlyDeath]:
        """By the ids of cells that are not done: how the job of the latest submission that has the cell ended, if it
        ended by itself, and if that is not recorded among the cell's failures."""
        latest: dict[str, tuple[str, str]] = {}
        for submission, record in submissions_in(self.store).items():
            for name, jobs in record.get("ids", {}).items():
                latest |= {
                    cell: (submission, job)
                    for cells, job in zip(record["jobs"][name], jobs, strict=True)
                    for cell in cells
                }
        found = {}
        for cell in self.cells:
            submission, job = latest.get(cell.id, ("", ""))
            log = self.store.root / "submissions" / submission / "jobs" / f"{job}_0_log.err"
            said = last_line(log) if job and not self._log(cell) else ""
            known = any(one["submission"] == submission for one in failures(self.store, cell))
            if said and "CANCELLED" not in said and not known and not self.is_done(cell):
                found[cell.id] = EarlyDeath(submission, f"its job ended before it began: {said}", log)
        return found

    def _log(self, cell: Cell) -> str:
        path = self.store.root / "logs" / log_name(cell)
        return str(path) if path.is_file() else ""

    def _state(self, cell: Cell, queued: Queued | None, sent: str) -> CellState:
        """Of a cell that is not done."""
        failed, log, death = failures(self.store, cell), self._log(cell), self.early_deaths.get(cell.id)
        job, reason, count = queued.job if queued else "", "", len(failed)
        if self.store.is_held(cell.id) or (queued and queued.runs):
            state = "running"
        elif queued or (sent and not any(one["submission"] == sent for one in failed)):
            state, reason = "waiting", queued.why if queued else ""
        elif failed or death:
            state, reason = "failed", death.reason if death else failed[-1]["reason"]
            if death:
                count, log = count + 1, str(death.log)
            if count >= MOST_FAILURES:
                remedy = f"mend it, then remove {self.store.root / 'failures' / cell.id}"
                reason = f"failed {count} times, and is not sent again: {reason}: {remedy}"
        else:
            state, reason = "missing", self._why_missing(cell, log)
        return CellState(cell.name, state, reason, job, count, log)

    def _why_missing(self, cell: Cell, log: str) -> str:
        made = self.by_id.get(cell.made_by)
        if made is not None and not self.is_done(made):
            return f"{made.name} is not there"
        if (key := self.key(cell)) and (self.store.root / "entries" / key).is_dir():
            return "what the store has of it is damaged"
        if log:
            said = last_line(Path(log))
            return "ended without a result (cancelled, killed, or out of time)" + (f": {said}" if said else "")
        return "never ran"


def job_name(store: Store, submission: str, number: int) -> str:
    """The name under which Slurm has an array: no two arrays share it, in this store or another."""
    return f"tasklaws-{hashlib.sha256(str(store.root).encode()).hexdigest()[:8]}-{submission}-{number}"


def submissions_in(store: Store) -> dict[str, Any]:
    """What was submitted, the latest last: the engine, and the ids of each job's cells by the name of its array."""
    paths = sorted((store.root / "submissions").glob("*/record.json"), key=lambda path: int(path.parent.name))
    return {path.parent.name: read_json(path) for path in paths}


def read_queue(records: Mapping[str, Any]) -> dict[str, Queued]:
    """Slurm's queue, by the ids of cells; a Slurm that does not answer raises TasklawsError.

    The names of arrays, which are recorded before they are sent, find jobs whose submitter was killed.
    """
    arrays = {name: jobs for one in records.values() if one["engine"] == "slurm" for name, jobs in one["jobs"].items()}
    if shutil.which("squeue") is None:
        raise TasklawsError("squeue is not found: run this where Slurm is, or set execution.engine to local")
    words = ["squeue", "--noheader", "--array", f"--name={','.join(arrays)}", "--format=%j|%K|%i|%T|%r"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TasklawsError(f"Slurm does not answer ({done.stderr.strip()[:300]}): try again")
    found = dict[str, Queued]()
    for line in done.stdout.splitlines():
        name, index, job, state, why = line.strip().split("|", 4)
        if name in arrays:
            runs = state not in _WAITING
            one = Queued(job, runs, "" if runs or why in ("None", "Priority", "Resources") else why)
            found |= dict.fromkeys(arrays[name][int(index) if index.isdigit() else 0], one)
    return found
