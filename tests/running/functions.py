"""What tests map over songs, in a module that worker processes import in no time."""

import os
import signal
import sys
from pathlib import Path

from threadpoolctl import threadpool_info

from rnnsep.running import cluster
from rnnsep.running.errors import UserError


def square(x):
    return x * x


def fail_at(bad, x):
    if x == bad:
        raise UserError(f"song {x}: broken")
    return x


def mark(folder, x):
    (folder / str(x)).touch()
    return os.getpid()


def die(x):
    print(f"song {x} is too large", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def blas_threads(_):
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    return max(library["num_threads"] for library in threadpool_info())


def whose(_):
    return os.getppid(), str(Path.cwd()), cluster.__file__


def say(x):
    print("a function may print")
    return x
