"""The dense output layers of a network, one per source."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


class Heads(keras.layers.Layer):
    """A dense layer per source: (nb_batch, nb_frames, nb_units) to (nb_sources, nb_batch, nb_frames, width)."""

    def __init__(self, nb_sources: int, width: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.nb_sources, self.width = nb_sources, width

    def build(self, shape: tuple[int, ...]) -> None:
        # Glorot's fans are those of a single dense layer
        limit = float(np.sqrt(6 / (shape[-1] + self.width)))
        uniform = keras.initializers.RandomUniform(-limit, limit, seed=keras.random.SeedGenerator())
        self.kernel = self.add_weight(
            shape=(self.nb_sources, shape[-1], self.width), initializer=uniform, name="kernel"
        )
        self.bias = self.add_weight(shape=(self.nb_sources, 1, self.width), initializer="zeros", name="bias")
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        nb_batch, nb_frames = tf.shape(x)[0], tf.shape(x)[1]
        flat = tf.reshape(x, (1, -1, x.shape[-1]))
        y = tf.matmul(flat, self.kernel) + self.bias
        return tf.reshape(y, (self.nb_sources, nb_batch, nb_frames, self.width))
