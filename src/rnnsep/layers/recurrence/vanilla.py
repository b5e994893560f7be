"""Recurrent layer without gates."""

from typing import Any

import tensorflow as tf

from rnnsep.layers.recurrence.scan import Tensors, compiled, previous, product, scan, start, swapped


def vanilla(projected: Any, kernel: Any, reverse: bool) -> Any:
    """
    States of a recurrent layer h' = max(0, x W + b + h U) over a projected sequence.

    projected: x W + b of each frame, (nb_batch, nb_frames, units).
    kernel: U, (units, units). reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_batch, nb_frames, units). Source: J. L. Elman,
    "Finding structure in time", Cognitive Science 14(2), 1990; with ReLU the network of Huang et al., 2014 (see
    `network.mask`).
    """

    @tf.custom_gradient
    def function(projected: Any, kernel: Any) -> tuple[Any, Any]:
        states = _forward(projected, kernel, reverse)

        def gradient(d_states: Any) -> Tensors:
            d_projected, before = _backward(d_states, states, tf.transpose(kernel), reverse)
            return d_projected, product(before, d_projected)

        return states, gradient

    return function(projected, kernel)


@compiled
def _forward(projected: Any, kernel: Any, reverse: bool) -> Any:
    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = tf.nn.relu(projected[:, t] + tf.matmul(carry[0], kernel))
        return (h,), (h,)

    _, (states,) = scan(step, (start(projected, kernel.shape[0]),), projected.shape[1], 1, reverse)
    return swapped(states)


@compiled
def _backward(d_states: Any, states: Any, transposed: Any, reverse: bool) -> Tensors:
    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = states[:, t]
        d_sum = (carry[0] + d_states[:, t]) * tf.cast(h > 0, h.dtype)
        return (tf.matmul(d_sum, transposed),), (d_sum,)

    _, (d_sum,) = scan(step, (start(d_states, transposed.shape[1]),), d_states.shape[1], 1, not reverse)
    return swapped(d_sum), previous(states, reverse)
