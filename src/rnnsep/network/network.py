"""
The network: magnitudes of the mixture in, one soft mask per source out.

    compress -> standardise -> context frames -> hidden layers -> one dense head per source -> masks

Hidden layers and heads can be those of a band-split RNN. Spectra are (…, nb_frames, nb_bins, nb_channels), where a bin
may be several pooled ones; masks are (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from rnnsep.network.bands import Pooling, from_mel, mel_bank
from rnnsep.network.bandsplit import BandSplit, split
from rnnsep.network.convolution import ConvolutionalHeads
from rnnsep.network.heads import Heads
from rnnsep.network.input import InputParams, Standardisation, compress, seen, with_context
from rnnsep.network.local import LocalHeads
from rnnsep.network.masks import MaskParams, soft_mask
from rnnsep.network.recurrence.layers import LAYERS, Cell
from rnnsep.params import ParamError, Range, changed, value_at
from rnnsep.signal.stft import StftParams

# options that a band-split RNN does not have, and their values when off
NOT_BAND_SPLIT: dict[str, Any] = {
    "input.mel": 0,
    "input.context": 0,
    "rnn.bottleneck": 0,
    "rnn.recurrent": None,
    "mask.local": None,
    "mask.convolution": 0,
}


@dataclass(frozen=True, kw_only=True)
class RnnParams:
    """Section `rnn` of params.yaml."""

    cell: Cell
    layers: Annotated[int, Range(1)]
    units: Annotated[int, Range(1)]
    bidirectional: bool
    recurrent: tuple[Annotated[int, Range(0)], ...] | None  # (0,): none; None: all
    residual: bool
    bottleneck: Annotated[int, Range(0)]  # units; 0: off
    bands: Annotated[int, Range(0)]  # of the band-split RNN; 0: off
    shared: bool
    dropout: Annotated[float, Range(0, 0.99)]

    def check(self) -> None:
        if self.recurrent == ():  # DVC 3.67 cannot replace a list by an empty one
            raise ParamError("recurrent", "must name a layer; [0] stands for none")
        for layer in self.recurrent or ():
            if layer > self.layers:
                raise ParamError("recurrent", f"has layer {layer}, but layers is {self.layers}")

    def is_recurrent(self, layer: int) -> bool:
        """Whether hidden layer `layer`, counted from 1, is recurrent."""
        return self.recurrent is None or layer in self.recurrent


@dataclass(frozen=True, kw_only=True)
class DefectParams:
    """Section `defects` of params.yaml: bugs of andabi/music-source-separation."""

    half_mixture: bool
    reset: Annotated[int, Range(0)]  # frames; 0: never


@dataclass(frozen=True, kw_only=True)
class NetworkParams:
    """All settings of a network."""

    input: InputParams
    rnn: RnnParams
    mask: MaskParams
    defects: DefectParams

    def check(self) -> None:
        if self.mask.mel and not self.input.mel:
            raise ParamError("mask.mel", "needs the number of bands in input.mel")
        if self.input.mel and self.mask.local:
            raise ParamError("mask.local", "must be null with mel bands (input.mel)")
        if self.input.mel and self.mask.convolution:
            raise ParamError("mask.convolution", "must be 0 with mel bands (input.mel)")
        if self.rnn.bands:
            for key, off in NOT_BAND_SPLIT.items():
                if value_at(self, key) != off:
                    raise ParamError(key, f"must be {'null' if off is None else off} with a band-split RNN (rnn.bands)")

    @property
    def mixture_gain(self) -> float:
        """Factor on the mixture that the network sees and that its masks apply to, relative to the sum of sources."""
        return 0.5 if self.defects.half_mixture else 1.0


def hidden_layer(params: RnnParams, number: int) -> keras.layers.Layer:
    """Hidden layer `number`, counted from 1: recurrent, or dense with ReLU."""
    if not params.is_recurrent(number):
        return keras.layers.Dense(params.units, activation="relu", name=f"dense_{number}")
    return LAYERS[params.cell](params.units, bidirectional=params.bidirectional, name=f"recurrent_{number}")


def normalised_dense(units: int, name: str) -> keras.layers.Layer:
    """tanh(norm(W x)): the bottleneck of Open-Unmix (Stöter et al., 2019) with layer normalisation."""
    layers = [
        keras.layers.Dense(units, use_bias=False, name="dense"),
        keras.layers.LayerNormalization(name="norm"),
        keras.layers.Activation("tanh", name="tanh"),
    ]
    return keras.Sequential(layers, name=name)


class MaskNetwork(keras.Model):
    """
    Magnitudes (nb_batch, nb_frames, nb_bins, nb_inputs) to masks (nb_sources, nb_batch, …, nb_bins, nb_channels).

    Masks are non-negative and sum to one over the sources, except for sigmoid masks. `nb_inputs` is the number of
    input channels, `nb_channels` by default. The bins are those of `pooling` (default: not pooled) at `frequencies`
    (Hz).
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
        self.nb_bands = params.input.mel or nb_bins
        self.pooling = pooling or Pooling((1,) * nb_bins)
        if frequencies is None:
            frequencies = np.linspace(0, params.input.bandwidth, nb_bins)
        rnn, noise = params.rnn, params.input.noise
        self.bank = mel_bank(nb_bins, self.nb_bands, frequencies[-1]) if params.input.mel else None
        standardise = params.input.standardise
        self.standardisation = Standardisation(name="standardisation", dtype="float32") if standardise else None
        self.noise = keras.layers.GaussianNoise(noise, name="noise") if noise else None
        own_sources = nb_sources if rnn.shared else 1
        if rnn.bands:
            self.split = BandSplit(
                split(frequencies, rnn.bands),
                LAYERS[rnn.cell],
                rnn.layers,
                rnn.units,
                rnn.bidirectional,
                rnn.dropout,
                own_sources,
                nb_channels,
                name="band_split",
            )
        else:
            self.hidden = [hidden_layer(rnn, i + 1) for i in range(rnn.layers)]
            self.dropouts = [keras.layers.Dropout(rnn.dropout, name=f"dropout_{i + 1}") for i in range(rnn.layers)]
            if rnn.bottleneck:
                self.entry, self.exit = (normalised_dense(rnn.bottleneck, name) for name in ("entry", "exit"))
            width = (self.nb_bands if params.mask.mel else nb_bins) * nb_channels
            self.heads = Heads(own_sources, width, name="heads")
            future = rnn.bidirectional
            if params.mask.local:
                self.local = LocalHeads(own_sources, nb_channels, params.mask.local, future, name="local")
            if params.mask.convolution:
                maps = params.mask.convolution
                self.convolution = ConvolutionalHeads(own_sources, nb_channels, maps, future, name="convolution")
        # with rnn.shared: false this network has the first source only, each of these one more
        self.others = [
            MaskNetwork(
                changed(params, {"rnn.shared": True}), 1, nb_bins, nb_channels, self.nb_inputs, pooling, frequencies
            )
            for _ in range(nb_sources - own_sources)
        ]
        self.built = True  # otherwise Keras traces the call below in order to build
        self(tf.zeros((1, 1, nb_bins, self.nb_inputs)))

    @property
    def recurrent(self) -> list[keras.layers.Layer]:
        """The hidden layers, under the name that they have in weights files."""
        return self.hidden

    def __dir__(self) -> list[str]:
        # Keras names what it saves by attributes
        return [name for name in super().__dir__() if name != "hidden"]

    def adapt(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Initialise the standardisation, if any, with statistics of the training data, (nb_bands, nb_inputs) each."""
        for network in [self, *self.others]:
            if network.standardisation is not None:
                network.standardisation.adapt(mean, deviation)

    def see(self, real: Any, imaginary: Any) -> Any:
        """The magnitudes that the network sees of a mixture's STFT (see `input.seen`)."""
        return seen(real, imaginary, self.pooling, self.params.input.side, self.params.mixture_gain)

    def compress(self, magnitude: tf.Tensor) -> tf.Tensor:
        """The network's input before standardisation (see `input.compress`)."""
        return compress(magnitude, self.params.input, self.bank)

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
        logits = tf.concat([network.logits(magnitude, training) for network in [self, *self.others]], axis=0)
        masks = soft_mask(logits, self.params.mask.activation)
        return masks if self.bank is None or not self.params.mask.mel else from_mel(masks, self.bank)

    def logits(self, magnitude: tf.Tensor, training: bool) -> tf.Tensor:
        """Mask logits (nb_sources, nb_batch, nb_frames, nb_bins or nb_bands, nb_channels); bands if `mask.mel`."""
        x = self.compress(magnitude)
        if self.standardisation is not None:
            x = self.standardisation(x)
        if self.noise is not None:
            x = self.noise(x, training=training)
        x = tf.cast(x, self.inner_dtype)
        if self.params.rnn.bands:
            x = tf.ensure_shape(x, (None, None, self.nb_bands, self.nb_inputs))
            return tf.cast(self.split(x, training=training), tf.float32)
        nb_batch, nb_frames = tf.shape(magnitude)[0], tf.shape(magnitude)[1]
        standardised = x
        x = tf.reshape(x, (nb_batch, nb_frames, self.nb_bands * self.nb_inputs))
        if self.params.input.context:
            x = with_context(x, self.params.input.context)
        if self.params.rnn.bottleneck:
            x = self.entry(x)
        for layer, dropout in zip(self.hidden, self.dropouts, strict=True):
            y = dropout(layer(x), training=training)
            x = x + y if self.params.rnn.residual and x.shape[2] == y.shape[2] else y
        if self.params.rnn.bottleneck:
            x = self.exit(x)
        y = self.heads(x)
        y = tf.reshape(y, (y.shape[0], nb_batch, nb_frames, -1, self.nb_channels))
        y = tf.cast(y, tf.float32)
        if self.params.mask.local:
            y += tf.cast(self.local(standardised, x), tf.float32)
        if self.params.mask.convolution:
            features = standardised
            if self.params.mask.local:
                features = tf.transpose(self.local.features(tf.transpose(features, (3, 2, 0, 1))), (2, 3, 1, 0))
            y += tf.cast(self.convolution(features, x), tf.float32)
        return y


@contextmanager
def computing(precision: Literal["float32", "bfloat16"]) -> Iterator[None]:
    """Networks created inside compute hidden layers and heads in `precision`; variables and masks are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def make_network(params: NetworkParams, nb_sources: int, stft: StftParams, nb_inputs: int | None = None) -> MaskNetwork:
    """A new network for spectra of `stft`. Raises `ParamError` if they do not fit."""
    if params.input.side and stft.nb_channels != 2:
        raise ParamError("input.side", "needs stft.channels: stereo")
    pooling = params.input.bins(stft.sample_rate, stft.window)
    nb_bins = len(pooling.widths)
    if params.rnn.bands > nb_bins:
        raise ParamError("rnn.bands", f"is {params.rnn.bands}, but the network sees only {nb_bins} bins")
    frequencies = (np.cumsum(pooling.widths) - pooling.widths) * (stft.sample_rate / stft.window)
    nb_inputs = stft.nb_channels + params.input.side if nb_inputs is None else nb_inputs
    return MaskNetwork(params, nb_sources, nb_bins, stft.nb_channels, nb_inputs, pooling, frequencies)


def make_enhancer(params: NetworkParams, nb_sources: int, stft: StftParams) -> MaskNetwork:
    """A new enhancement network, whose input is an estimate of each source (see `masks.masked_channels`)."""
    return make_network(changed(params, {"input.side": False}), nb_sources, stft, nb_sources * stft.nb_channels)
