"""What the network sees: magnitudes of the mixture, pooled, compressed and standardised."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from rnnsep.network.bands import Pooling, make_pooling
from rnnsep.params import ParamError, Range

if keras.backend.backend() != "tensorflow":
    raise ImportError("rnnsep needs Keras on TensorFlow: import rnnsep before keras, or set KERAS_BACKEND=tensorflow")

MAGNITUDE_FLOOR = 1e-3  # of the unitary STFT, about 86 dB below a sine at full scale
LEVEL = 0.1  # root mean power per bin that sequences are normalised to
LEVEL_FLOOR = 1e-4  # quieter sequences are not amplified to the full level


@dataclass(frozen=True, kw_only=True)
class InputParams:
    """Section `input` of params.yaml."""

    compression: Literal["log", "linear"]
    bandwidth: Annotated[float, Range(1)]  # Hz
    pooling: Annotated[float, Range(1)] | None  # Hz; None: off
    mel: Annotated[int, Range(0)]  # bands; 0: bins
    level: bool
    standardise: bool
    side: bool
    context: Annotated[int, Range(0)]  # frames
    noise: Annotated[float, Range(0)]
    scale: Annotated[float, Range(0)]

    def check(self) -> None:
        if self.mel == 1:
            raise ParamError("mel", "must be at least 2 bands, or 0 for bins")
        if self.mel and self.pooling is not None:
            raise ParamError("pooling", "must be null with mel bands (input.mel)")

    def bins(self, sample_rate: int, window: int) -> Pooling:
        """The pooled bins below the bandwidth, for an STFT with `sample_rate` in Hz and `window` in samples."""
        nb_bins = min(int(self.bandwidth * window / sample_rate), window // 2) + 1
        return make_pooling(nb_bins, sample_rate / window, self.pooling)


def magnitudes(real: Any, imaginary: Any, pooling: Pooling) -> Any:
    """
    Magnitudes of pooled bins, the root of their energy: (…, nb_bins, nb_channels) to (…, nb_bands, nb_channels).

    Takes real and imaginary parts as NumPy arrays or as tensors.
    """
    if isinstance(real, np.ndarray):
        # hypot rounds once; the standardisation of saved models was computed with it
        return np.sqrt(pooling.sums(np.square(np.hypot(real, imaginary))))
    return tf.sqrt(pooling.sums(tf.square(real) + tf.square(imaginary)))


def seen(real: Any, imaginary: Any, pooling: Pooling, side: bool, gain: float) -> Any:
    """
    The magnitudes that a network sees, from the STFT of a mixture: (…, nb_bins, nb_channels) to
    (…, nb_bands, nb_channels [+ 1]).

    `side` appends the side channel (L - R) / √2, scaled to keep the energy. `gain` is a factor on the mixture. Takes
    real and imaginary parts as NumPy arrays or as tensors.
    """
    if side:
        real, imaginary = (_with_side(part) for part in (real, imaginary))
    magnitude = magnitudes(real, imaginary, pooling)
    return magnitude if gain == 1 else gain * magnitude


def _with_side(part: Any) -> Any:
    difference = (part[..., :1] - part[..., 1:]) * np.float32(np.sqrt(0.5))
    both = [part, difference]
    return np.concatenate(both, axis=-1) if isinstance(part, np.ndarray) else tf.concat(both, axis=-1)


def compress(magnitude: tf.Tensor, params: InputParams, bank: np.ndarray | None) -> tf.Tensor:
    """
    The values that are standardised: scaled, level-normalised, in mel bands and compressed, as `params` say.

    `magnitude` is (nb_batch, nb_frames, nb_bins, nb_inputs), `bank` the mel filters (nb_bins, nb_mel) or None.
    """
    magnitude *= params.scale
    if params.level:
        power = tf.reduce_mean(tf.square(magnitude), axis=(1, 2, 3), keepdims=True)
        magnitude *= tf.math.rsqrt(power + LEVEL_FLOOR**2) * LEVEL
    if bank is not None:
        magnitude = tf.einsum("...fc,fm->...mc", magnitude, tf.constant(bank / bank.sum(axis=0)))
    return tf.math.log(magnitude + MAGNITUDE_FLOOR) if params.compression == "log" else magnitude


class Standardisation(keras.layers.Layer):
    """
    (x - mean) / deviation per bin and channel; both are initialised from the training data and trained.

    As in Open-Unmix (Stöter et al., 2019). Shape in and out: (…, nb_bins, nb_channels).
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
    """
    Each frame with `context` frames on each side; frames at the ends are replicated (Huang et al., 2014).

    (nb_batch, nb_frames, width) to (nb_batch, nb_frames, (2 context + 1) width), earliest first.
    """
    nb_frames = x.shape[1] or tf.shape(x)[1]
    padded = tf.concat([*[x[:, :1]] * context, x, *[x[:, -1:]] * context], axis=1)
    return tf.concat([padded[:, first : first + nb_frames] for first in range(2 * context + 1)], axis=2)
