"""What the network sees: magnitudes of the mixture, pooled, compressed and standardised."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from rnnsep.network.bands import Pooling, make_pooling, to_mel_weights
from rnnsep.params import ParamError, Range

MAGNITUDE_FLOOR = 1e-3  # of the unitary STFT, about 86 dB below a sine at full scale
LEVEL = 0.1  # root mean power per bin that sequences are normalised to
FRAMES = 64  # seen at a time, to stay in a core's cache
LEVEL_FLOOR = 1e-4  # quieter sequences are not amplified to the full level

Array = NDArray[np.float32]


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


def seen(spectrum: NDArray[np.complex64], pooling: Pooling, side: bool, gain: float) -> Array:
    """The magnitudes that a network sees, (nb_frames, nb_bands, nb_channels [+ 1]), from the STFT of a mixture.

    `spectrum` is (nb_frames, nb_bins or more, nb_channels).
    A band's magnitude is the root of its energy. `side` appends the side channel (L - R) / √2, which keeps the energy.
    `gain` is a factor on the mixture.
    """
    magnitude = np.empty((len(spectrum), pooling.nb_bands, spectrum.shape[2] + side), np.float32)
    for start in range(0, len(spectrum), FRAMES):
        part = np.moveaxis(spectrum[start : start + FRAMES, : pooling.nb_bins], 2, 0)  # channels first
        channels = [*part, (part[0] - part[1]) * np.float32(np.sqrt(0.5))] if side else part
        for channel, x in enumerate(channels):
            # hypot rounds once; the standardisation of saved models was computed with it
            energy = np.square(np.hypot(x.real, x.imag))
            magnitude[start : start + FRAMES, :, channel] = np.sqrt(pooling.sums(energy[..., None])[..., 0])
    return magnitude if gain == 1 else np.float32(gain) * magnitude


def compress(magnitude: Array, params: InputParams, bank: Array | None) -> Array:
    """The values that are standardised: scaled, level-normalised, in mel bands and compressed, as `params` say.

    `magnitude` is (nb_batch, nb_frames, nb_bins, nb_inputs), `bank` the mel filters (nb_bins, nb_mel) or None.
    """
    x = magnitude if params.scale == 1 else magnitude * np.float32(params.scale)
    if params.level:
        power = np.mean(np.square(x), axis=(1, 2, 3), keepdims=True)
        x = x * (np.float32(LEVEL) / np.sqrt(power + np.float32(LEVEL_FLOOR**2)))
    if bank is not None:
        x = np.moveaxis(np.tensordot(x, to_mel_weights(bank), (2, 0)), -1, 2)  # mel bands to the place of the bins
    return np.log(x + np.float32(MAGNITUDE_FLOOR)) if params.compression == "log" else x


def with_context(x: Array, context: int) -> Array:
    """Each frame with `context` frames on each side; frames at the ends are replicated (Huang et al., 2014).

    (nb_batch, nb_frames, width) to (nb_batch, nb_frames, (2 context + 1) width), earliest first.
    """
    padded = np.pad(x, ((0, 0), (context, context), (0, 0)), mode="edge")
    return np.concatenate([padded[:, first : first + x.shape[1]] for first in range(2 * context + 1)], axis=2)
