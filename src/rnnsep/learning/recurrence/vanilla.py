"""Recurrent layer without gates."""

from typing import Any

import tensorflow as tf

from rnnsep.learning.recurrence.scan import Tensors, accumulated, previous, scan


def vanilla(projected: Any, kernel: Any, initial: Any, activation: str, reverse: bool) -> Any:
    """
    States of a recurrent layer h' = activation(x W + b + h U) over a projected sequence.

    projected: x W + b of each frame, (nb_frames, nb_batch, units).
    kernel: U, (units, units). initial: state before the first frame, (nb_batch, units).
    activation: "tanh" or "relu". reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_frames, nb_batch, units). Source: Elman 1990.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(projected: Any, kernel: Any, initial: Any) -> tuple[Any, Any]:
        units = kernel.shape[0]
        squash = {"tanh": tf.tanh, "relu": tf.nn.relu}[activation]

        def step(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
            (h,), (x,) = carry, frame
            h = squash(x + tf.matmul(h, kernel))
            return (h,), (h,)

        _, (h,) = scan(step, (initial,), (projected,), (units,), reverse)

        def gradient(dh: Any) -> Tensors:
            transposed = tf.transpose(kernel)

            def step_back(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
                (dh,), (dh_here, h) = carry, frame
                slope = 1 - h * h if activation == "tanh" else tf.cast(h > 0, h.dtype)
                d_sum = (dh + dh_here) * slope
                return (tf.matmul(d_sum, transposed),), (d_sum,)

            (d_initial,), (d_sum,) = scan(
                step_back, (tf.zeros_like(initial),), (dh, h), (units,), not reverse
            )
            return d_sum, accumulated(previous(h, initial, reverse), d_sum), d_initial

        return h, gradient

    return function(projected, kernel, initial)
