"""TensorFlow without its messages at start-up, and with an allocator that keeps memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

DONE = "rnnsep: done"
# keeps what it reads, and prints it unless the last line is DONE: also after the death of the process that wrote it
KEEP = """
while IFS= read -r line; do
    [ "$line" = "$0" ] && exit
    text="$text$line
"
done
printf %s "$text$line" >&2
"""


def import_tensorflow() -> None:
    """Import TensorFlow for all later imports, without its messages about the machine."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; its import ignores this
    # keep freed memory: to ask the system for it again in each step takes a fifth to a third of the training time
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    with quiet():
        import tensorflow as tf  # noqa: F401


@contextmanager
def quiet() -> Iterator[None]:
    """Discard standard error, also that of C++ libraries, unless an exception or the death of the process ends it."""
    sys.stderr.flush()
    before = os.dup(2)
    reading, writing = os.pipe()
    with subprocess.Popen(["/bin/sh", "-c", KEEP, DONE], stdin=reading, stderr=before):
        os.close(reading)
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
            sys.stderr.flush()
            os.write(2, f"\n{DONE}\n".encode())
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)  # the end of the pipe, unless this process dies before
            os.close(before)
