"""Send the cells that are missing, by submitit: to Slurm as dependent arrays, or to processes of this machine."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from tasklaws.cells.cell import ASK, TRAIN, Cell, digest_of
from tasklaws.cells.states import MOST_FAILURES, SUBMITTING, States, Survey, job_name, submissions_in
from tasklaws.cells.store import copy
from tasklaws.cells.work import Submission, note_failure
from tasklaws.core.errors import TasklawsError
from tasklaws.core.files import write_json
from tasklaws.core.settings import Resources
from tasklaws.provenance.chain import files_in

_MOST_TIMEOUTS = 20  # of one job, each of which goes on where the one before was
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)
_PAUSE = 0.1  # seconds between two looks at the processes of this machine


@dataclass(frozen=True)
class Task:
    """A job to be sent with its resources; `after` is the cell that makes its model, where that is not done."""

    job: Submission
    resources: Resources
    after: str

    @property
    def names(self) -> str:
        return ", ".join(cell.name for cell in self.job.cells)


def to_send(states: States) -> list[str]:
    """The names of the cells that a submission would send: those that are missing, or failed less than three times, but
    none that asks a model which is not sent again."""
    over = {one.name for one in states.cells if one.state == "failed" and one.failed >= MOST_FAILURES}
    lost = [one.name for one in states.cells if one.state in ("missing", "failed") and one.name not in over]
    return [name for name in lost if f"{TRAIN}@{name.partition('@')[2].partition(':')[0]}" not in over]


def submit(survey: Survey) -> States:
    """Send what is missing, training before asking; on this machine it is done when this returns.

    What was made here by DVC is put into the store first. Each job is recorded before it is sent, under a name by which
    the queue has it, so that whatever happens to this process no cell is sent twice. Without submitit, with another
    process that submits to the same store, and where Slurm refuses, TasklawsError is raised.
    """
    try:
        import submitit
    except ImportError as error:
        raise TasklawsError("submitit is not installed: pip install 'tasklaws[cluster]'") from error
    engine, store = survey.settings.execution.engine, survey.store
    try:
        with store.alone(SUBMITTING, 1.0):
            _put_models(survey)
            states = survey.states(submitting=True)
            dead = survey.early_deaths
            for cell, one in zip(survey.cells, states.cells, strict=True):
                if one.state == "failed" and cell.id in dead:
                    note_failure(store, cell, dead[cell.id].submission, dead[cell.id].reason)
            wanted = to_send(states)
            if not wanted:
                return states
            submission = str(max(map(int, submissions_in(store)), default=0) + 1)
            folder = store.root / "submissions" / submission
            tasks = _tasks(survey, states, wanted, _inputs(survey), submission)
            arrays = _arrays(tasks) if engine == "slurm" else [[task] for task in tasks]
            names = [job_name(store, submission, number) for number in range(len(arrays))]
            ids = [[[cell.id for cell in task.job.cells] for task in array] for array in arrays]
            record = {"engine": engine, "jobs": dict(zip(names, ids, strict=True)), "ids": {}}
            write_json(folder / "record.json", record)
            if engine == "slurm":
                _send(folder, record, dict(zip(names, arrays, strict=True)), states, survey)
            else:
                timeouts = {"local_max_num_timeout": _MOST_TIMEOUTS} if engine == "local" else {}
                _run_here(submitit.AutoExecutor(folder / "jobs", cluster=engine, **timeouts), tasks, survey)
    except Timeout as error:
        raise TasklawsError(f"another process submits to {store.root}, or runs cells of it: wait for it") from error
    survey.refresh()
    return survey.states()


def _put_models(survey: Survey) -> None:
    """Put the models that DVC made here into the store, for the cells that are to ask them."""
    asking = {cell.made_by for cell in survey.cells if cell.model and not survey.is_done(cell)}
    for cell in survey.cells:
        if cell.id in asking - survey.entries.keys() and survey.here.is_current(cell.name):
            survey.store.put(cell, cell.key(), survey.root)
            print(f"{cell.name}: made here, put into the store", file=sys.stderr)
    survey.refresh()


def _inputs(survey: Survey) -> Path:
    """A copy in the store of all that cells read: what is edited here while they wait changes nothing."""
    digests = {path: sha for cell in survey.cells for path, sha in cell.inputs.items()}
    folder = survey.store.root / "inputs" / digest_of(digests)[:16]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as name:
            made = Path(name) / "made"
            for path in digests:
                place = survey.root / path
                for file in files_in(place) if place.is_dir() else [place]:
                    copy(file, made / file.relative_to(survey.root))
                if place.is_dir():  # which may be empty
                    (made / path).mkdir(parents=True, exist_ok=True)
            made.rename(folder)
    return folder


def _tasks(survey: Survey, states: States, wanted: Sequence[str], inputs: Path, submission: str) -> list[Task]:
    """The jobs: a cell each, but a server's rung in one, whose server starts once; training before asking."""
    resources, root = survey.settings.execution.resources, survey.root
    found = []
    for cell in survey.cells:
        if cell.name not in wanted:
            continue
        made = survey.by_id.get(cell.made_by)
        asks = resources.respond.of(cell.rung)
        own = asks if cell.stage == ASK else resources.model.of(cell.rung)
        cells: tuple[Cell, ...] = (cell,)
        if asks.server and cell.stage == TRAIN and f"{ASK}@{cell.rung}" in wanted:
            continue  # with the cell that asks
        if asks.server and made and made.name in wanted:
            cells = (made, cell)
        after = made.id if made and len(cells) == 1 and not survey.is_done(made) else ""
        job = Submission(
            store=survey.store.root,
            inputs=inputs,
            root=root,
            submission=submission,
            cells=cells,
            made_by=(made,) if made else (),
            params=survey.settings.raw,
            cpus=own.cpus,
            server=asks.server,
        )
        found.append(Task(job, own, after))
    return found


def _arrays(tasks: Sequence[Task]) -> list[list[Task]]:
    """Jobs of equal resources as arrays. Those that ask what another array trains stand in its order, right behind it,
    so that each can wait for its own."""
    makers = {task.job.cells[0].id for task in tasks}
    askers: dict[str, list[Task]] = {}
    for task in tasks:
        askers.setdefault(task.after, []).append(task)
    groups: dict[str, list[list[Task]]] = {}
    for task in tasks:
        if task.after not in makers:
            behind = askers.get(task.job.cells[0].id, [])
            # Of those whose model is in the queue already, those of each model wait by themselves.
            alike = [each.resources for each in (task, *behind)]
            groups.setdefault(f"{alike} {task.after}", []).append([task, *behind])
    return [list(array) for group in groups.values() for array in zip(*group, strict=True)]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let an interruption wait until the block ends: what Slurm has then is complete, and known here.

    Signals are blocked for the processes that are started, and noted where another thread of this one takes them.
    """
    came: list[int] = []
    handlers = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _INTERRUPTIONS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for one, handler in handlers.items():
            signal.signal(one, handler)
        for number in came:
            signal.raise_signal(number)


def _send(
    folder: Path, record: dict[str, Any], arrays: Mapping[str, Sequence[Task]], states: States, survey: Survey
) -> None:
    """Send arrays to Slurm: an asking job begins once the one that makes its model has ended well. The ids of the jobs
    go into the record of the submission."""
    import submitit

    queued = {cell.id: one.job for cell, one in zip(survey.cells, states.cells, strict=True) if one.job}
    sent: dict[str, str] = {}  # the array, or the job, of each cell that makes a model
    for name, tasks in arrays.items():
        own, first = tasks[0].resources, tasks[0].after
        more: dict[str, Any] = {"kill-on-invalid-dep": "yes", "requeue": True, **own.sbatch}
        if first in sent:  # each job of the array after its own
            more["dependency"] = f"{'aftercorr' if len(tasks) > 1 else 'afterok'}:{sent[first]}"
        elif first in queued:
            more["dependency"] = f"afterok:{queued[first]}"
        wishes = {
            "mem_gb": own.memory_gb,
            "gpus_per_node": own.gpus,
            "slurm_partition": own.partition,
            "slurm_setup": ["set -e", *own.setup, "set +e"] if own.setup else [],
        }
        try:
            executor = submitit.AutoExecutor(folder / "jobs", cluster="slurm", slurm_max_num_timeout=_MOST_TIMEOUTS)
        except RuntimeError as error:
            raise TasklawsError("srun is not found: submit where Slurm is, or set execution.engine to local") from error
        executor.update_parameters(
            name=name,
            timeout_min=own.minutes,
            cpus_per_task=own.cpus,
            slurm_array_parallelism=survey.settings.execution.at_once,
            slurm_additional_parameters=more,
            **{key: value for key, value in wishes.items() if value},
        )
        try:
            with _undisturbed():
                jobs = executor.submit_array([task.job for task in tasks])
                record["ids"][name] = [job.job_id for job in jobs]
                write_json(folder / "record.json", record)
        except Exception as error:  # whatever sbatch says
            reason = " ".join(str(error).split())[-500:]
            remedy = "correct execution.resources in conf/execution, then `tasklaws cells --resubmit`"
            raise TasklawsError(f"Slurm refuses {tasks[0].names} ({reason}): {remedy}") from error
        for task, job in zip(tasks, jobs, strict=True):
            sent[task.job.cells[0].id] = job.job_id.partition("_")[0]
            print(f"{task.names}: job {job.job_id}", file=sys.stderr)


def _run_here(executor: Any, tasks: Sequence[Task], survey: Survey) -> None:
    """Run the jobs in processes of this machine, so many together, each after the one that makes its model."""
    execution, waiting = survey.settings.execution, list(tasks)
    running: list[tuple[Task, Any]] = []
    while waiting or running:
        running = [(task, job) for task, job in running if not job.done()]
        unmade = {task.job.cells[0].id for task in waiting} | {task.job.cells[0].id for task, _ in running}
        for task in [one for one in waiting if one.after not in unmade][: execution.at_once - len(running)]:
            waiting.remove(task)
            if task.after and survey.store.find(survey.by_id[task.after].key()) is None:
                print(f"{task.names}: its model was not made", file=sys.stderr)
                continue
            print(f"{task.names}: begun", file=sys.stderr, flush=True)
            own = task.resources
            executor.update_parameters(timeout_min=own.minutes, gpus_per_node=own.gpus)
            job = executor.submit(task.job)
            if execution.engine == "debug":
                job.exception()  # which runs it
            else:
                running.append((task, job))
        if running:
            time.sleep(_PAUSE)
