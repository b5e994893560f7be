"""The network: magnitudes of the mixture in, one soft mask per source out.

    neighbouring frames -> mel bands -> logarithm -> standardise -> hidden layers -> one dense head per source -> masks

of which the first four are options. Spectra are (…, nb_frames, nb_bins, nb_channels); masks have the sources first:
(nb_sources, nb_batch, nb_frames, nb_bins, nb_channels).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from rnnsep.learning.recurrence.layers import GRU, LSTM, VanillaRNN
from rnnsep.params import ParamError, Range
from rnnsep.signal.stft import StftParams

MAGNITUDE_FLOOR = 1e-3  # of the unitary STFT, about 86 dB below a sine at full scale
MASK_FLOOR = 1e-10  # Huang et al. (2014): keeps the ratio defined where all heads are zero

MaskName = Literal["relu", "abs", "softmax", "sigmoid"]


@dataclass(frozen=True)
class Defects:
    """Mistakes of andabi/music-source-separation, which can be made again to see what they cost."""

    half_mixture: bool  # the network's mixture, its input and what masks apply to, is half the sum of the sources
    reset: Annotated[int, Range(0)]  # frames after which recurrent layers start over; 0: never


@dataclass(frozen=True)
class NetworkParams:
    """Section `rnn` of params.yaml."""

    cell: Literal["gru", "lstm", "vanilla"]
    layers: Annotated[int, Range(1)]
    recurrent: tuple[Annotated[int, Range(1)], ...] | None  # None: all hidden layers
    units: Annotated[int, Range(1)]
    bidirectional: bool
    dropout: Annotated[float, Range(0, 0.99)]
    noise: Annotated[float, Range(0)]
    context: Annotated[int, Range(0)]  # frames
    bandwidth: Annotated[float, Range(1)]  # Hz
    mel: Annotated[int, Range(0)]  # bands; 0: bins
    mel_mask: bool
    input: Literal["log", "linear"]
    standardise: bool
    mask: MaskName
    defects: Defects

    def check(self) -> None:
        for layer in self.recurrent or ():
            if layer > self.layers:
                raise ParamError("recurrent", f"has layer {layer}, but layers is {self.layers}")
        if self.mel == 1:
            raise ParamError("mel", "must be at least 2 bands, or 0 for none")
        if self.mel_mask and not self.mel:
            raise ParamError("mel_mask", "needs a number of bands in mel")

    @property
    def mixture_gain(self) -> float:
        """Factor on the mixture that the network sees and that its masks apply to, over the sum of the sources."""
        return 0.5 if self.defects.half_mixture else 1.0

    def nb_bins(self, sample_rate: int, window: int) -> int:
        """Bins that the network sees, of an STFT with `sample_rate` in Hz and `window` in samples."""
        return min(int(self.bandwidth * window / sample_rate), window // 2) + 1

    def is_recurrent(self, layer: int) -> bool:
        """Whether hidden layer `layer`, counted from 1, is recurrent."""
        return self.recurrent is None or layer in self.recurrent


def hidden_layer(params: NetworkParams, number: int) -> keras.layers.Layer:
    """Hidden layer `number`, counted from 1: recurrent, or dense with rectified linear units."""
    name = f"recurrent_{number}"
    if not params.is_recurrent(number):
        return keras.layers.Dense(params.units, activation="relu", name=f"dense_{number}")
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
    """Magnitudes (nb_batch, nb_frames, nb_bins, nb_inputs) to masks (nb_sources, nb_batch, …, nb_bins, nb_channels).

    The masks are not negative and sum to one over the sources, but for those of kind `sigmoid`, each of which is from
    0 to 1 by itself. `nb_inputs` is the number of channels that go in, by default as many as come out.
    """

    def __init__(
        self,
        params: NetworkParams,
        nb_sources: int,
        nb_bins: int,
        nb_channels: int,
        nb_inputs: int | None = None,
        top: float | None = None,
    ):
        super().__init__(name="mask_network")
        self.params, self.nb_sources, self.nb_bins, self.nb_channels = params, nb_sources, nb_bins, nb_channels
        self.nb_inputs = nb_channels if nb_inputs is None else nb_inputs
        self.nb_bands = params.mel or nb_bins
        self.bank = mel_bank(nb_bins, params.mel, top or params.bandwidth) if params.mel else None
        self.standardisation = Standardisation(name="standardisation") if params.standardise else None
        self.noise = keras.layers.GaussianNoise(params.noise, name="noise") if params.noise else None
        # hidden layers of either kind; files of weights have this name
        self.recurrent = [hidden_layer(params, i + 1) for i in range(params.layers)]
        self.dropouts = [keras.layers.Dropout(params.dropout, name=f"dropout_{i + 1}") for i in range(params.layers)]
        self.heads = Heads(nb_sources, (self.nb_bands if params.mel_mask else nb_bins) * nb_channels, name="heads")
        self(tf.zeros((1, 1, nb_bins, self.nb_inputs)))

    def compress(self, magnitude: tf.Tensor) -> tf.Tensor:
        """What is standardised: magnitudes (…, nb_bins, nb_inputs), or their means over bands, or the logarithm."""
        if self.bank is not None:
            magnitude = tf.einsum("...fc,fm->...mc", magnitude, tf.constant(self.bank / self.bank.sum(axis=0)))
        return tf.math.log(magnitude + MAGNITUDE_FLOOR) if self.params.input == "log" else magnitude

    def call(self, magnitude: tf.Tensor, training: bool = False) -> tf.Tensor:
        length = self.params.defects.reset
        if not length:
            return self._masks(magnitude, training)
        # (nb_batch, nb_frames, …) to sequences of that length (nb_batch nb_sequences, length, …), and back
        nb_batch, nb_frames = tf.shape(magnitude)[0], magnitude.shape[1] or tf.shape(magnitude)[1]
        filled = tf.pad(magnitude, ((0, 0), (0, -nb_frames % length), (0, 0), (0, 0)))
        masks = self._masks(tf.reshape(filled, (-1, length, *magnitude.shape[2:])), training)
        masks = tf.reshape(masks, (self.nb_sources, nb_batch, -1, self.nb_bins, self.nb_channels))
        return masks[:, :, :nb_frames]

    def _masks(self, magnitude: tf.Tensor, training: bool) -> tf.Tensor:
        nb_batch, nb_frames = tf.shape(magnitude)[0], tf.shape(magnitude)[1]
        x = self.compress(magnitude)
        if self.standardisation is not None:
            x = self.standardisation(x)
        if self.noise is not None:
            x = self.noise(x, training=training)
        x = tf.reshape(x, (nb_batch, nb_frames, self.nb_bands * self.nb_inputs))
        if self.params.context:
            x = with_context(x, self.params.context)
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=True):
            x = dropout(layer(x), training=training)
        y = self.heads(x)
        y = tf.reshape(y, (self.nb_sources, nb_batch, nb_frames, -1, self.nb_channels))
        masks = soft_mask(y, self.params.mask)
        return masks if self.bank is None or not self.params.mel_mask else from_bands(masks, self.bank)


def make_network(params: NetworkParams, nb_sources: int, stft: StftParams, nb_inputs: int | None = None) -> MaskNetwork:
    """A new network for spectra of this STFT."""
    nb_bins = params.nb_bins(stft.sample_rate, stft.window)
    top = (nb_bins - 1) * stft.sample_rate / stft.window
    return MaskNetwork(params, nb_sources, nb_bins, stft.nb_channels, nb_inputs, top)


def make_enhancer(params: NetworkParams, nb_sources: int, stft: StftParams) -> MaskNetwork:
    """A new network that sees an estimate of each source (see `masked_channels`)."""
    return make_network(params, nb_sources, stft, nb_sources * stft.nb_channels)


def with_context(x: tf.Tensor, context: int) -> tf.Tensor:
    """Each frame with `context` frames before and after it, the outermost replicated.

    (nb_batch, nb_frames, width) to (nb_batch, nb_frames, (2 context + 1) width), earliest first (Huang et al., 2014).
    """
    nb_frames = x.shape[1] or tf.shape(x)[1]
    padded = tf.concat([*[x[:, :1]] * context, x, *[x[:, -1:]] * context], axis=1)
    return tf.concat([padded[:, first : first + nb_frames] for first in range(2 * context + 1)], axis=2)


def mel_bank(nb_bins: int, nb_bands: int, top: float) -> np.ndarray:
    """Triangular filters, float32 (nb_bins, nb_bands), their centres evenly on the mel scale from 0 Hz to `top`.

    Each side of a triangle reaches to the next centre, and at least one bin far, so that no band is empty and no bin
    without a band. The peaks are 1. Mel scale: 1127 ln(1 + f / 700 Hz).
    """
    centres = 700 * np.expm1(np.linspace(0, np.log1p(top / 700), nb_bands))
    frequencies = np.linspace(0, top, nb_bins)
    spacing = np.diff(centres)
    below, above = np.concatenate([spacing[:1], spacing]), np.concatenate([spacing, spacing[-1:]])
    distance = frequencies[:, None] - centres  # (nb_bins, nb_bands)
    width = np.maximum(np.where(distance < 0, below, above), frequencies[1])
    return np.maximum(1 - np.abs(distance) / width, 0).astype(np.float32)


def from_bands(masks: tf.Tensor, bank: np.ndarray) -> tf.Tensor:
    """Masks of bands (…, nb_bands, nb_channels) to masks of bins: at each bin the mean, weighted by the filters."""
    return tf.einsum("...mc,fm->...fc", masks, tf.constant(bank / bank.sum(axis=1, keepdims=True), masks.dtype))


def soft_mask(y: tf.Tensor, kind: MaskName) -> tf.Tensor:
    """Masks that are not negative, from heads' outputs of the same shape, (nb_sources, …).

    They sum to one over the sources: `abs` is Huang et al. (2014), equation 3; `relu` is what HEL1's predecessor does;
    `softmax` is the ratio of exponentials. Or they do not: `sigmoid` is Weninger et al. (2014).
    """
    if kind == "softmax":
        return tf.nn.softmax(y, axis=0)
    if kind == "sigmoid":
        return tf.sigmoid(y)
    y = (tf.nn.relu(y) if kind == "relu" else tf.abs(y)) + MASK_FLOOR
    return y / tf.reduce_sum(y, axis=0, keepdims=True)


def masked_channels(masks: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Masks (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels) times the magnitude, sources beside channels:

    (nb_batch, nb_frames, nb_bins, nb_sources nb_channels), which is what a network sees that enhances all sources.
    """
    # sources from the front to before the channels
    estimates = tf.transpose(masks * magnitude, (1, 2, 3, 0, 4))
    shape = tf.shape(estimates)
    return tf.reshape(estimates, (shape[0], shape[1], shape[2], masks.shape[0] * masks.shape[-1]))
