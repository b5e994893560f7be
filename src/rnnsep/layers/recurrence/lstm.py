"""Long short-term memory without peepholes."""

from typing import Any

import tensorflow as tf

from rnnsep.layers.recurrence.scan import Tensors, compiled, previous, product, scan, start, swapped


def lstm(projected: Any, kernel: Any, reverse: bool) -> Any:
    """
    States of an LSTM over a projected sequence.

    projected: x W + b of each frame, (nb_batch, nb_frames, 4 units), gates in Keras' order: input i,
    forget f, candidate g, output o.
    kernel: (units, 4 units). reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_batch, nb_frames, units). Source: F. A. Gers,
    J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with LSTM", Neural Computation 12(10), 2000.
    """

    @tf.custom_gradient
    def function(projected: Any, kernel: Any) -> tuple[Any, Any]:
        states, *slopes = _forward(projected, kernel, reverse)

        def gradient(d_states: Any) -> Tensors:
            d_projected, before = _backward(d_states, states, tf.transpose(kernel), slopes, reverse)
            return d_projected, product(before, d_projected)

        return states, gradient

    return function(projected, kernel)


@compiled
def _forward(projected: Any, kernel: Any, reverse: bool) -> Tensors:
    """The states, (nb_batch, nb_frames, units), and the slopes for the backward pass, time first."""

    def step(t: Any, carry: Tensors) -> tuple[Tensors, Tensors]:
        h, cell = carry
        i, f, g, o = tf.split(projected[:, t] + tf.matmul(h, kernel), 4, 1)
        i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
        # slopes of the new cell by the sums inside i, f, g; of the new state by that in o and by the cell
        by_i, by_f, by_g = g * i * (1 - i), cell * f * (1 - f), i * (1 - g * g)
        cell = f * cell + i * g
        squashed = tf.tanh(cell)
        by_o, by_cell = squashed * o * (1 - o), o * (1 - squashed * squashed)
        h = o * squashed
        return (h, cell), (h, f, by_i, by_f, by_g, by_o, by_cell)

    zeros = start(projected, kernel.shape[0])
    _, (states, *slopes) = scan(step, (zeros, zeros), projected.shape[1], 7, reverse)
    return (swapped(states), *slopes)


@compiled
def _backward(d_states: Any, states: Any, transposed: Any, slopes: Tensors, reverse: bool) -> Tensors:
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
