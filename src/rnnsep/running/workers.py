"""One executor for all maps over songs.

The number of workers comes from the environment (`RNNSEP_WORKERS`) or from the cores at hand. It is no parameter:
it may change neither results nor what DVC runs again.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TypeVar

from threadpoolctl import threadpool_limits

from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def nb_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nb_workers() -> int:
    """Processes for a map over songs: `RNNSEP_WORKERS`, else one for each core."""
    given = os.environ.get("RNNSEP_WORKERS", "")
    if not given:
        return nb_cores()
    if not given.isdecimal() or int(given) < 1:
        raise UserError(f"RNNSEP_WORKERS: must be a whole number from 1, not {given!r}")
    return int(given)


def map_songs(function: Callable[[Item], Result], items: Iterable[Item], label: str) -> list[Result]:
    """`[function(item) for item in items]`, in parallel processes, each with one BLAS thread, with progress.

    `function` must be importable by name (a module's function, or a `functools.partial` of one). Its first
    exception ends the map; what other items finished before stays on disk. Raises `UserError` where a worker was
    killed.
    """
    items = list(items)
    size = min(nb_workers(), len(items))
    with Progress(label, len(items)) as progress, _one_blas_thread():
        if size > 1:
            return _in_processes(function, items, size, progress)
        results = []
        for item in items:
            results.append(function(item))
            progress.advance()
        return results


def _in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], size: int, progress: Progress
) -> list[Result]:
    pool = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        futures = [pool.submit(function, item) for item in items]
        for future in as_completed(futures):
            future.result()
            progress.advance()
        return [future.result() for future in futures]
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps for lack of memory; run again, it goes on where it was"
            " (RNNSEP_WORKERS=1 needs least memory)"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit BLAS libraries that are loaded (threadpoolctl) and those yet to be, here or in a worker (environment)."""
    environment = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        with threadpool_limits(1):
            yield
    finally:
        for name, value in environment.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
