"""What a job does: each of its cells in turn, by the stage's own command in a folder that holds its inputs alone."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tasklaws.cells.cell import Cell, cell_sha256
from tasklaws.cells.store import Store, StoredOutputs
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import read_json, write_json, write_text
from tasklaws.core.lock import STAGE
from tasklaws.provenance.dotted import value_at

_BEGUN = "-- the cell begins"  # in its log
_DEATH = 1  # PR_SET_PDEATHSIG of Linux's prctl
_ENDED_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
_SERVER_PAUSE = 0.5  # seconds between two tries to reach it


class CellFailed(TasklawsError):
    """A cell whose stage failed; that is recorded."""


@dataclass
class Submission:
    """Cells that one process runs one after the other: of a model that is asked through a server it starts, both.

    `inputs` is the folder that holds what they read, `root` the repository from which they were submitted, `params` the
    settings as plain data, `server` a command.
    """

    store: Path
    inputs: Path
    root: Path
    submission: str
    cells: tuple[Cell, ...]
    made_by: tuple[Cell, ...]
    params: Mapping[str, Any]
    cpus: int
    server: str = ""

    def __call__(self) -> None:
        store = Store(self.store)
        left = [cell for cell in self.cells if not self._is_done(store, cell)]
        if not left:
            return
        if not self.server:
            return self._run_all(store)
        log_file = store.root / "logs" / f"server-{log_name(left[0])}"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        address = value_at(self.params, f"models.rungs.{left[0].rung}.source.model_args.base_url")
        try:
            with log_file.open("a", encoding="utf-8") as log, served(self.server, str(address or ""), log, self.root):
                self._run_all(store)
        except CellFailed:
            raise
        except (TasklawsError, OSError) as error:
            raise _failed(store, left[0], self.submission, error) from error

    def checkpoint(self) -> Any:
        """What submitit puts into the queue when the time is over or the node is wanted: the same again.

        What the stage keeps of its work lies on the shared path, and it goes on there.
        """
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _run_all(self, store: Store) -> None:
        for cell in self.cells:
            with store.alone(cell.id):  # whoever waits finds it done
                self._run(store, cell)

    def _model(self, store: Store, cell: Cell) -> StoredOutputs | None:
        return next((store.find(one.key()) for one in self.made_by if one.id == cell.made_by), None)

    def _is_done(self, store: Store, cell: Cell) -> bool:
        model = self._model(store, cell)
        if cell.model and model is None:
            return False
        return store.find(cell.key(model.digest(cell.model) if model else "")) is not None

    def _run(self, store: Store, cell: Cell) -> None:
        if self._is_done(store, cell):
            return
        model = self._model(store, cell)
        if cell.model and model is None:
            raise TasklawsError(f"{cell.name}: its model is not in the store: `tasklaws cells` says why")
        key = cell.key(model.digest(cell.model) if model else "")
        try:
            tree = self._tree(store, cell, model.folder / cell.model if model else None)
            with (store.root / "logs" / log_name(cell)).open("a", encoding="utf-8") as log:
                print(_BEGUN, file=log, flush=True)
                _stage(cell, tree, log)
            store.put(cell, key, tree)
        except (TasklawsError, OSError) as error:
            raise _failed(store, cell, self.submission, error) from error
        shutil.rmtree(store.root / "work" / cell.id)
        shutil.rmtree(store.root / "failures" / cell.id, ignore_errors=True)

    def _tree(self, store: Store, cell: Cell, model: Path | None) -> Path:
        """The folder in which the stage runs: links to its inputs and its model, and the settings of this machine."""
        for path, wanted in cell.inputs.items():
            if cell_sha256(self.inputs / path) != wanted:
                raise TasklawsError(
                    f"{self.inputs / path} is not as it was submitted: remove {self.inputs}, submit anew"
                )
        places = [Path(place) for place in cell.sources if not Path(place).expanduser().is_absolute()]
        above = max((place.parts.count("..") for place in places), default=0)
        tree = store.root.joinpath("work", cell.id, *["in"] * above, "tree")
        links = {tree / path: self.inputs / path for path in cell.inputs}
        links |= {Path(os.path.normpath(tree / place)): self.root / place for place in places}
        links |= {tree / cell.model: model} if model else {}
        for link, target in links.items():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.normpath(target))
        (store.root / "logs").mkdir(exist_ok=True)
        settings = dict(self.params)
        settings["execution"] = {**settings["execution"], "workers": self.cpus, "store": ""}
        write_text(tree / "params.yaml", yaml.safe_dump(settings, sort_keys=False))
        return tree


def log_name(cell: Cell) -> str:
    """The file below logs/ to which a cell's stage writes."""
    return f"{cell.name}-{cell.id[:12]}.log"


def _failed(store: Store, cell: Cell, submission: str, error: Exception) -> CellFailed:
    """Record that a cell failed once more, and why; the error that says so."""
    with suppress(OSError):  # a full store has no room for it
        note_failure(store, cell, submission, " ".join(str(error).split()))
    return CellFailed(f"{cell.name}: {error}")


def note_failure(store: Store, cell: Cell, submission: str, reason: str) -> None:
    """Record that a cell failed once more, in which submission and why."""
    count = len(failures(store, cell)) + 1
    write_json(store.root / "failures" / cell.id / f"{count}.json", {"reason": reason, "submission": submission})


def failures(store: Store, cell: Cell) -> list[Mapping[str, str]]:
    """How a cell failed, each time, the last one last."""
    folder = store.root / "failures" / cell.id
    paths = sorted(folder.glob("[0-9]*.json"), key=lambda path: int(path.stem))
    return [read_json(path) for path in paths]


def _stage(cell: Cell, tree: Path, log: Any) -> None:
    """Run the stage in `tree`; one that fails raises TasklawsError with the last line it said."""
    words = cell.command.split()
    words[0] = sys.executable
    environment = {
        **{name: value for name, value in os.environ.items() if name != STAGE},
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",  # its sources lie where all cells read them
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }
    for output in cell.outputs:  # of a run that was cut short
        shutil.rmtree(tree / output, ignore_errors=True)
    with _running(words, tree, environment, log) as process:
        status = process.wait()
    if -status in _ENDED_FROM_OUTSIDE:
        raise SystemExit(f"{cell.name}: ended from outside: {signal.Signals(-status).name}")
    if status < 0:
        raise TasklawsError(f"killed by {signal.Signals(-status).name} (out of memory?): see {log.name}")
    if status:
        raise TasklawsError(last_line(Path(log.name)) or f"status {status}")


def last_line(log: Path) -> str:
    """The last line that the latest run wrote to a log, or its last that begins with `error: `."""
    if not log.is_file():
        return ""
    said = log.read_text(encoding="utf-8", errors="replace").rpartition(f"{_BEGUN}\n")[2]
    lines = [line for line in said.splitlines() if line.strip()]
    found = [line for line in lines[-20:] if line.startswith("error: ")] or lines
    return found[-1].removeprefix("error: ")[:500] if found else ""


@contextmanager
def _running(words: Any, folder: Path, environment: Mapping[str, str], log: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block, however that ends, and with this process."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        preexec_fn=_end_with_parent,
        shell=isinstance(words, str),
        start_new_session=isinstance(words, str),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            if isinstance(words, str):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()


def _end_with_parent() -> None:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's sign to the job, which puts itself into the queue again
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH, signal.SIGKILL)


@contextmanager
def served(command: str, address: str, log: Any, folder: Path) -> Iterator[None]:
    """Run the server's command while the block runs, which begins when the server answers at its address.

    Another that answers there already, and one that ends by itself, raise TasklawsError.
    """
    if not command:
        yield
        return
    url = urlsplit(address)
    if not url.hostname:
        raise TasklawsError(f"base_url is {address!r}: give the address of the server that is started")
    root = f"{url.scheme}://{url.netloc}"
    if _answers(root):
        raise TasklawsError(f"something answers at {root} already: give the rung's server a port of its own")
    with _running(command, folder, os.environ, log) as process:
        while not _answers(root):
            if process.poll() is not None:
                raise TasklawsError(f"the server ended with status {process.returncode} ({last_line(Path(log.name))})")
            time.sleep(_SERVER_PAUSE)
        yield


def _answers(root: str) -> bool:
    """Whether an HTTP server tells its models; one that loads them refuses, says 503 or nothing."""
    try:
        with urllib.request.urlopen(f"{root}/v1/models", timeout=5):
            return True
    except urllib.error.HTTPError as error:
        with error:  # which holds the connection
            return error.code < 500
    except OSError:
        return False
