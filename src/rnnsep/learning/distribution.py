"""Data-parallel training on several workers (`TF_CONFIG`) or several GPUs of a machine.

Every replica draws the same batch, a pure function of (seed, epoch, step), and takes its share in order: replica i of n
takes sequences i B/n to (i+1) B/n of the `sampling.batch` B. Losses are means over sequences, so the mean of the
replicas' gradients is the gradient of the batch, up to rounding, for any n. The machines are no parameter.

The workers are the processes that TF_CONFIG names. All but the first, the chief, receive its checkpoint.
"""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnsep.params import ParamError
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.helpers import VARIABLE, helps, nb_processes

LOST = (  # what TensorFlow raises where another worker is lost
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


class Replicas:
    """The replicas of a strategy; without one, this process on its CPU or GPU."""

    def __init__(self, strategy: Any = None):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync if strategy else 1

    def scope(self) -> AbstractContextManager[Any]:
        return self.strategy.scope() if self.strategy else nullcontext()

    def compiled(self, function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
        """`function(sources, gains, …)` of a batch as a graph, compiled by XLA if `xla`.

        With several replicas XLA compiles only the time loop, since it cannot exchange tensors between them.
        """
        if not self.strategy:
            return tf.function(function, jit_compile=xla, autograph=False)
        graph = tf.function(lambda *arguments: self.strategy.run(function, args=arguments), autograph=False)

        def call(sources: np.ndarray, gains: np.ndarray, *others: Any) -> Any:
            parts = [self._part(array) for array in (sources, gains)]
            try:
                return self.strategy.experimental_local_results(graph(*parts, *others))[0]
            except LOST:
                raise UserError("a worker was lost; restart all workers to resume after the last epoch") from None

        return call

    def mean(self, values: list[Any]) -> list[Any]:
        """The mean of each tensor over the replicas; for use in a compiled function."""
        if not self.strategy:
            return values
        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values))

    def check(self, batch: int, optimizer: str, settings: object) -> None:
        """Raise `ParamError` if the batch cannot be split, `UserError` if the workers have different `settings`."""
        if not self.strategy:
            return
        if batch % self.count:
            raise ParamError("sampling.batch", f"must be a multiple of the {self.count} replicas, not {batch}")
        if optimizer == "lbfgs":
            raise ParamError("optimizer.name", f"lbfgs trains in one process; unset {VARIABLE}")
        mine = np.frombuffer(hashlib.sha256(repr(settings).encode()).digest(), np.int64)
        if not np.array_equal(mine, self._from_chief(mine)):
            raise UserError("this worker has other parameters or features than the chief; copy them")

    def share(self, checkpoint: Path) -> None:
        """Copy the chief's checkpoint to all workers; remove theirs if the chief has none."""
        if not self.strategy:
            return
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
        """Each replica's share of an array (nb_sources, nb_batch, …)."""
        parts = np.split(array, self.count, axis=1)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    def _from_chief(self, array: np.ndarray) -> np.ndarray:
        """The first replica's array of integers; the shape is the same on all replicas."""

        def summed(array: Any) -> Any:
            # identity: an argument has no device, which all_reduce asks for
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(array))

        values = self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(array if context.replica_id_in_sync_group == 0 else np.zeros_like(array))
        )
        results = self.strategy.run(tf.function(summed), args=(values,))
        return np.asarray(self.strategy.experimental_local_results(results)[0])


def gpus() -> list[str]:
    """Names of the GPUs that TensorFlow finds."""
    return [device.name for device in tf.config.list_logical_devices("GPU")]


@cache
def replicas() -> Replicas:
    """The replicas that train: the workers of TF_CONFIG, all GPUs of this machine, or this process alone.

    With workers, TensorFlow must not have been used in this process before.
    """
    if nb_processes() > 1:
        return Replicas(tf.distribute.MultiWorkerMirroredStrategy())
    devices = gpus()
    return Replicas(tf.distribute.MirroredStrategy(devices)) if len(devices) > 1 else Replicas()
