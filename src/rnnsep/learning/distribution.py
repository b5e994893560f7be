"""Training on several workers (`TF_CONFIG`) or several GPUs of a machine, as one process would.

Every replica draws the same batch, a pure function of (seed, epoch, step), and takes its own part of it, in order:
replica i of n has sequences i B/n to (i+1) B/n of the B of `sampling.batch`. Losses are means over sequences, so the
mean of the replicas' gradients is that of the batch, up to rounding, whatever n is. Which machines take part is no
parameter.

Workers are the processes that TF_CONFIG names. The first one is the chief, which runs the stage as ever; the others
help: they get the chief's checkpoint, and what they write is dropped.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError

VARIABLE = "TF_CONFIG"


def task() -> tuple[int, int]:
    """Number of this worker, from 0, the chief's, and how many there are: what TF_CONFIG says, or (0, 1)."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return 0, 1
    try:
        config = json.loads(text)
        if set(config["cluster"]) != {"worker"} or config["task"]["type"] != "worker":
            raise ValueError
        number, count = int(config["task"]["index"]), len(config["cluster"]["worker"])
        if not 0 <= number < count:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"{VARIABLE}: must name workers alone and which of them this is, as docs/cluster.md has it, not {text}"
        ) from None
    return number, count


def nb_workers() -> int:
    """Processes that train, on whatever machines."""
    return task()[1]


def helps() -> bool:
    """Whether this process is a worker other than the chief."""
    return task()[0] > 0


class Replicas:
    """One replica: this process, on its CPU or its GPU."""

    def scope(self) -> AbstractContextManager[Any]:
        """Where variables are made."""
        return nullcontext()

    def compiled(self, function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
        """`function(sources, gains, ...)` of a batch, as a graph, all of it by XLA or not."""
        import tensorflow as tf

        return tf.function(function, jit_compile=xla)

    def mean(self, values: list[Any]) -> list[Any]:
        """Within a compiled function: the mean over the replicas of each tensor."""
        return values

    def check(self, batch: int, optimizer: str, settings: object) -> None:
        """Raise `ParamError` where a batch cannot be divided, `UserError` where workers have other `settings`."""

    def share(self, checkpoint: Path) -> None:
        """Give all workers the chief's file, or take away theirs where the chief has none."""


class Several(Replicas):
    """The replicas of a strategy."""

    def __init__(self, strategy: Any):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def compiled(self, function: Callable[..., Any], xla: bool) -> Callable[..., Any]:  # noqa: ARG002
        """As above. The loop over frames is left to XLA alone, which knows no exchange between replicas."""
        import tensorflow as tf

        def run(sources: Any, gains: Any, *others: Any) -> Any:
            return self.strategy.run(function, args=(sources, gains, *others))

        graph = tf.function(run)

        def call(sources: np.ndarray, gains: np.ndarray, *others: Any) -> Any:
            parts = [self._part(array) for array in (sources, gains)]
            try:
                return self.strategy.experimental_local_results(graph(*parts, *others))[0]
            except (
                tf.errors.AbortedError,
                tf.errors.CancelledError,
                tf.errors.DeadlineExceededError,
                tf.errors.InternalError,
                tf.errors.UnavailableError,
            ):
                raise UserError("a worker was lost; start all again, training goes on after its last epoch") from None

        return call

    def mean(self, values: list[Any]) -> list[Any]:
        import tensorflow as tf

        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values))

    def check(self, batch: int, optimizer: str, settings: object) -> None:
        if batch % self.count:
            raise ParamError("sampling.batch", f"must be a multiple of the {self.count} replicas, not {batch}")
        if optimizer == "lbfgs":
            raise ParamError("training.optimizer", f"lbfgs trains in one process; unset {VARIABLE}")
        mine = np.frombuffer(hashlib.sha256(repr(settings).encode()).digest(), np.int64)
        if not np.array_equal(mine, self._from_chief(mine)):
            raise UserError("this worker has other parameters or other features than the first one; give all the same")

    def share(self, checkpoint: Path) -> None:
        content = checkpoint.read_bytes() if checkpoint.exists() and not helps() else b""
        length = int(self._from_chief(np.array([len(content)], np.int64))[0])
        own = np.frombuffer(content.ljust(length, b"\0"), np.uint8).astype(np.int64)
        if not length:
            checkpoint.unlink(missing_ok=True)
            return
        shared = self._from_chief(own).astype(np.uint8).tobytes()
        if helps():
            with files.whole(checkpoint) as temporary:
                temporary.write_bytes(shared)

    def _part(self, array: np.ndarray) -> Any:
        """Each replica's own sequences of an array (nb_sources, nb_batch, …)."""
        import tensorflow as tf

        parts = np.split(array, self.count, axis=1)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    def _from_chief(self, array: np.ndarray) -> np.ndarray:
        """The first replica's array of integers, of the same shape on all."""
        import tensorflow as tf

        def summed(array: Any) -> Any:
            # identity: an argument has no device, which all_reduce asks for
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(array))

        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(array if context.replica_id_in_sync_group == 0 else np.zeros_like(array))
        )
        results = self.strategy.run(tf.function(summed), args=(values,))
        return np.asarray(self.strategy.experimental_local_results(results)[0])


def gpus() -> list[str]:
    """Names of the GPUs that TensorFlow sees."""
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


@cache
def replicas() -> Replicas:
    """What trains: the workers of TF_CONFIG, or all GPUs of this machine, or this process alone.

    TensorFlow must not have been used before in this process where there are workers.
    """
    import tensorflow as tf

    if nb_workers() > 1:
        return Several(tf.distribute.MultiWorkerMirroredStrategy())
    devices = gpus()
    return Several(tf.distribute.MirroredStrategy(devices)) if len(devices) > 1 else Replicas()
