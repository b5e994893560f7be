"""A loop over the frames of a sequence, the one thing that a recurrent layer cannot do at once."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensors = tuple[Any, ...]
Step = Callable[[Tensors, Tensors], tuple[Tensors, Tensors]]


def scan(step: Step, carry: Tensors, frames: Sequence[Any], widths: Sequence[int], reverse: bool) -> Tensors:
    """
    Run `carry, emitted = step(carry, frame)` over all frames and stack what it emits.

    frames: sequences of shape (nb_frames, nb_batch, any width); `step` gets one frame of each.
    widths: widths of the tensors that `step` emits.
    reverse: from the last frame to the first; what is emitted stays in the order of time.

    Returns the last carry, and the emitted sequences, each (nb_frames, nb_batch, its width).
    """
    nb_frames = frames[0].shape[0] or tf.shape(frames[0])[0]
    nb_batch, dtype = frames[0].shape[1], frames[0].dtype
    inputs = [tf.TensorArray(dtype, nb_frames).unstack(sequence) for sequence in frames]
    outputs = tuple(tf.TensorArray(dtype, nb_frames, element_shape=(nb_batch, width)) for width in widths)

    def body(count: Any, carry: Tensors, outputs: Tensors) -> tuple[Any, Tensors, Tensors]:
        index = nb_frames - 1 - count if reverse else count
        carry, emitted = step(carry, tuple(sequence.read(index) for sequence in inputs))
        written = tuple(array.write(index, one) for array, one in zip(outputs, emitted, strict=True))
        return count + 1, carry, written

    _, carry, outputs = tf.while_loop(
        lambda count, *_: count < nb_frames, body, (0, carry, outputs), maximum_iterations=nb_frames
    )
    return carry, tuple(array.stack() for array in outputs)


def previous(states: Any, initial: Any, reverse: bool) -> Any:
    """The state before each frame, from the states after each frame (nb_frames, nb_batch, units)."""
    if reverse:
        return tf.concat([states[1:], initial[tf.newaxis]], 0)
    return tf.concat([initial[tf.newaxis], states[:-1]], 0)


def accumulated(inputs: Any, gradients: Any) -> Any:
    """Gradient of a matrix that multiplies all frames: one product, input' x gradient, over all of them."""
    nb_inputs, nb_outputs = inputs.shape[-1], gradients.shape[-1]
    return tf.matmul(
        tf.reshape(inputs, (-1, nb_inputs)), tf.reshape(gradients, (-1, nb_outputs)), transpose_a=True
    )
