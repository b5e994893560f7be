"""Long short-term memory without peepholes."""

from typing import Any

import tensorflow as tf

from rnnsep.learning.recurrence.scan import Tensors, accumulated, previous, scan


def lstm(projected: Any, kernel: Any, initial: Any, initial_cell: Any, reverse: bool) -> Any:
    """
    States of an LSTM over a projected sequence.

    projected: x W + b of each frame, (nb_frames, nb_batch, 4 units), gates in Keras' order: input i,
    forget f, candidate g, output o.
    kernel: (units, 4 units). initial, initial_cell: state and cell before the first
    frame, (nb_batch, units).
    reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_frames, nb_batch, units), and the last cell, (nb_batch, units).
    Source: Gers, Schmidhuber, Cummins 2000 (forget gate).
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(projected: Any, kernel: Any, initial: Any, initial_cell: Any) -> tuple[Any, Any]:
        units = kernel.shape[0]

        def step(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
            (h, cell), (x,) = carry, frame
            i, f, g, o = tf.split(x + tf.matmul(h, kernel), 4, 1)
            i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
            cell = f * cell + i * g
            squashed = tf.tanh(cell)
            h = o * squashed
            return (h, cell), (h, cell, squashed, i, f, g, o)

        (_, last_cell), (h, cell, squashed, i, f, g, o) = scan(
            step, (initial, initial_cell), (projected,), (units,) * 7, reverse
        )

        def gradient(dh: Any, d_last_cell: Any) -> Tensors:
            transposed = tf.transpose(kernel)

            def step_back(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
                (dh, d_cell), (dh_here, cell, squashed, i, f, g, o) = carry, frame
                dh = dh + dh_here
                d_cell = d_cell + dh * o * (1 - squashed * squashed)
                d_gates = tf.concat(
                    [
                        d_cell * g * i * (1 - i),
                        d_cell * cell * f * (1 - f),
                        d_cell * i * (1 - g * g),
                        dh * squashed * o * (1 - o),
                    ],
                    1,
                )
                return (tf.matmul(d_gates, transposed), d_cell * f), (d_gates,)

            (d_initial, d_initial_cell), (d_gates,) = scan(
                step_back,
                (tf.zeros_like(initial), d_last_cell),
                (dh, previous(cell, initial_cell, reverse), squashed, i, f, g, o),
                (4 * units,),
                not reverse,
            )
            before = previous(h, initial, reverse)
            return d_gates, accumulated(before, d_gates), d_initial, d_initial_cell

        return (h, last_cell), gradient

    return function(projected, kernel, initial, initial_cell)
