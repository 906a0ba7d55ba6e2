"""Independent jobs in one-thread processes of their own; the answers do not depend on how many run at once."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tasklaws.errors import TasklawsError

T = TypeVar("T")


def run_each(function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> list[T]:
    """Call `function` on each tuple of arguments, `workers` at a time, and return the results in order.

    The first job that raises ends the rest; a process that dies (killed, out of memory) raises TasklawsError.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(workers, len(jobs))), context) as pool:
        running = [pool.submit(function, *job) for job in jobs]
        try:
            return [job.result() for job in running]
        except BrokenProcessPool as error:
            raise TasklawsError("a worker process died (out of memory?): run it again to resume") from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
