"""A map over songs as a process, for a test that interrupts it."""

import signal
import sys
import time
from functools import partial
from pathlib import Path

from rnnsep.running import files
from rnnsep.running.workers import parallel_map


def write_slowly(folder, song):
    with files.whole(folder / f"{song}.wav") as temporary:
        temporary.touch()
        while True:
            time.sleep(0.1)


if __name__ == "__main__":
    try:
        parallel_map(partial(write_slowly, Path(sys.argv[1])), range(6), "songs")
    except KeyboardInterrupt as interrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"interrupted ({interrupt})", file=sys.stderr)
        sys.exit(130)
