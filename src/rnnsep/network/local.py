"""Local contrast: how far a bin stands out from neighbouring bands and frames.

Voices and strings stand out from the bands above and below, drums from the frames before and after, as in
harmonic-percussive separation (Fitzgerald, 2010). The bands share most weights, so that little training data suffices.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from rnnsep.network.heads import Heads

GROUP = 8  # bands that share the weights of a frame


class LocalHeads(keras.layers.Layer):
    """Logits Σ_i (a_i + g_i) φ_i from features φ of the bin itself, to be added to those of the heads.

    The features are the standardised inputs and, for each of `radii`, the difference of the channels' mean to its own
    mean over that many bands on each side, and over that many frames on each side (only earlier frames, unless
    `future`). The weights a depend on source, channel and band; g, the output of a dense layer on the hidden state,
    depends on source, channel, frame and group of bands.
    """

    def __init__(self, nb_sources: int, nb_channels: int, radii: Sequence[int], future: bool, **kwargs: object):
        super().__init__(**kwargs)
        self.nb_sources, self.nb_channels, self.radii, self.future = nb_sources, nb_channels, tuple(radii), future

    def build(self, x_shape: tuple[int, ...], hidden_shape: tuple[int, ...]) -> None:
        """Shapes of the input (nb_batch, nb_frames, nb_bands, nb_inputs) and of the hidden state."""
        self.nb_bands, self.nb_inputs = x_shape[2:]
        self.nb_features = self.nb_inputs + 2 * len(self.radii)
        self.nb_groups = -(-self.nb_bands // GROUP)
        per_band = (self.nb_features, self.nb_sources, 1, 1, self.nb_groups, GROUP, self.nb_channels)
        self.weight = self.add_weight(shape=per_band, initializer="zeros", name="weight")
        self.gate = Heads(self.nb_sources, self.nb_features * self.nb_groups * self.nb_channels, name="gate")
        self.gate.build(hidden_shape)
        self.built = True

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """(nb_inputs, nb_bands, nb_batch, nb_frames) to (nb_features, nb_bands, nb_batch, nb_frames)."""
        level = tf.reduce_mean(x[: self.nb_channels], axis=0)
        nb_frames = x.shape[3] or tf.shape(x)[3]
        features = tf.unstack(x, self.nb_inputs)
        for radius in self.radii:
            bands = tf.cast(around(self.nb_bands, radius, radius), x.dtype)
            frames = tf.cast(around(nb_frames, radius, radius * self.future), x.dtype)
            in_bands, in_frames = tf.tensordot(bands, level, 1), tf.tensordot(level, frames, ((2,), (1,)))
            features += [level - in_bands, level - in_frames]
        return tf.stack(features)

    def call(self, x: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).

        `x` is the standardised input (see `build`), `hidden` the hidden state (nb_batch, nb_frames, nb_units).
        """
        # frames are last throughout, so that each term is one pass over contiguous memory
        nb_batch, nb_frames, nb_masks = tf.shape(x)[0], tf.shape(x)[1], self.nb_sources * self.nb_channels
        features = self.features(tf.transpose(x, (3, 2, 0, 1)))
        features = tf.pad(features, ((0, 0), (0, self.nb_groups * GROUP - self.nb_bands), (0, 0), (0, 0)))
        features = tf.reshape(features, (self.nb_features, self.nb_groups, GROUP, 1, nb_batch * nb_frames))
        # (nb_features, nb_groups, 1, nb_masks, nb_batch nb_frames), all bands of a group alike
        kernel, bias = (self._gate(w) for w in (self.gate.kernel, self.gate.bias))
        gate = tf.matmul(kernel, tf.reshape(hidden, (-1, hidden.shape[2])), transpose_b=True) + bias
        gate = tf.reshape(gate, (self.nb_features, self.nb_groups, 1, nb_masks, nb_batch * nb_frames))
        # (nb_features, nb_groups, GROUP, nb_masks, 1), all frames alike
        weight = tf.transpose(self.weight[:, :, 0, 0], (0, 2, 3, 1, 4))
        weight = tf.reshape(weight, (self.nb_features, self.nb_groups, GROUP, nb_masks, 1))
        terms = zip(*map(tf.unstack, (gate, weight, features)), strict=True)
        y = sum((g + w) * f for g, w, f in terms)
        # a product, so that XLA does not compute y once more for each element of its transpose, ten times slower
        y = tf.matmul(tf.eye(nb_masks, batch_shape=(self.nb_groups, GROUP), dtype=y.dtype), y)
        y = tf.reshape(y, (self.nb_groups * GROUP, self.nb_sources, self.nb_channels, nb_batch, nb_frames))
        return tf.transpose(y[: self.nb_bands], (1, 3, 4, 0, 2))

    def _gate(self, w: tf.Tensor) -> tf.Tensor:
        """A weight of the gate, (nb_sources, …, nb_features nb_groups nb_channels), one row for each of its outputs."""
        w = tf.reshape(w, (self.nb_sources, w.shape[1], self.nb_features, self.nb_groups, self.nb_channels))
        return tf.reshape(tf.transpose(w, (2, 3, 0, 4, 1)), (-1, w.shape[1]))


def around(size: int | tf.Tensor, before: int, after: int) -> tf.Tensor:
    """The matrix (size, size) whose row t takes the mean over [t - before, t + after], clipped to [0, size)."""
    band = tf.linalg.band_part(tf.ones((size, size)), tf.minimum(before, size), tf.minimum(after, size))
    return band / tf.reduce_sum(band, axis=1, keepdims=True)
