"""What a bin's own surroundings say about its masks, beside what the hidden layers know.

A voice or a string stands out against the bands above and below it, a drum against the frames before and after it, as
in the separation of harmonic from percussive sounds (Fitzgerald, 2010). Few weights serve all bands, so that little
music teaches them.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from rnnsep.network.heads import Heads

GROUP = 8  # bands that share the weights of a frame


class LocalHeads(keras.layers.Layer):
    """Adds to each head's output a weighted sum of features of the bin itself: Σ_i (a_i + g_i) φ_i.

    The features φ are the standardised inputs, and for each of `radii` how far the channels' mean lies above its own
    mean over so many bands on either side, and over so many frames on either side (those before only, unless
    `future`). The weights a belong to source, channel and band; g, made by a dense layer from what the heads see, to
    source, channel, frame and group of bands.
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
        """Standardised input (see `build`) and hidden state (nb_batch, nb_frames, nb_units) to what is added.

        That is (nb_sources, nb_batch, nb_frames, nb_bands, nb_channels).
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
    """The matrix (size, size) whose row t takes the mean from t - before to t + after, as far as there is any."""
    band = tf.linalg.band_part(tf.ones((size, size)), tf.minimum(before, size), tf.minimum(after, size))
    return band / tf.reduce_sum(band, axis=1, keepdims=True)
