"""Maps over songs on a Dask cluster (`DASK_SCHEDULER_ADDRESS`).

A task is a few songs in a new Python process, started by a Dask worker in the working directory of the caller, with its
interpreter and its code. So workers only need the same files at the same path; they can stay up while code changes and
serve several checkouts. Tasks of a lost worker go to another one.
"""

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rnnsep.running.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS = "DASK_SCHEDULER_ADDRESS"
CHUNKS = 4  # tasks per thread of the cluster, at least, for an even load
RETRIES = 2  # of a task whose process was killed but not its worker
TIMEOUT = 10  # s for the scheduler to answer


def on_cluster(
    address: str, function: Callable[[Item], Result], items: Sequence[Item], variables: Mapping[str, str]
) -> Iterator[tuple[int, Result]]:
    """(index, `function(item)`) of each of `items`, in order of completion.

    Tasks run with the environment `variables`. Raises the first exception of `function`, and `UserError` if there is no
    cluster or its workers do not see the files of this process.
    """
    try:
        import distributed
    except ImportError:
        raise UserError(f"{ADDRESS} is set but Dask is not installed; run: uv sync --extra distributed") from None
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError):
        raise UserError(f"{ADDRESS}: no scheduler answers at {address}; unset it to use this machine only") from None
    here = Path.cwd()
    with client, tempfile.NamedTemporaryFile(prefix=".rnnsep-", dir=here) as witness:
        if not client.nthreads():
            print(f"waiting for workers of {address}", file=sys.stderr, flush=True)
            client.wait_for_workers(1)
        size = max(1, len(items) // (CHUNKS * sum(client.nthreads().values())))
        starts = {}
        for start in range(0, len(items), size):
            task = client.submit(
                subprocess.run,
                _command(variables),
                input=pickle.dumps((witness.name, pickle.dumps((function, items[start : start + size])))),
                capture_output=True,
                check=True,
                cwd=str(here),
                key=f"songs-{uuid.uuid4().hex}",
                retries=RETRIES,
            )
            starts[task] = start
        for task in distributed.as_completed(starts, loop=client.loop):
            for index, result in enumerate(_outcome(task, here)):
                yield starts[task] + index, result


def _command(variables: Mapping[str, str]) -> list[str]:
    """The command of a Python process with the import path of this one."""
    code = f"import os, sys; os.environ.update({dict(variables)!r}); sys.path[:] = {list(dict.fromkeys(sys.path))!r}"
    return [sys.executable, "-c", f"{code}; from {__name__} import serve; serve()"]


def _outcome(task: Any, here: Path) -> list[Any]:
    """The results of a finished task."""
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    try:
        done = task.result()
    except FileNotFoundError as error:
        raise UserError(f"a worker does not see {error.filename}; all need {here} at the same path") from None
    except (KilledWorker, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or b""  # Dask drops it from a very long error
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        last = f" ({lines[-1]})" if lines else ""
        raise UserError(
            f"songs on the cluster were killed repeatedly, perhaps for lack of memory{last}; run again with fewer"
            " threads per worker to resume"
        ) from None
    except FutureCancelledError:
        raise UserError("the scheduler was lost; restart it and its workers, then run again to resume") from None
    outcome = pickle.loads(done.stdout)  # noqa: S301 - our own task wrote it
    if isinstance(outcome, BaseException):
        raise outcome
    return list(outcome)


def serve() -> None:
    """Run a task: (file that must exist, pickled (function, items)) from stdin; results, or an exception, to stdout.

    Prints go to stderr.
    """
    threading.Thread(target=_die_with_worker, args=(os.getppid(),), daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        pickle.dump(_outcome_of(*pickle.load(sys.stdin.buffer)), answer)  # noqa: S301 - from our own client


def _outcome_of(witness: str, call: bytes) -> Any:
    try:
        if not Path(witness).exists():
            raise UserError(
                f"a worker on {socket.gethostname()} has other files in {Path.cwd()} than this run;"
                " all need the same folder, on a disk that they share"
            )
        function, items = pickle.loads(call)  # noqa: S301 - from our own client
        return [function(item) for item in items]
    except Exception as error:
        if not isinstance(error, UserError):
            error.add_note(f"in a task on {socket.gethostname()}:\n{traceback.format_exc()}")
        return error


def _die_with_worker(worker: int) -> None:
    """End this process soon after its parent, since its songs then go to another worker."""
    while os.getppid() == worker:
        time.sleep(1)
    os._exit(1)
