"""Recurrent layer without gates."""

from typing import Any

import tensorflow as tf

from rnnsep.network.recurrence.scan import Tensors, compiled, length, previous, product, scan, swapped


def vanilla(projected: Any, kernel: Any, initial: Any, activation: str, reverse: bool) -> Any:
    """
    States of a recurrent layer h' = activation(x W + b + h U) over a projected sequence.

    projected: x W + b of each frame, (nb_batch, nb_frames, units).
    kernel: U, (units, units). initial: state before the first frame, (nb_batch, units).
    activation: "tanh" or "relu". reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_batch, nb_frames, units). Source: Elman 1990.
    """

    @tf.custom_gradient
    def function(projected: Any, kernel: Any, initial: Any) -> tuple[Any, Any]:
        states = _forward(projected, kernel, initial, activation, reverse)

        def gradient(d_states: Any) -> Tensors:
            d_projected, before, d_initial = _backward(
                d_states, states, initial, tf.transpose(kernel), activation, reverse
            )
            return d_projected, product(before, d_projected), d_initial

        return states, gradient

    return function(projected, kernel, initial)


@compiled
def _forward(projected: Any, kernel: Any, initial: Any, activation: str, reverse: bool) -> Any:
    squash = {"tanh": tf.tanh, "relu": tf.nn.relu}[activation]

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = squash(projected[:, t] + tf.matmul(carry[0], kernel))
        return (h,), (h,)

    _, (states,) = scan(step, (initial,), length(projected), 1, reverse)
    return swapped(states)


@compiled
def _backward(d_states: Any, states: Any, initial: Any, transposed: Any, activation: str, reverse: bool) -> Tensors:
    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = states[:, t]
        slope = 1 - h * h if activation == "tanh" else tf.cast(h > 0, h.dtype)
        d_sum = (carry[0] + d_states[:, t]) * slope
        return (tf.matmul(d_sum, transposed),), (d_sum,)

    (d_initial,), (d_sum,) = scan(step, (tf.zeros_like(initial),), length(d_states), 1, not reverse)
    return swapped(d_sum), previous(states, initial, reverse), d_initial
