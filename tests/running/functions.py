"""What tests map over songs, in a module that worker processes import in no time."""

import os
import signal
import sys
from pathlib import Path

from threadpoolctl import threadpool_info

from rnnsep.running import cluster
from rnnsep.running.errors import UserError


def square(x: int) -> int:
    return x * x


def fail_at(bad: int, x: int) -> int:
    if x == bad:
        raise UserError(f"song {x}: broken")
    return x


def mark(folder: Path, x: int) -> int:
    (folder / str(x)).touch()
    return os.getpid()


def die(x: int) -> None:
    print(f"song {x} is too large", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def blas_threads(_: int) -> int:
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    return max(library["num_threads"] for library in threadpool_info())


def whose(_: int) -> tuple[int, str, str]:
    return os.getppid(), str(Path.cwd()), cluster.__file__


def say(x: int) -> int:
    print("a function may print")
    return x
