"""Parallel maps over songs, by a local pool of processes or a Dask cluster (`DASK_SCHEDULER_ADDRESS`).

Neither the cluster nor the number of workers (`RNNSEP_WORKERS`, or as many as cores and memory allow) is a parameter,
since they change no results.
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
from multiprocessing.connection import Connection, wait
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
    """Number of processes for a map: `RNNSEP_WORKERS`, else one per core, as far as memory allows."""
    given = os.environ.get("RNNSEP_WORKERS", "")
    if not given:
        return max(1, min(nb_cores(), available_memory() // MEMORY))
    if not given.isdecimal() or int(given) < 1:
        raise UserError(f"RNNSEP_WORKERS: must be a whole number from 1, not {given!r}")
    return int(given)


def available_memory() -> int:
    """Bytes available to new processes: free memory, or the container's limit if that is less."""
    free = [psutil.virtual_memory().available]
    for path in LIMITS:
        with suppress(OSError, ValueError):  # no such container, or "max"
            free.append(int(path.read_text()))
    return min(free)


def parallel_map(function: Callable[[Item], Result], items: Iterable[Item], label: str) -> list[Result]:
    """`[function(item) for item in items]`, in parallel processes, each with one BLAS thread, with progress.

    With `DASK_SCHEDULER_ADDRESS` the processes are those of a Dask cluster (see `cluster`). `function` must be
    importable by name (a module's function, or a `functools.partial` of one). Its first exception ends the map. Raises
    `UserError` if a local worker was killed; songs of a lost worker of a cluster go to another one.
    """
    items = list(items)
    results: dict[int, Result] = {}
    try:
        with Progress(label, len(items)) as progress, _one_blas_thread():
            for index, result in _executor(len(items))(function, items):
                results[index] = result
                progress.advance()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{label}: {len(results)} of {len(items)} finished") from None
    return [results[index] for index in range(len(items))]


def _executor(nb_items: int) -> Callable[..., Iterator[tuple[int, Any]]]:
    """A function that maps a function over items and yields (index, result) in order of completion."""
    if os.environ.get(cluster.ADDRESS) and nb_items:
        one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
        return partial(cluster.on_cluster, os.environ[cluster.ADDRESS], variables=one_thread)
    size = min(nb_workers(), nb_items)
    return partial(_in_processes, size) if size > 1 else _here


def _here(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    for index, item in enumerate(items):
        yield index, function(item)


def _in_processes(size: int, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    context = multiprocessing.get_context("spawn")
    stop, running = context.Pipe(duplex=False)  # workers end when `running` is closed
    pool = ProcessPoolExecutor(size, context, initializer=_start_worker, initargs=(stop,))
    try:
        with _interrupts_held():  # by workers for good: the parent decides what an interrupt means
            futures = {pool.submit(function, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps for lack of memory; run again to resume"
            " (RNNSEP_WORKERS=1 needs least memory)"
        ) from None
    except BaseException:  # of an interrupted or failed map, the other songs are not waited for
        running.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        running.close()
        stop.close()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block; processes that are started inside never see it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit loaded BLAS libraries (threadpoolctl) and those that will be loaded, also in workers (environment)."""
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


def _start_worker(stop: Connection) -> None:
    threading.Thread(target=_end_with_parent, args=(stop,), daemon=True).start()


def _end_with_parent(stop: Connection) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel, stop])
        os._exit(1)
