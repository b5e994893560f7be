"""Waveform to spectrogram and back.

The STFT is centred (frame m is centred on sample m * hop, with zeros outside the signal) and scaled by
1 / sqrt(sum of the squared taper), so that the level of a spectrogram does not depend on the window. The inverse is
overlap-add with the same taper, divided by the summed squared taper: perfect reconstruction at every length, and the
least-squares waveform for a modified spectrogram [1]_.

>>> spectrogram = stft(audio, params)           # (nb_samples, channels) -> (nb_frames, nb_bins, channels)
>>> block = stft(audio, params, 100, 200)       # frames 100 to 199, computed alone
>>> inverse = Inverse(params, len(audio))       # consecutive blocks of frames in, samples out
>>> audio = np.concatenate([inverse(spectrogram[:100]), inverse(spectrogram[100:])])

.. [1] D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP, 1984.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rnnsep.params import ParamError, Range
from rnnsep.signal.streams import Audio

FLOOR = 0.01  # smallest summed squared taper, relative to the largest, that the inverse may divide by
BATCH = 1 << 16  # samples transformed at a time, to stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class StftParams:
    """Section `stft` of params.yaml: sample rate in Hz, window and hop in samples, channels, taper."""

    sample_rate: Annotated[int, Range(1000, 384000)]
    window: Annotated[int, Range(2, 65536)]
    hop: Annotated[int, Range(1)]
    channels: Literal["mono", "stereo"]
    taper: Literal["hann", "sine"]

    @property
    def nb_bins(self) -> int:
        return self.window // 2 + 1

    @property
    def nb_channels(self) -> int:
        return 1 if self.channels == "mono" else 2

    def nb_frames(self, nb_samples: int) -> int:
        """Number of frames of a signal: the first is centred on its first sample, the last on or after its last."""
        return 1 + -(-(nb_samples - 1) // self.hop)

    def check(self) -> None:
        if self.hop > self.window:
            raise ParamError("hop", f"must not exceed the window of {self.window} samples, but is {self.hop}")
        power = np.zeros(-(-self.window // self.hop) * self.hop)
        power[: self.window] = taper(self.taper, self.window) ** 2
        summed = power.reshape(-1, self.hop).sum(axis=0)  # (overlap, phase within a hop) -> (phase)
        if summed.min() < FLOOR * summed.max():
            raise ParamError(
                "hop",
                f"{self.hop} is too large for the {self.taper} taper of {self.window} samples;"
                f" {self.window // 2} or less always works",
            )


@cache
def taper(name: str, window: int) -> NDArray[np.float64]:
    """The periodic Hann window or the sine window, (window,), read-only."""
    at = np.arange(window) if name == "hann" else np.arange(window) + 0.5
    values: NDArray[np.float64] = np.sin(np.pi / window * at) ** (2 if name == "hann" else 1)
    values.flags.writeable = False
    return values


@cache
def _unit_taper(name: str, window: int, width: int) -> NDArray[np.float32]:
    """The taper with unit energy, each value `width` times, as float32 (window * width,), read-only."""
    values = taper(name, window)
    unit: NDArray[np.float32] = np.repeat((values / np.sqrt(np.sum(values**2))).astype(np.float32), width)
    unit.flags.writeable = False
    return unit


def stft(audio: Audio, params: StftParams, start: int = 0, stop: int | None = None) -> NDArray[np.complex64]:
    """Frames [start, stop) of the STFT of `audio`, (nb_samples, nb_channels) at `params.sample_rate`.

    Only the samples that these frames cover are read. Returns (stop - start, nb_bins, nb_channels) with the
    channels of `audio` (see `with_channels`).
    """
    nb_samples, nb_channels = audio.shape
    stop = params.nb_frames(nb_samples) if stop is None else stop
    first = start * params.hop - params.window // 2
    last = (stop - 1) * params.hop - params.window // 2 + params.window
    samples = np.zeros((last - first, nb_channels), np.float32)
    begin, end = min(max(first, 0), nb_samples), min(last, nb_samples)
    if end > begin:
        samples[begin - first : end - first] = audio[begin:end]

    # (nb_samples * nb_channels) -> overlapping (nb_frames, window * nb_channels)
    frames = sliding_window_view(samples.reshape(-1), params.window * nb_channels)[:: params.hop * nb_channels]
    weights = _unit_taper(params.taper, params.window, nb_channels)
    spectra = np.empty((len(frames), params.nb_bins, nb_channels), np.complex64)
    batch = max(1, BATCH // frames.shape[1])
    for at in range(0, len(frames), batch):
        block = (frames[at : at + batch] * weights).reshape(-1, params.window, nb_channels)
        spectra[at : at + batch] = scipy.fft.rfft(block, axis=1, overwrite_x=True, workers=1)
    return spectra


class Inverse:
    """The inverse STFT of one signal, given its spectrogram in consecutive blocks of frames.

    Arguments: the `params` that made the spectrogram, and the length of the signal. Each call takes complex64
    (nb_frames, nb_bins, ...) and returns the float32 samples (nb_samples, ...) that no later frame touches;
    the last frame completes all that are left. State between calls: one window of samples.
    """

    def __init__(self, params: StftParams, nb_samples: int):
        self.params, self.nb_samples = params, nb_samples
        self._left = params.nb_frames(nb_samples)
        self._begin = -(params.window // 2)  # position in the signal of the first unfinished sample
        # tapered frames summed, and their squared taper, over unfinished samples; all channels in one row
        self._sum = self._power = np.zeros(0, np.float32)

    def __call__(self, spectra: NDArray[Any]) -> NDArray[np.float32]:
        nb_frames, rest = len(spectra), spectra.shape[2:]
        if nb_frames > self._left:
            raise ValueError(f"{nb_frames} frames given, but only {self._left} left")
        if nb_frames == 0:
            return np.zeros((0, *rest), np.float32)
        self._left -= nb_frames
        width = math.prod(rest)
        window, hop = self.params.window * width, self.params.hop * width
        length = nb_frames * hop + window - hop
        room = (nb_frames - 1 + -(-window // hop)) * hop  # a whole number of hops
        total, power = np.zeros(room, np.float32), np.zeros(room, np.float32)
        total[: len(self._sum)], power[: len(self._power)] = self._sum, self._power

        weights = _unit_taper(self.params.taper, self.params.window, width)
        batch = max(1, BATCH // window)
        for at in range(0, nb_frames, batch):
            frames = scipy.fft.irfft(spectra[at : at + batch], self.params.window, axis=1, workers=1)
            # (nb_frames, window, ...) -> (nb_frames, window * ...)
            frames = frames.reshape(-1, window)
            frames *= weights
            _overlap_add(total[at * hop :], frames, hop)
        _overlap_add(power, np.broadcast_to(weights**2, (nb_frames, window)), hop)

        done = nb_frames * hop if self._left else length
        self._sum, self._power = total[done:length].copy(), power[done:length].copy()
        begin = max(-self._begin * width, 0)
        end = max(begin, min(done, (self.nb_samples - self._begin) * width))
        self._begin += done // width
        return np.asarray(total[begin:end] / power[begin:end]).reshape(-1, *rest)


def _overlap_add(total: NDArray[np.float32], frames: NDArray[np.float32], hop: int) -> None:
    """Add `frames` (nb_frames, window) to `total` (nb_samples,), each `hop` samples after the last."""
    nb_frames, window = frames.shape
    for start in range(0, window, hop):
        part = frames[:, start : start + hop]
        # (nb_frames * hop) -> (nb_frames, hop)
        place = total[start : start + nb_frames * hop].reshape(nb_frames, hop)
        place[:, : part.shape[1]] += part
