"""Independent jobs in one-thread processes of their own; the answers do not depend on how many run at once."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tasklaws.core.errors import TasklawsError
from tasklaws.core.progress import progress

Answer = TypeVar("Answer")
# glibc's malloc gives large blocks back to the system and asks for them anew at every step: an eighth of training.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


def run_each(
    function: Callable[..., Answer], jobs: Sequence[tuple[Any, ...]], workers: int, what: str = "jobs"
) -> list[Answer]:
    """Call `function` on each tuple of arguments, `workers` at a time, and return the results in order; say of long
    work how far it has come, `what` being the name of the jobs.

    One job alone, or one worker, runs in this process: another would import all that it needs once more. The first job
    that raises ends the rest at once, and so do an interrupt and this process's own death; a process that dies (killed,
    out of memory) raises TasklawsError.
    """
    with progress(what, len(jobs)) as advance:
        if len(jobs) == 1 or workers == 1:
            answers = []
            for job in jobs:
                answers.append(function(*job))
                advance()
            return answers
        os.environ.update(KEEP_MEMORY)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max(1, min(workers, len(jobs))), context, _end_with_parent) as pool:
            try:
                running = [pool.submit(function, *job) for job in jobs]
                for done in as_completed(running):
                    done.result()
                    advance()
                return [done.result() for done in running]
            except BrokenProcessPool as error:
                raise TasklawsError("a worker process died (out of memory?): run it again to resume") from error
            except BaseException:
                # Else leaving the block would wait until every job under way is done.
                for child in multiprocessing.active_children():
                    child.terminate()
                pool.shutdown(cancel_futures=True)
                raise


def _end_with_parent() -> None:
    # Ctrl-C reaches the whole group: the parent alone answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    # A job whose parent was killed would work on, in the very files that the next run takes up.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
