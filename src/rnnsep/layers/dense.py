"""The block `network.dense` as a Keras layer."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnnsep.network import dense


def glorot(shape: tuple[int, ...]) -> Any:
    """Glorot's initializer of a kernel (nb_sources, width, nb_outputs), with the fans of a single dense layer."""
    limit = float(np.sqrt(6 / (shape[1] + shape[2])))
    return keras.initializers.RandomUniform(-limit, limit, seed=keras.random.SeedGenerator())


class Layer(keras.layers.Layer):
    """A dense layer per source on the hidden state."""

    def __init__(self, head: dense.DenseHead, **kwargs: Any):
        super().__init__(**kwargs)
        self.head = head
        shapes = head.shapes
        self.kernel = self.add_weight(shape=shapes["kernel"], initializer=glorot(shapes["kernel"]), name="kernel")
        self.bias = self.add_weight(shape=shapes["bias"], initializer="zeros", name="bias")
        self.built = True

    def call(self, features: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:  # noqa: ARG002  # as all heads
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels) of `hidden` (nb_batch, nb_frames, width)."""
        sizes, (nb_batch, nb_frames, width) = self.head.sizes, hidden.shape
        y = tf.matmul(tf.reshape(hidden, (1, -1, width)), self.kernel) + self.bias
        return tf.reshape(y, (sizes.nb_sources, nb_batch, nb_frames, sizes.nb_bands, sizes.nb_channels))
