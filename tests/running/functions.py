"""What tests map over songs, in a module that worker processes import in no time."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_info

from rnnsep.running import cluster, files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import parallel_map


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


def write_slowly(folder, song):
    with files.whole(folder / f"{song}.wav") as temporary:
        temporary.touch()
        while True:
            time.sleep(0.1)


if __name__ == "__main__":  # a map over songs for a test that interrupts it
    try:
        parallel_map(partial(write_slowly, Path(sys.argv[1])), range(6), "songs")
    except KeyboardInterrupt as interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"interrupted ({interrupt})", file=sys.stderr)
        sys.exit(130)
