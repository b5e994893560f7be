"""The loops of a GRU, an LSTM and a layer without gates, each with a backward loop of its own.

A loop is a function `states(x, weights, reverse)` of x (nb_batch, nb_frames, nb_features) and of the Keras layer's
weights: kernel W, recurrent kernel U (units, gates units) and bias. It returns the state after each frame, (nb_batch,
nb_frames, units); with `reverse` it runs from the last frame to the first. Gates are in Keras' order. The cells are
those of `rnnsep.network.recurrence`.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnnsep.layers.recurrence.scan import Tensors, compiled, previous, product, projected, scan, start, swapped

States = Callable[[Any, list[Any], bool], Any]


def gru(x: Any, weights: list[Any], reverse: bool) -> Any:
    """The states of a GRU, gates z, r, c, with the reset gate after the product, as cuDNN and Keras compute it."""

    @tf.custom_gradient
    def function(inputs: Any, kernel: Any, bias: Any) -> tuple[Any, Any]:
        states, *slopes = _gru_forward(inputs, kernel, bias, reverse)

        def gradient(d_states: Any) -> Tensors:
            d_inputs, d_candidate, before, d_bias = _gru_backward(
                d_states, states, tf.transpose(kernel), slopes, reverse
            )
            d_gates = d_inputs[..., : 2 * kernel.shape[0]]
            d_kernel = tf.concat([product(before, d_gates), product(before, d_candidate)], 1)
            return d_inputs, d_kernel, d_bias

        return states, gradient

    kernel, recurrent_kernel, bias = weights
    return function(projected(x, kernel, bias[0]), recurrent_kernel, bias[1])


def _states(forward: Callable[..., Tensors], backward: Callable[..., Tensors]) -> States:
    """The loop of a cell whose states depend on x W + b and U alone.

    `forward` returns the states and the slopes for the backward pass, time first; `backward` the gradient of x W + b
    and the state before each frame.
    """

    def states(x: Any, weights: list[Any], reverse: bool) -> Any:
        @tf.custom_gradient
        def function(inputs: Any, kernel: Any) -> tuple[Any, Any]:
            states, *slopes = forward(inputs, kernel, reverse)

            def gradient(d_states: Any) -> Tensors:
                d_inputs, before = backward(d_states, states, tf.transpose(kernel), slopes, reverse)
                return d_inputs, product(before, d_inputs)

            return states, gradient

        kernel, recurrent_kernel, bias = weights
        return function(projected(x, kernel, bias), recurrent_kernel)

    return states


@compiled
def _gru_forward(inputs: Any, kernel: Any, bias: Any, reverse: bool) -> Tensors:
    """The states, (nb_batch, nb_frames, units), and the slopes for the backward pass, time first."""
    units = kernel.shape[0]

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        (h,), x = carry, inputs[:, t]
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

    _, (states, *slopes) = scan(step, (start(inputs, units),), inputs.shape[1], 6, reverse)
    return (swapped(states), *slopes)


@compiled
def _gru_backward(d_states: Any, states: Any, transposed: Any, slopes: Tensors, reverse: bool) -> Tensors:
    z, by_z, by_r, by_q, by_c = slopes

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        dh = carry[0] + d_states[:, t]
        du = tf.concat([dh * by_z[t], dh * by_r[t], dh * by_q[t]], 1)
        return (dh * z[t] + tf.matmul(du, transposed),), (dh,)

    units = transposed.shape[1]
    _, (dh,) = scan(step, (start(d_states, units),), d_states.shape[1], 1, not reverse)
    d_inputs = tf.concat([swapped(dh * by) for by in (by_z, by_r, by_c)], 2)
    d_candidate = swapped(dh * by_q)
    d_bias = tf.concat([tf.reduce_sum(dh * by, (0, 1)) for by in (by_z, by_r, by_q)], 0)
    return d_inputs, d_candidate, previous(states, reverse), d_bias


@compiled
def _lstm_forward(inputs: Any, kernel: Any, reverse: bool) -> Tensors:
    """The states, (nb_batch, nb_frames, units), and the slopes for the backward pass, time first."""

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h, cell = carry
        i, f, g, o = tf.split(inputs[:, t] + tf.matmul(h, kernel), 4, 1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        # slopes of the new cell by the sums inside i, f, g; of the new state by that in o and by the cell
        by_i, by_f, by_g = g * i * (1 - i), cell * f * (1 - f), i * (1 - g * g)
        cell = f * cell + i * g
        squashed = tf.tanh(cell)
        by_o, by_cell = squashed * o * (1 - o), o * (1 - squashed * squashed)
        h = o * squashed
        return (h, cell), (h, f, by_i, by_f, by_g, by_o, by_cell)

    zeros = start(inputs, kernel.shape[0])
    _, (states, *slopes) = scan(step, (zeros, zeros), inputs.shape[1], 7, reverse)
    return (swapped(states), *slopes)


@compiled
def _lstm_backward(d_states: Any, states: Any, transposed: Any, slopes: Tensors, reverse: bool) -> Tensors:
    f, by_i, by_f, by_g, by_o, by_cell = slopes

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        dh, d_cell = carry
        dh = dh + d_states[:, t]
        d_cell = d_cell + dh * by_cell[t]
        d_sums = tf.concat([d_cell * by_i[t], d_cell * by_f[t], d_cell * by_g[t], dh * by_o[t]], 1)
        return (tf.matmul(d_sums, transposed), d_cell * f[t]), (dh, d_cell)

    zeros = start(d_states, transposed.shape[1])
    _, (dh, d_cell) = scan(step, (zeros, zeros), d_states.shape[1], 2, not reverse)
    d_sums = (d_cell * by_i, d_cell * by_f, d_cell * by_g, dh * by_o)
    return tf.concat([swapped(one) for one in d_sums], 2), previous(states, reverse)


@compiled
def _vanilla_forward(inputs: Any, kernel: Any, reverse: bool) -> Tensors:
    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = tf.nn.relu(inputs[:, t] + tf.matmul(carry[0], kernel))
        return (h,), (h,)

    _, (states,) = scan(step, (start(inputs, kernel.shape[0]),), inputs.shape[1], 1, reverse)
    return (swapped(states),)


@compiled
def _vanilla_backward(d_states: Any, states: Any, transposed: Any, _: Tensors, reverse: bool) -> Tensors:
    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h = states[:, t]
        d_sum = (carry[0] + d_states[:, t]) * tf.cast(h > 0, h.dtype)
        return (tf.matmul(d_sum, transposed),), (d_sum,)

    _, (d_sum,) = scan(step, (start(d_states, transposed.shape[1]),), d_states.shape[1], 1, not reverse)
    return swapped(d_sum), previous(states, reverse)


lstm = _states(_lstm_forward, _lstm_backward)
vanilla = _states(_vanilla_forward, _vanilla_backward)
