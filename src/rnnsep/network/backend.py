"""TensorFlow without what it says when it starts."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Import TensorFlow for all imports that follow, without its messages about the machine."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; its import does not heed it
    with quiet():
        import tensorflow as tf  # noqa: F401


@contextmanager
def quiet() -> Iterator[None]:
    """What is written to standard error inside, by libraries in C++ too, appears only where an exception ends it."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(before, said.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
