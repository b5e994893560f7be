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

    def build(self, shape: tuple[int, ...]) -> None:
        """`shape` is that of the input, (nb_batch, nb_frames, nb_bands, nb_inputs)."""
        self.nb_bands, self.nb_features = shape[2], shape[3] + 2 * len(self.radii)
        self.nb_groups = -(-self.nb_bands // GROUP)
        per_band = (self.nb_features, self.nb_sources, 1, 1, self.nb_groups, GROUP, self.nb_channels)
        self.weight = self.add_weight(shape=per_band, initializer="zeros", name="weight")
        self.gate = Heads(self.nb_sources, self.nb_features * self.nb_groups * self.nb_channels, name="gate")
        self.built = True

    def features(self, x: tf.Tensor) -> tf.Tensor:
        """(nb_batch, nb_frames, nb_bands, nb_inputs) to (…, nb_bands, nb_features)."""
        level = tf.reduce_mean(x[..., : self.nb_channels], axis=-1, keepdims=True)
        nb_frames = x.shape[1] or tf.shape(x)[1]
        features = [x]
        for radius in self.radii:
            in_bands = tf.einsum("fg,btgc->btfc", around(self.nb_bands, radius, radius), level)
            in_frames = tf.einsum("ts,bsfc->btfc", around(nb_frames, radius, radius * self.future), level)
            features += [level - in_bands, level - in_frames]
        return tf.concat(features, axis=-1)

    def call(self, x: tf.Tensor, hidden: tf.Tensor) -> tf.Tensor:
        """Logits (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).

        `x` is the standardised input (see `build`), `hidden` the hidden state (nb_batch, nb_frames, nb_units).
        """
        nb_batch, nb_frames = tf.shape(x)[0], tf.shape(x)[1]
        filled = tf.pad(self.features(x), ((0, 0), (0, 0), (0, self.nb_groups * GROUP - self.nb_bands), (0, 0)))
        features = tf.reshape(filled, (1, nb_batch, nb_frames, self.nb_groups, GROUP, 1, self.nb_features))
        # (nb_sources, nb_batch, nb_frames, nb_features, nb_groups, 1, nb_channels), all bands of a group alike
        shape = (self.nb_sources, nb_batch, nb_frames, self.nb_features, self.nb_groups, 1, self.nb_channels)
        gate = tf.reshape(self.gate(hidden), shape)
        y = sum((gate[:, :, :, i] + self.weight[i]) * features[..., i] for i in range(self.nb_features))
        return tf.reshape(y, (self.nb_sources, nb_batch, nb_frames, -1, self.nb_channels))[:, :, :, : self.nb_bands]


def around(size: int | tf.Tensor, before: int, after: int) -> tf.Tensor:
    """The matrix (size, size) whose row t takes the mean over [t - before, t + after], clipped to [0, size)."""
    band = tf.linalg.band_part(tf.ones((size, size)), tf.minimum(before, size), tf.minimum(after, size))
    return band / tf.reduce_sum(band, axis=1, keepdims=True)
