"""The loop over the frames of a sequence, and products over all frames."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensors = tuple[Any, ...]
PAGE = 4096  # bytes


def scan(
    step: Callable[[Any, Tensors], tuple[Tensors, Tensors]],
    carry: Tensors,
    nb_frames: int,
    nb_emitted: int,
    reverse: bool,
) -> tuple[Tensors, Tensors]:
    """Run `carry, emitted = step(t, carry)` for every frame t and stack the emitted tensors.

    nb_emitted: how many tensors `step` emits, each shaped like carry[0], (nb_batch, units).
    reverse: from the last frame to the first; emitted sequences stay in the order of time.

    Returns the last carry, and the emitted sequences, each (nb_frames, nb_batch, units).
    """
    like = carry[0]
    arrays = tuple(tf.TensorArray(like.dtype, nb_frames, element_shape=like.shape) for _ in range(nb_emitted))

    def body(count: Any, carry: Tensors, arrays: Tensors) -> tuple[Any, Tensors, Tensors]:
        t = nb_frames - 1 - count if reverse else count
        carry, emitted = step(t, carry)
        return count + 1, carry, tuple(map(lambda array, one: array.write(t, one), arrays, emitted))

    _, carry, arrays = tf.while_loop(
        lambda count, *_: count < nb_frames, body, (0, carry, arrays), maximum_iterations=nb_frames
    )
    return carry, tuple(array.stack() for array in arrays)


def swapped(sequence: Any) -> Any:
    """(nb_frames, nb_batch, units) to (nb_batch, nb_frames, units) and back."""
    return tf.transpose(sequence, (1, 0, 2))


def start(sequence: Any, units: int) -> Any:
    """The state before the first frame, zeros (nb_batch, units)."""
    return tf.zeros((sequence.shape[0], units), sequence.dtype)


def previous(states: Any, reverse: bool) -> Any:
    """The state before each frame, from the states after each frame (nb_batch, nb_frames, units)."""
    zeros = tf.zeros_like(states[:, :1])
    return tf.concat([states[:, 1:], zeros], 1) if reverse else tf.concat([zeros, states[:, :-1]], 1)


def product(inputs: Any, gradients: Any) -> Any:
    """Gradient of a matrix that multiplies all frames, as one product over all frames."""
    rows, columns = inputs.shape[-1], gradients.shape[-1]
    inputs, gradients = (padded(tf.reshape(one, (-1, one.shape[-1]))) for one in (inputs, gradients))
    return tf.matmul(inputs, gradients, transpose_a=True)[:rows, :columns]


def padded(matrix: Any) -> Any:
    """`matrix`, with 16 columns of zeros appended if its rows are a multiple of a page long.

    The elements of a column then map to so few cache sets that they evict each other, and some products
    take twice as long.
    """
    is_aligned = matrix.shape[1] * matrix.dtype.size % PAGE == 0
    return tf.pad(matrix, ((0, 0), (0, 16))) if is_aligned else matrix


def projected(x: Any, kernel: Any, bias: Any) -> Any:
    """x W + b of all frames as one product: x (nb_batch, nb_frames, nb_features)."""
    y = _times(tf.reshape(x, (-1, x.shape[2])), kernel) + bias
    return tf.reshape(y, (x.shape[0], x.shape[1], kernel.shape[1]))


@tf.custom_gradient
def _times(x: Any, kernel: Any) -> Any:
    """`tf.matmul(x, kernel)`, whose gradients are products of padded matrices (see `padded`)."""

    def gradient(dy: Any) -> Any:
        dy = padded(dy)
        return tf.matmul(dy, padded(kernel), transpose_b=True), product(x, dy)[:, : kernel.shape[1]]

    return tf.matmul(x, kernel), gradient


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(sequence, …)`, compiled by XLA where a graph is traced.

    Graphs of many layers trace it once for all arguments of the same shapes.
    """
    by_xla = tf.function(function, jit_compile=True, autograph=False)

    def call(*arguments: Any) -> Any:
        if tf.executing_eagerly():
            return function(*arguments)
        # its concrete function, since calls of many shapes would make TensorFlow warn
        return by_xla.get_concrete_function(*arguments)(*arguments)

    return call
