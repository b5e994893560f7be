"""Gated recurrent unit, with the reset gate after the product, as cuDNN and Keras compute it."""

from typing import Any

import tensorflow as tf

from rnnsep.learning.recurrence.scan import Tensors, accumulated, previous, scan


def gru(projected: Any, kernel: Any, bias: Any, initial: Any, reverse: bool) -> Any:
    """
    States of a GRU over a projected sequence.

    projected: x W + b of each frame, (nb_frames, nb_batch, 3 units), gates in Keras' order: update z,
    reset r, candidate c.
    kernel: (units, 3 units). bias: (3 units,). initial: state before the first frame, (nb_batch, units).
    reverse: run from the last frame to the first.

    Returns the state after each frame, (nb_frames, nb_batch, units). Source: Cho et al. 2014
    (eq. 5 to 8), with the reset gate moved behind the product.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def function(projected: Any, kernel: Any, bias: Any, initial: Any) -> tuple[Any, Any]:
        units = kernel.shape[0]

        def step(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
            (h,), (x,) = carry, frame
            product = tf.matmul(h, kernel) + bias
            z = tf.sigmoid(x[:, :units] + product[:, :units])
            r = tf.sigmoid(x[:, units : 2 * units] + product[:, units : 2 * units])
            q = product[:, 2 * units :]
            c = tf.tanh(x[:, 2 * units :] + r * q)
            h = c + z * (h - c)
            return (h,), (h, z, r, c, q)

        _, (h, z, r, c, q) = scan(step, (initial,), (projected,), (units,) * 5, reverse)
        before = previous(h, initial, reverse)

        def gradient(dh: Any) -> Tensors:
            transposed = tf.transpose(kernel)

            def step_back(carry: Tensors, frame: Tensors) -> tuple[Tensors, Tensors]:
                (dh,), (dh_here, h, z, r, c, q) = carry, frame
                dh = dh + dh_here
                dc = dh * (1 - z) * (1 - c * c)
                dz = dh * (h - c) * z * (1 - z)
                dr = dc * q * r * (1 - r)
                d_product = tf.concat([dz, dr, dc * r], 1)
                return (dh * z + tf.matmul(d_product, transposed),), (d_product, dc)

            (d_initial,), (d_product, dc) = scan(
                step_back,
                (tf.zeros_like(initial),),
                (dh, before, z, r, c, q),
                (3 * units, units),
                not reverse,
            )
            d_projected = tf.concat([d_product[..., : 2 * units], dc], 2)
            return d_projected, accumulated(before, d_product), tf.reduce_sum(d_product, (0, 1)), d_initial

        return h, gradient

    return function(projected, kernel, bias, initial)
