"""The block `network.input` as Keras layers and TensorFlow operations."""

import keras
import numpy as np
import tensorflow as tf

from rnnsep.network.bands import Pooling, to_mel_weights
from rnnsep.network.input import LEVEL, LEVEL_FLOOR, MAGNITUDE_FLOOR, InputParams


def magnitudes(real: tf.Tensor, imaginary: tf.Tensor, pooling: Pooling) -> tf.Tensor:
    """Magnitudes of pooled bins: (…, nb_bins, nb_channels) to (…, nb_bands, nb_channels)."""
    return tf.sqrt(pooling.sums(tf.square(real) + tf.square(imaginary), tf.concat))


def seen(real: tf.Tensor, imaginary: tf.Tensor, pooling: Pooling, side: bool, gain: float) -> tf.Tensor:
    """The magnitudes that a network sees of a mixture (see `network.input.seen`)."""
    if side:
        real, imaginary = (_with_side(part) for part in (real, imaginary))
    magnitude = magnitudes(real, imaginary, pooling)
    return magnitude if gain == 1 else gain * magnitude


def _with_side(part: tf.Tensor) -> tf.Tensor:
    return tf.concat([part, (part[..., :1] - part[..., 1:]) * np.float32(np.sqrt(0.5))], axis=-1)


def compress(magnitude: tf.Tensor, params: InputParams, bank: np.ndarray | None) -> tf.Tensor:
    """The values that are standardised (see `network.input.compress`)."""
    magnitude *= params.scale
    if params.level:
        power = tf.reduce_mean(tf.square(magnitude), axis=(1, 2, 3), keepdims=True)
        magnitude *= tf.math.rsqrt(power + LEVEL_FLOOR**2) * LEVEL
    if bank is not None:
        magnitude = tf.einsum("...fc,fm->...mc", magnitude, tf.constant(to_mel_weights(bank)))
    return tf.math.log(magnitude + MAGNITUDE_FLOOR) if params.compression == "log" else magnitude


class Standardisation(keras.layers.Layer):
    """(x - mean) / deviation per bin and channel; both are initialised from the training data and trained.

    As in Open-Unmix (see `network.trunk`). Shape in and out: (…, nb_bins, nb_channels).
    """

    def build(self, shape: tuple[int, ...]) -> None:
        self.shift = self.add_weight(shape=shape[-2:], initializer="zeros", name="shift")
        self.scale = self.add_weight(shape=shape[-2:], initializer="ones", name="scale")
        self.built = True

    def adapt(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Initialise with the training data's statistics, each (nb_bins, nb_channels)."""
        self.shift.assign(-mean)
        self.scale.assign(1 / deviation)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return (x + self.shift) * self.scale


def with_context(x: tf.Tensor, context: int) -> tf.Tensor:
    """Each frame with its neighbours (see `network.input.with_context`)."""
    padded = tf.concat([*[x[:, :1]] * context, x, *[x[:, -1:]] * context], axis=1)
    return tf.concat([padded[:, first : first + x.shape[1]] for first in range(2 * context + 1)], axis=2)
