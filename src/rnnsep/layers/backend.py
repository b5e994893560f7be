"""TensorFlow and Keras with settings of our own, whatever the user's are."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources


def import_tensorflow() -> None:
    """Import TensorFlow for all later imports, with Keras on it, without messages about the machine."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; its import ignores this
    # keep freed memory: to ask the system for it again in each step takes a fifth to a third of the training time
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    # results must not depend on the user's keras.json
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(resources.files("rnnsep.layers") / "keras")}
    with _quiet():
        import tensorflow as tf  # noqa: F401


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard what C++ libraries write to standard error."""
    sys.stderr.flush()
    before, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)
