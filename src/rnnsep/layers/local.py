"""The block `network.local` as a Keras layer."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from rnnsep.layers.dense import glorot
from rnnsep.network import local
from rnnsep.network.local import GROUP


def with_contrast(x: tf.Tensor, radii: Sequence[int], nb_channels: int, future: bool) -> tf.Tensor:
    """Inputs (nb_inputs, nb_bands, nb_batch, nb_frames) and their contrast (see `network.local.with_contrast`)."""
    level = tf.reduce_mean(x[:nb_channels], axis=0)
    features = tf.unstack(x)
    for radius in radii:
        bands = around(x.shape[1], radius, radius)
        frames = around(x.shape[3], radius, radius * future)
        in_bands, in_frames = tf.tensordot(bands, level, 1), tf.tensordot(level, frames, ((2,), (1,)))
        features += [level - in_bands, level - in_frames]
    return tf.stack(features)


class Layer(keras.layers.Layer):
    """See `network.local.LocalHead`."""

    def __init__(self, head: local.LocalHead, **kwargs: Any):
        super().__init__(**kwargs)
        self.head = head
        shapes = head.shapes
        self.weight = self.add_weight(shape=shapes["weight"], initializer="zeros", name="weight")
        kernel = shapes["gate_kernel"]
        self.kernel = self.add_weight(shape=kernel, initializer=glorot(kernel), name="gate_kernel")
        self.bias = self.add_weight(shape=shapes["gate_bias"], initializer="zeros", name="gate_bias")
        self.built = True

    def call(self, features: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).

        `features` are (nb_features, nb_bands, nb_batch, nb_frames), `hidden` is (nb_batch, nb_frames, width).
        """
        # frames are last throughout, so that each term is one pass over contiguous memory
        sizes, nb_groups = self.head.sizes, self.head.nb_groups
        nb_features, nb_bands, nb_batch, nb_frames = features.shape
        nb_masks = sizes.nb_sources * sizes.nb_channels
        features = tf.pad(features, ((0, 0), (0, nb_groups * GROUP - nb_bands), (0, 0), (0, 0)))
        features = tf.reshape(features, (nb_features, nb_groups, GROUP, 1, nb_batch * nb_frames))
        # (nb_features, nb_groups, 1, nb_masks, nb_batch nb_frames), all bands of a group alike
        kernel, bias = (self._by_output(w) for w in (self.kernel, self.bias))
        gate = tf.matmul(kernel, tf.reshape(hidden, (-1, hidden.shape[2])), transpose_b=True) + bias
        gate = tf.reshape(gate, (nb_features, nb_groups, 1, nb_masks, nb_batch * nb_frames))
        # (nb_features, nb_groups, GROUP, nb_masks, 1), all frames alike
        weight = tf.transpose(self.weight, (0, 2, 3, 1, 4))
        weight = tf.reshape(weight, (nb_features, nb_groups, GROUP, nb_masks, 1))
        terms = zip(*map(tf.unstack, (gate, weight, features)), strict=True)
        y = sum((g + w) * f for g, w, f in terms)
        # a product, so that XLA does not compute y once more for each element of its transpose, ten times slower
        y = tf.matmul(tf.eye(nb_masks, batch_shape=(nb_groups, GROUP)), y)
        y = tf.reshape(y, (nb_groups * GROUP, sizes.nb_sources, sizes.nb_channels, nb_batch, nb_frames))
        return tf.transpose(y[:nb_bands], (1, 3, 4, 0, 2))

    def _by_output(self, w: tf.Tensor) -> tf.Tensor:
        """A weight of the gate, (nb_sources, …, nb_features nb_groups nb_channels), one row for each of its outputs."""
        sizes = self.head.sizes
        w = tf.reshape(w, (sizes.nb_sources, w.shape[1], sizes.nb_features, self.head.nb_groups, sizes.nb_channels))
        return tf.reshape(tf.transpose(w, (2, 3, 0, 4, 1)), (-1, w.shape[1]))


def around(size: int, before: int, after: int) -> tf.Tensor:
    """The matrix (size, size) whose row t takes the mean over [t - before, t + after], clipped to [0, size)."""
    band = tf.linalg.band_part(tf.ones((size, size)), min(before, size), min(after, size))
    return band / tf.reduce_sum(band, axis=1, keepdims=True)
