"""Parallel maps over songs, by a local pool of processes or a Dask cluster (`DASK_SCHEDULER_ADDRESS`).

Neither the cluster nor the number of workers (`RNNSEP_WORKERS`, or as many as cores and memory allow) is a parameter,
since they change no results.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import psutil
from threadpoolctl import threadpool_limits

from rnnsep.running import cluster
from rnnsep.running.errors import UserError
from rnnsep.running.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
MEMORY = 1 << 30  # bytes of a worker; that of the stage separate takes most, 0.9 GB
PATIENCE = 2.0  # s for workers to remove what they have half written
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
    importable by name (a module's function, or a `functools.partial` of one). Its first exception, or Ctrl-C, ends the
    map and all workers at once. Raises `UserError` if a local worker was killed; songs of a lost worker of a cluster go
    to another one.
    """
    items = list(items)
    results: dict[int, Result] = {}
    try:
        with Progress(label, len(items)) as progress, _one_blas_thread(), closing(_run(function, items)) as found:
            for index, result in found:
                results[index] = result
                progress.advance()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{label}: {len(results)} of {len(items)} finished") from None
    return [results[index] for index in range(len(items))]


def _run(function: Callable[[Item], Result], items: Sequence[Item]) -> Generator[tuple[int, Result]]:
    """(index, `function(item)`) of each of `items`, in order of completion."""
    size = min(nb_workers(), len(items))
    if os.environ.get(cluster.ADDRESS) and items:
        one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
        yield from cluster.on_cluster(os.environ[cluster.ADDRESS], function, items, one_thread)
    elif size > 1:
        yield from _in_processes(size, function, items)
    else:
        yield from ((index, function(item)) for index, item in enumerate(items))


def _in_processes(size: int, function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(size, multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        with _interrupts_held():  # by workers for good: the parent decides what an interrupt means
            futures = {pool.submit(_call, function, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps for lack of memory; run again to resume"
            " (RNNSEP_WORKERS=1 needs least memory)"
        ) from None
    except BaseException:  # of an interrupted or failed map, the other songs are not waited for
        _stop(set(multiprocessing.active_children()) - others)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block; processes that are started inside never see it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stop(workers: Iterable[BaseProcess]) -> None:
    """End processes: they remove what they have half written, or are killed after `PATIENCE` or a second Ctrl-C."""
    workers, end = list(workers), time.monotonic() + PATIENCE
    try:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))
    finally:
        for worker in workers:
            worker.kill()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    """`function(item)` in a worker, which ends where SIGTERM interrupts it instead of beginning another item."""
    try:
        return function(item)
    except SystemExit:
        os._exit(1)


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


def _start_worker() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
