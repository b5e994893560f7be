"""One executor for all maps over songs.

A local pool of processes, or a Dask cluster where `DASK_SCHEDULER_ADDRESS` names one. Neither that nor the number of
workers (`RNNSEP_WORKERS`, or what cores and memory allow) is a parameter: they may change neither results nor what DVC
runs again.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

import psutil
from threadpoolctl import threadpool_limits

from rnnsep.running import cluster
from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MEMORY = 1 << 30  # bytes of a worker; that of the stage separate takes most, 0.9 GB
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container


def nb_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nb_workers() -> int:
    """Processes for a map over songs: `RNNSEP_WORKERS`, else one for each core, but no more than memory holds."""
    given = os.environ.get("RNNSEP_WORKERS", "")
    if not given:
        return max(1, min(nb_cores(), available_memory() // MEMORY))
    if not given.isdecimal() or int(given) < 1:
        raise UserError(f"RNNSEP_WORKERS: must be a whole number from 1, not {given!r}")
    return int(given)


def available_memory() -> int:
    """Bytes that new processes may take: what is free, or the limit of the container where that is less."""
    free = [psutil.virtual_memory().available]
    for path in LIMITS:
        with suppress(OSError, ValueError):  # no such container, or "max"
            free.append(int(path.read_text()))
    return min(free)


def map_songs(function: Callable[[Item], Result], items: Iterable[Item], label: str) -> list[Result]:
    """`[function(item) for item in items]`, in parallel processes, each with one BLAS thread, with progress.

    The processes are those of a Dask cluster where `DASK_SCHEDULER_ADDRESS` is set (see `cluster`), else they are
    here. `function` must be importable by name (a module's function, or a `functools.partial` of one). Its first
    exception ends the map; what other items finished before stays on disk. Raises `UserError` where a worker here was
    killed; the songs of one on a cluster are given to another.
    """
    items = list(items)
    results: dict[int, Result] = {}
    with Progress(label, len(items)) as progress, _one_blas_thread():
        for index, result in _executor(len(items))(function, items):
            results[index] = result
            progress.advance()
    return [results[index] for index in range(len(items))]


def _executor(nb_items: int) -> Callable[..., Iterator[tuple[int, Any]]]:
    """What calls a function on a sequence of items, and yields index and result as they come."""
    if os.environ.get(cluster.ADDRESS) and nb_items:
        one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
        return partial(cluster.on_cluster, os.environ[cluster.ADDRESS], variables=one_thread)
    size = min(nb_workers(), nb_items)
    return partial(_in_processes, size) if size > 1 else _here


def _here(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    for index, item in enumerate(items):
        yield index, function(item)


def _in_processes(size: int, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    pool = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        futures = {pool.submit(function, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
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
