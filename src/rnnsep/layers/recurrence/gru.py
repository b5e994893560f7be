"""Gated recurrent unit, with the reset gate after the product, as cuDNN and Keras compute it."""

from typing import Any

import tensorflow as tf

from rnnsep.layers.recurrence.scan import Tensors, compiled, previous, product, scan, start, swapped


def gru(projected: Any, kernel: Any, bias: Any, reverse: bool) -> Any:
    """
    States of a GRU over a projected sequence.

    projected: x W + b of each frame, (nb_batch, nb_frames, 3 units), gates in Keras' order: update z,
    reset r, candidate c.
    kernel: (units, 3 units). bias: (3 units,). reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_batch, nb_frames, units). Source: K. Cho et al.,
    "Learning phrase representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014 (eq. 5
    to 8), with the reset gate after the product.
    """

    @tf.custom_gradient
    def function(projected: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
        states, *slopes = _forward(projected, kernel, bias, reverse)

        def gradient(d_states: Any) -> Tensors:
            d_projected, d_candidate, before, d_bias = _backward(
                d_states, states, tf.transpose(kernel), slopes, reverse
            )
            d_gates = d_projected[..., : 2 * kernel.shape[0]]
            d_kernel = tf.concat([product(before, d_gates), product(before, d_candidate)], 1)
            return d_projected, d_kernel, d_bias

        return states, gradient

    return function(projected, kernel, bias)


@compiled
def _forward(projected: Any, kernel: Any, bias: Any, reverse: bool) -> Tensors:
    """The states, (nb_batch, nb_frames, units), and the slopes for the backward pass, time first."""
    units = kernel.shape[0]

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        (h,), x = carry, projected[:, t]
        u = tf.matmul(h, kernel) + bias
        z = tf.sigmoid(x[:, :units] + u[:, :units])
        r = tf.sigmoid(x[:, units : 2 * units] + u[:, units : 2 * units])
        q = u[:, 2 * units :]
        c = tf.tanh(x[:, 2 * units :] + r * q)
        # slopes of the new state by the sums inside z, r, c, and by q
        by_z = (h - c) * z * (1 - z)
        by_c = (1 - z) * (1 - c * c)
        by_q = by_c * r
        by_r = by_q * q * (1 - r)
        h = c + z * (h - c)
        return (h,), (h, z, by_z, by_r, by_q, by_c)

    _, (states, *slopes) = scan(step, (start(projected, units),), projected.shape[1], 6, reverse)
    return (swapped(states), *slopes)


@compiled
def _backward(d_states: Any, states: Any, transposed: Any, slopes: Tensors, reverse: bool) -> Tensors:
    z, by_z, by_r, by_q, by_c = slopes

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        dh = carry[0] + d_states[:, t]
        du = tf.concat([dh * by_z[t], dh * by_r[t], dh * by_q[t]], 1)
        return (dh * z[t] + tf.matmul(du, transposed),), (dh,)

    units = transposed.shape[1]
    _, (dh,) = scan(step, (start(d_states, units),), d_states.shape[1], 1, not reverse)
    d_projected = tf.concat([swapped(dh * by) for by in (by_z, by_r, by_c)], 2)
    d_candidate = swapped(dh * by_q)
    d_bias = tf.concat([tf.reduce_sum(dh * by, (0, 1)) for by in (by_z, by_r, by_q)], 0)
    return d_projected, d_candidate, previous(states, reverse), d_bias
