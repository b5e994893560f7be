"""The network: magnitudes of the mixture in, one soft mask per source out.

    mel bands -> logarithm -> standardise -> neighbouring frames -> hidden layers -> one dense head per source -> masks

of which the first four are options; or hidden layers and heads are those of a band-split RNN. Spectra are (…,
nb_frames, nb_bins, nb_channels), where a bin may be several pooled; masks have the sources first: (nb_sources,
nb_batch, nb_frames, nb_bins, nb_channels).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from rnnsep.network.bands import Pooling, from_mel, make_pooling, mel_bank
from rnnsep.network.bandsplit import BandSplit, split
from rnnsep.network.heads import Heads
from rnnsep.network.local import LocalHeads
from rnnsep.network.recurrence.layers import GRU, LSTM, VanillaRNN
from rnnsep.params import ParamError, Range
from rnnsep.signal.stft import StftParams

MAGNITUDE_FLOOR = 1e-3  # of the unitary STFT, about 86 dB below a sine at full scale
LEVEL = 0.1  # what the level of a sequence is set to, root of the mean power of a bin
LEVEL_FLOOR = 1e-4  # what is quieter is not amplified by all that it lacks
MASK_FLOOR = 1e-10  # Huang et al. (2014): keeps the ratio defined where all heads are zero

MaskName = Literal["relu", "abs", "softmax", "sigmoid"]

# what a band-split RNN cannot have, and what each must be there
NOT_BAND_SPLIT: dict[str, Any] = {"mel": 0, "context": 0, "bottleneck": 0, "local": None, "recurrent": None}


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
    recurrent: tuple[Annotated[int, Range(0)], ...] | None  # (0,): no hidden layer; None: all
    units: Annotated[int, Range(1)]
    bidirectional: bool
    residual: bool
    bottleneck: Annotated[int, Range(0)]  # units; 0: none
    bands: Annotated[int, Range(0)]  # of the band-split RNN; 0: the whole spectrum at once
    shared: bool
    dropout: Annotated[float, Range(0, 0.99)]
    noise: Annotated[float, Range(0)]
    context: Annotated[int, Range(0)]  # frames
    side: bool
    bandwidth: Annotated[float, Range(1)]  # Hz
    pooling: Annotated[float, Range(1)] | None  # Hz; None: no pooling
    mel: Annotated[int, Range(0)]  # bands; 0: bins
    mel_mask: bool
    scale: Annotated[float, Range(0)]
    input: Literal["log", "linear"]
    level: bool
    standardise: bool
    mask: MaskName
    local: tuple[Annotated[int, Range(1)], ...] | None  # numbers of bands and frames; None: none
    defects: Defects

    def check(self) -> None:
        # DVC 3.67 cannot put an empty list in the place of another
        if self.recurrent == ():
            raise ParamError("recurrent", "must name a layer; [0] stands for none")
        if self.local == ():
            raise ParamError("local", "must name a number of bands and frames; null stands for none")
        for layer in self.recurrent or ():
            if layer > self.layers:
                raise ParamError("recurrent", f"has layer {layer}, but layers is {self.layers}")
        if self.mel == 1:
            raise ParamError("mel", "must be at least 2 bands, or 0 for none")
        if self.mel_mask and not self.mel:
            raise ParamError("mel_mask", "needs a number of bands in mel")
        if self.mel and self.pooling is not None:
            raise ParamError("pooling", "must be null where there are mel bands (mel)")
        if self.mel and self.local:
            raise ParamError("local", "must be null where there are mel bands (mel)")
        if self.bands:
            for key, none in NOT_BAND_SPLIT.items():
                if getattr(self, key) != none:
                    value = "null" if none is None else none
                    raise ParamError(key, f"must be {value}, since bands makes it a band-split RNN")

    @property
    def mixture_gain(self) -> float:
        """Factor on the mixture that the network sees and that its masks apply to, over the sum of the sources."""
        return 0.5 if self.defects.half_mixture else 1.0

    def bins(self, sample_rate: int, window: int) -> Pooling:
        """The bins that the network sees, pooled, of an STFT with `sample_rate` in Hz and `window` in samples."""
        nb_bins = min(int(self.bandwidth * window / sample_rate), window // 2) + 1
        return make_pooling(nb_bins, sample_rate / window, self.pooling)

    def is_recurrent(self, layer: int) -> bool:
        """Whether hidden layer `layer`, counted from 1, is recurrent."""
        return self.recurrent is None or layer in self.recurrent


def hidden_layer(params: NetworkParams, number: int) -> keras.layers.Layer:
    """Hidden layer `number`, counted from 1: recurrent, or dense with rectified linear units."""
    if not params.is_recurrent(number):
        return keras.layers.Dense(params.units, activation="relu", name=f"dense_{number}")
    return recurrent_layer(params, f"recurrent_{number}", params.bidirectional)


def recurrent_layer(params: NetworkParams, name: str, bidirectional: bool) -> keras.layers.Layer:
    """A recurrent layer of the cell that `params` names."""
    if params.cell == "gru":
        return GRU(params.units, bidirectional=bidirectional, name=name)
    if params.cell == "lstm":
        return LSTM(params.units, bidirectional=bidirectional, name=name)
    return VanillaRNN(params.units, activation="relu", bidirectional=bidirectional, name=name)


def normalised_dense(units: int, name: str) -> keras.layers.Layer:
    """tanh(norm(W x)), the bottleneck of Open-Unmix (Stöter et al., 2019), normalised frame by frame."""
    layers = [
        keras.layers.Dense(units, use_bias=False, name="dense"),
        keras.layers.LayerNormalization(name="norm"),
        keras.layers.Activation("tanh", name="tanh"),
    ]
    return keras.Sequential(layers, name=name)


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


class MaskNetwork(keras.Model):
    """Magnitudes (nb_batch, nb_frames, nb_bins, nb_inputs) to masks (nb_sources, nb_batch, …, nb_bins, nb_channels).

    The masks are not negative and sum to one over the sources, but for those of kind `sigmoid`, each of which is from
    0 to 1 by itself. `nb_inputs` is the number of channels that go in, by default as many as come out. The bins are
    those of `pooling`, by default the STFT's, at `frequencies` (Hz).
    """

    def __init__(
        self,
        params: NetworkParams,
        nb_sources: int,
        nb_bins: int,
        nb_channels: int,
        nb_inputs: int | None = None,
        pooling: Pooling | None = None,
        frequencies: np.ndarray | None = None,
    ):
        super().__init__(name="mask_network", dtype="float32")
        self.inner_dtype = keras.config.dtype_policy().compute_dtype  # of hidden layers and heads, see `computing`
        self.params, self.nb_sources, self.nb_bins, self.nb_channels = params, nb_sources, nb_bins, nb_channels
        self.nb_inputs = nb_channels if nb_inputs is None else nb_inputs
        self.nb_bands = params.mel or nb_bins
        self.pooling = pooling or Pooling((1,) * nb_bins)
        if frequencies is None:
            frequencies = np.linspace(0, params.bandwidth, nb_bins)
        self.bank = mel_bank(nb_bins, params.mel, frequencies[-1]) if params.mel else None
        self.standardisation = Standardisation(name="standardisation", dtype="float32") if params.standardise else None
        self.noise = keras.layers.GaussianNoise(params.noise, name="noise") if params.noise else None
        own_sources = nb_sources if params.shared else 1
        if params.bands:
            self.split = self._band_split(split(frequencies, params.bands), own_sources)
        else:
            # hidden layers of either kind; files of weights have this name
            self.recurrent = [hidden_layer(params, i + 1) for i in range(params.layers)]
            self.dropouts = [
                keras.layers.Dropout(params.dropout, name=f"dropout_{i + 1}") for i in range(params.layers)
            ]
            if params.bottleneck:
                self.entry, self.exit = (normalised_dense(params.bottleneck, name) for name in ("entry", "exit"))
            width = (self.nb_bands if params.mel_mask else nb_bins) * nb_channels
            self.heads = Heads(own_sources, width, name="heads")
            if params.local:
                self.local = LocalHeads(own_sources, nb_channels, params.local, params.bidirectional, name="local")
        self.others = [
            MaskNetwork(replace(params, shared=True), 1, nb_bins, nb_channels, self.nb_inputs, pooling, frequencies)
            for _ in range(nb_sources - own_sources)
        ]
        self(tf.zeros((1, 1, nb_bins, self.nb_inputs)))

    def _band_split(self, edges: list[int], nb_sources: int) -> BandSplit:
        params = self.params
        return BandSplit(
            edges,
            lambda name: recurrent_layer(params, name, params.bidirectional),
            lambda name: recurrent_layer(params, name, bidirectional=True),
            params.layers,
            params.units,
            params.dropout,
            nb_sources,
            self.nb_channels,
            name="band_split",
        )

    def adapt(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Standardise by the training data's statistics, each (nb_bands, nb_inputs), if the network standardises."""
        for network in [self, *self.others]:
            if network.standardisation is not None:
                network.standardisation.adapt(mean, deviation)

    def compress(self, magnitude: tf.Tensor) -> tf.Tensor:
        """What is standardised: magnitudes (nb_batch, nb_frames, nb_bins, nb_inputs) times the scale, or their means
        over bands, over the sequence's level, or the logarithm of that."""
        magnitude *= self.params.scale
        if self.params.level:
            power = tf.reduce_mean(tf.square(magnitude), axis=(1, 2, 3), keepdims=True)
            magnitude *= tf.math.rsqrt(power + LEVEL_FLOOR**2) * LEVEL
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
        masks = self._masks(tf.reshape(filled, (-1, length, self.nb_bins, self.nb_inputs)), training)
        masks = tf.reshape(masks, (self.nb_sources, nb_batch, -1, self.nb_bins, self.nb_channels))
        return masks[:, :, :nb_frames]

    def _masks(self, magnitude: tf.Tensor, training: bool) -> tf.Tensor:
        y = tf.concat([network.shares(magnitude, training) for network in [self, *self.others]], axis=0)
        masks = soft_mask(y, self.params.mask)
        return masks if self.bank is None or not self.params.mel_mask else from_mel(masks, self.bank)

    def shares(self, magnitude: tf.Tensor, training: bool) -> tf.Tensor:
        """What masks are made of, shaped like them, but for mel bands in place of bins if the masks are of these."""
        x = self.compress(magnitude)
        if self.standardisation is not None:
            x = self.standardisation(x)
        if self.noise is not None:
            x = self.noise(x, training=training)
        x = tf.cast(x, self.inner_dtype)
        if self.params.bands:
            x = tf.ensure_shape(x, (None, None, self.nb_bands, self.nb_inputs))
            return tf.cast(self.split(x, training=training), tf.float32)
        nb_batch, nb_frames = tf.shape(magnitude)[0], tf.shape(magnitude)[1]
        standardised = x
        x = tf.reshape(x, (nb_batch, nb_frames, self.nb_bands * self.nb_inputs))
        if self.params.context:
            x = with_context(x, self.params.context)
        if self.params.bottleneck:
            x = self.entry(x)
        for layer, dropout in zip(self.recurrent, self.dropouts, strict=True):
            y = dropout(layer(x), training=training)
            x = x + y if self.params.residual and x.shape[2] == y.shape[2] else y
        if self.params.bottleneck:
            x = self.exit(x)
        y = self.heads(x)
        y = tf.reshape(y, (y.shape[0], nb_batch, nb_frames, -1, self.nb_channels))
        y = tf.cast(y, tf.float32)
        return y + tf.cast(self.local(standardised, x), tf.float32) if self.params.local else y


@contextmanager
def computing(precision: Literal["float32", "bfloat16"]) -> Iterator[None]:
    """Networks made here compute hidden layers and heads in this precision; all variables, and masks, are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_network(params: NetworkParams, nb_sources: int, stft: StftParams, nb_inputs: int | None = None) -> MaskNetwork:
    """A new network for spectra of this STFT. Raises `ParamError` where they do not fit."""
    if params.side and stft.nb_channels != 2:
        raise ParamError("rnn.side", "needs stft.channels: stereo")
    pooling = params.bins(stft.sample_rate, stft.window)
    nb_bins = len(pooling.widths)
    if params.bands > nb_bins:
        raise ParamError("rnn.bands", f"is {params.bands}, but the network sees no more than {nb_bins} bins")
    frequencies = (np.cumsum(pooling.widths) - pooling.widths) * (stft.sample_rate / stft.window)
    nb_inputs = stft.nb_channels + params.side if nb_inputs is None else nb_inputs
    return MaskNetwork(params, nb_sources, nb_bins, stft.nb_channels, nb_inputs, pooling, frequencies)


def make_enhancer(params: NetworkParams, nb_sources: int, stft: StftParams) -> MaskNetwork:
    """A new network that sees an estimate of each source (see `masked_channels`)."""
    return make_network(replace(params, side=False), nb_sources, stft, nb_sources * stft.nb_channels)


def with_context(x: tf.Tensor, context: int) -> tf.Tensor:
    """Each frame with `context` frames before and after it, the outermost replicated.

    (nb_batch, nb_frames, width) to (nb_batch, nb_frames, (2 context + 1) width), earliest first (Huang et al., 2014).
    """
    nb_frames = x.shape[1] or tf.shape(x)[1]
    padded = tf.concat([*[x[:, :1]] * context, x, *[x[:, -1:]] * context], axis=1)
    return tf.concat([padded[:, first : first + nb_frames] for first in range(2 * context + 1)], axis=2)


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


def seen(mixture: np.ndarray, network: MaskNetwork) -> np.ndarray:
    """What `network` sees of a mixture's STFT, complex (…, nb_bins or more, nb_channels).

    The magnitudes of the channels, pooled, and with `side` that of half their difference, scaled so that it keeps the
    energy: float32 (…, nb_bands, nb_channels [+ 1]).
    """
    pooling = network.pooling
    if network.params.side:
        difference = (mixture[..., :1] - mixture[..., 1:]) * np.float32(np.sqrt(0.5))
        mixture = np.concatenate([mixture, difference], axis=-1)
    mixture = mixture[..., : pooling.nb_bins, :]
    magnitude = np.hypot(mixture.real, mixture.imag)
    if len(pooling.widths) < pooling.nb_bins:
        magnitude = np.sqrt(pooling.sums(np.square(magnitude)))
    return network.params.mixture_gain * magnitude


def masked_channels(masks: tf.Tensor, magnitude: tf.Tensor) -> tf.Tensor:
    """Masks (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels) times the magnitude, sources beside channels:

    (nb_batch, nb_frames, nb_bins, nb_sources nb_channels), which is what a network sees that enhances all sources.
    """
    # sources from the front to before the channels
    estimates = tf.transpose(masks * magnitude, (1, 2, 3, 0, 4))
    shape = tf.shape(estimates)
    return tf.reshape(estimates, (shape[0], shape[1], shape[2], masks.shape[0] * masks.shape[-1]))
