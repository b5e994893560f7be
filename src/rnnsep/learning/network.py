"""The network: magnitudes of the mixture in, one soft mask per source out.

    standardise per bin -> recurrent layers -> one dense head per source -> masks that sum to one

Spectra are (…, nb_frames, nb_bins, nb_channels); masks have the sources first:
(nb_sources, nb_batch, nb_frames, nb_bins, nb_channels).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from rnnsep.learning.recurrence.layers import GRU, LSTM, VanillaRNN
from rnnsep.params import Range

MAGNITUDE_FLOOR = 1e-3  # of the unitary STFT, about 86 dB below a sine at full scale
MASK_FLOOR = 1e-10  # Huang et al. (2014): keeps the ratio defined where all heads are zero


@dataclass(frozen=True)
class NetworkParams:
    """Section `rnn` of params.yaml."""

    cell: Literal["gru", "lstm", "vanilla"]
    layers: Annotated[int, Range(1)]
    units: Annotated[int, Range(1)]
    bidirectional: bool
    dropout: Annotated[float, Range(0, 0.99)]
    bandwidth: Annotated[float, Range(1)]  # Hz
    input: Literal["log", "linear"]
    mask: Literal["relu", "abs", "softmax"]

    def nb_bins(self, sample_rate: int, window: int) -> int:
        """Bins that the network sees, of an STFT with `sample_rate` in Hz and `window` in samples."""
        return min(int(self.bandwidth * window / sample_rate), window // 2) + 1


def recurrent_layer(params: NetworkParams, name: str) -> keras.layers.Layer:
    """One recurrent layer of the kind that `params` asks for."""
    if params.cell == "gru":
        return GRU(params.units, bidirectional=params.bidirectional, name=name)
    if params.cell == "lstm":
        return LSTM(params.units, bidirectional=params.bidirectional, name=name)
    return VanillaRNN(params.units, activation="relu", bidirectional=params.bidirectional, name=name)


class Standardisation(keras.layers.Layer):
    """(x - mean) / deviation per bin and channel; both start at the training data's and are trained on.

    As in Open-Unmix (Stöter et al., 2019). Shape in and out: (…, nb_bins, nb_channels).
    """

    def build(self, shape: tuple[int, ...]) -> None:
        self.shift = self.add_weight(shape=shape[-2:], initializer="zeros", name="shift")
        self.scale = self.add_weight(shape=shape[-2:], initializer="ones", name="scale")
        self.built = True

    def adapt(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Start from the training data's statistics, each (nb_bins, nb_channels)."""
        self.shift.assign(-mean)
        self.scale.assign(1 / deviation)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return (x + self.shift) * self.scale


class Heads(keras.layers.Layer):
    """A dense layer for each source: (nb_batch, nb_frames, nb_units) to (nb_sources, nb_batch, nb_frames, width)."""

    def __init__(self, nb_sources: int, width: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.nb_sources, self.width = nb_sources, width

    def build(self, shape: tuple[int, ...]) -> None:
        # one kernel side by side, so that glorot's fans are those of a single dense layer
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


class MaskNetwork(keras.Model):
    """Magnitudes (nb_batch, nb_frames, nb_bins, nb_channels) to masks (nb_sources, … the same).

    The masks are not negative and sum to one over the sources.
    """

    def __init__(self, params: NetworkParams, nb_sources: int, nb_bins: int, nb_channels: int):
        super().__init__(name="mask_network")
        self.params, self.nb_sources, self.nb_bins, self.nb_channels = params, nb_sources, nb_bins, nb_channels
        self.standardisation = Standardisation(name="standardisation")
        self.recurrent = [recurrent_layer(params, f"recurrent_{i + 1}") for i in range(params.layers)]
        self.dropouts = [keras.layers.Dropout(params.dropout, name=f"dropout_{i + 1}") for i in range(params.layers)]
        self.heads = Heads(nb_sources, nb_bins * nb_channels, name="heads")
        self(tf.zeros((1, 1, nb_bins, nb_channels)))

    def compress(self, magnitude: tf.Tensor) -> tf.Tensor:
        """What is standardised: the magnitudes themselves or their logarithm."""
        return tf.math.log(magnitude + MAGNITUDE_FLOOR) if self.params.input == "log" else magnitude

    def call(self, magnitude: tf.Tensor, training: bool = False) -> tf.Tensor:
        nb_batch, nb_frames = tf.shape(magnitude)[0], tf.shape(magnitude)[1]
        x = self.standardisation(self.compress(magnitude))
        x = tf.reshape(x, (nb_batch, nb_frames, self.nb_bins * self.nb_channels))
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=True):
            x = dropout(layer(x), training=training)
        y = self.heads(x)
        y = tf.reshape(y, (self.nb_sources, nb_batch, nb_frames, self.nb_bins, self.nb_channels))
        return soft_mask(y, self.params.mask)


def soft_mask(y: tf.Tensor, kind: Literal["relu", "abs", "softmax"]) -> tf.Tensor:
    """Masks that are not negative and sum to one over the first axis, from heads' outputs of the same shape.

    `abs` is Huang et al. (2014), equation 3; `relu` is what HEL1's predecessor does; `softmax` is the ratio of
    exponentials.
    """
    if kind == "softmax":
        return tf.nn.softmax(y, axis=0)
    y = (tf.nn.relu(y) if kind == "relu" else tf.abs(y)) + MASK_FLOOR
    return y / tf.reduce_sum(y, axis=0, keepdims=True)
