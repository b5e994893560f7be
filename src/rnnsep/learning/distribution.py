"""Data-parallel training on several workers (`TF_CONFIG`) or several GPUs of a machine.

Every replica draws the same batch, a pure function of (seed, epoch, step), and takes its share in order: replica i of n
takes sequences i B/n to (i+1) B/n of the `sampling.batch` B. Losses are means over sequences, so the mean of the
replicas' gradients is the gradient of the batch, up to rounding, for any n. The machines are no parameter.

The workers are the processes that TF_CONFIG names. The first is the chief, which runs the stage. The others help: they
receive the chief's checkpoint, and their outputs are discarded.
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
    """Index of this worker (0: the chief) and number of workers, from TF_CONFIG; (0, 1) without it."""
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
            f"{VARIABLE}: must name workers only and the index of this one (see docs/machines.md), not {text}"
        ) from None
    return number, count


def nb_processes() -> int:
    """Number of processes that train together, on all machines."""
    return task()[1]


def helps() -> bool:
    """Whether this process is a worker but not the chief."""
    return task()[0] > 0


class Replicas:
    """One replica: this process, on its CPU or GPU."""

    def scope(self) -> AbstractContextManager[Any]:
        """The scope in which to create variables."""
        return nullcontext()

    def compiled(self, function: Callable[..., Any], xla: bool) -> Callable[..., Any]:
        """`function(sources, gains, …)` of a batch as a graph, compiled by XLA if `xla`."""
        import tensorflow as tf

        return tf.function(function, jit_compile=xla, autograph=False)

    def mean(self, values: list[Any]) -> list[Any]:
        """The mean of each tensor over the replicas; for use in a compiled function."""
        return values

    def check(self, batch: int, optimizer: str, settings: object) -> None:
        """Raise `ParamError` if the batch cannot be split, `UserError` if the workers have different `settings`."""

    def share(self, checkpoint: Path) -> None:
        """Copy the chief's checkpoint to all workers; remove theirs if the chief has none."""


class Several(Replicas):
    """The replicas of a strategy."""

    def __init__(self, strategy: Any):
        self.strategy = strategy
        self.count = strategy.num_replicas_in_sync

    def scope(self) -> AbstractContextManager[Any]:
        scope: AbstractContextManager[Any] = self.strategy.scope()
        return scope

    def compiled(self, function: Callable[..., Any], xla: bool) -> Callable[..., Any]:  # noqa: ARG002
        """See `Replicas`. XLA compiles only the time loop, since it cannot exchange tensors between replicas."""
        import tensorflow as tf

        def run(sources: Any, gains: Any, *others: Any) -> Any:
            return self.strategy.run(function, args=(sources, gains, *others))

        graph = tf.function(run, autograph=False)

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
                raise UserError("a worker was lost; restart all workers to resume after the last epoch") from None

        return call

    def mean(self, values: list[Any]) -> list[Any]:
        import tensorflow as tf

        return list(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values))

    def check(self, batch: int, optimizer: str, settings: object) -> None:
        if batch % self.count:
            raise ParamError("sampling.batch", f"must be a multiple of the {self.count} replicas, not {batch}")
        if optimizer == "lbfgs":
            raise ParamError("optimizer.name", f"lbfgs trains in one process; unset {VARIABLE}")
        mine = np.frombuffer(hashlib.sha256(repr(settings).encode()).digest(), np.int64)
        if not np.array_equal(mine, self._from_chief(mine)):
            raise UserError("this worker has other parameters or features than the chief; copy them")

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
        """Each replica's share of an array (nb_sources, nb_batch, …)."""
        import tensorflow as tf

        parts = np.split(array, self.count, axis=1)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    def _from_chief(self, array: np.ndarray) -> np.ndarray:
        """The first replica's array of integers; the shape is the same on all replicas."""
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
    """Names of the GPUs that TensorFlow finds."""
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


@cache
def replicas() -> Replicas:
    """The replicas that train: the workers of TF_CONFIG, all GPUs of this machine, or this process alone.

    With workers, TensorFlow must not have been used in this process before.
    """
    import tensorflow as tf

    if nb_processes() > 1:
        return Several(tf.distribute.MultiWorkerMirroredStrategy())
    devices = gpus()
    return Several(tf.distribute.MirroredStrategy(devices)) if len(devices) > 1 else Replicas()
