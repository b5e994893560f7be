"""Envelopes, placing, filters, dynamics, rooms and the spectral balance of the synthetic corpus."""

from collections.abc import Hashable, Iterable
from functools import partial
from itertools import groupby
from typing import Literal, TypeVar

import numpy as np
from scipy import fft, signal

from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.score import Note

Key = TypeVar("Key", bound=Hashable)


def decibels(value: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10.0 ** (value / 20.0))


def rms(x: Audio) -> float:
    """Root mean square of all values that are not negligible relative to the loudest."""
    power = x.ravel() ** 2
    return float(np.sqrt(power.sum() / np.count_nonzero(power >= 1e-6 * power.max()) + 1e-24))


def peaks(x: Audio, hop: int) -> Audio:
    """Largest magnitude among the channels in each block of `hop` samples."""
    magnitude: Audio = np.abs(x).reshape(len(x), -1).max(axis=1)
    return np.asarray(np.pad(magnitude, (0, -len(x) % hop)).reshape(-1, hop).max(axis=1))


def fade(nb_samples: int, attack: float, release: float) -> Audio:
    """Raised-cosine envelope with the given attack and release in seconds; starts and ends at zero."""
    envelope = np.ones(nb_samples)
    rise = min(nb_samples, max(2, int(attack * SAMPLE_RATE)))
    fall = min(nb_samples, max(2, int(release * SAMPLE_RATE)))
    envelope[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    envelope[nb_samples - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return envelope


def place(buffer: Audio, start: float, x: Audio, gain: float | Audio = 1.0) -> None:
    """Add `x` to `buffer` from `start` seconds on, cut at both ends; a mono `x` takes a pair of gains."""
    first = round(start * SAMPLE_RATE)
    skip = max(0, -first)
    length = min(len(x), len(buffer) - first) - skip
    if length > 0:
        part = x[skip : skip + length]
        part = part[:, None] if part.ndim < buffer.ndim else part
        buffer[first + skip : first + skip + length] += part * gain


def ranks(notes: Iterable[Note]) -> list[int]:
    """The place of each note among those that start together."""
    return [rank for _, chord in groupby(notes, lambda note: note.start) for rank, _ in enumerate(chord)]


def longest(keys: Iterable[Key], lengths: Iterable[int]) -> dict[Key, int]:
    """The largest length of each key: each sound is made once, as long as its longest note."""
    found: dict[Key, int] = {}
    for key, length in zip(keys, lengths, strict=True):
        found[key] = max(length, found.get(key, 0))
    return found


def pan(position: float) -> Audio:
    """Constant-power gains (left, right) of a position from -1 (left) to 1."""
    angle = (position + 1.0) * np.pi / 4.0
    return np.asarray(np.sqrt(2.0) * np.array([np.cos(angle), np.sin(angle)]))


def _butterworth(kind: Literal["low", "high"], x: Audio, cutoff: float, order: int = 1) -> Audio:
    """A low-pass or high-pass along the first axis; cutoff in Hz."""
    return np.asarray(signal.lfilter(*signal.butter(order, cutoff, kind, fs=SAMPLE_RATE), x, axis=0))


lowpass, highpass = partial(_butterworth, "low"), partial(_butterworth, "high")


def bandpass(x: Audio, low: float, high: float) -> Audio:
    """First-order low- and high-pass in a row."""
    return lowpass(highpass(x, low), min(high, 20000.0))


def body(x: Audio, rng: np.random.Generator, amount: float, decay: float = 0.004) -> Audio:
    """Add the resonances of a wooden or metal body to a mono sound: `x` through a short random response."""
    nb_taps = int(5.0 * decay * SAMPLE_RATE)
    response = rng.standard_normal(nb_taps) * np.exp(-np.arange(nb_taps) / (decay * SAMPLE_RATE))
    response *= amount / np.sqrt((response**2).sum())
    response[0] += 1.0 - amount
    return np.asarray(signal.oaconvolve(x, response))[: len(x)]


def upsample(curve: Audio, hop: int, nb_samples: int) -> Audio:
    """Straight lines between the values of a control curve, one each `hop` samples, shape (nb_samples,)."""
    following = np.append(curve[1:], curve[-1])
    lines = curve[:, None] + (following - curve)[:, None] * (np.arange(hop) / hop)
    return lines.reshape(-1)[:nb_samples]


def delayed(x: Audio, delay: Audio) -> Audio:
    """A mono signal later by `delay` seconds, which may move, (nb_samples,)."""
    grid = np.arange(len(x))
    return np.interp(grid - delay * SAMPLE_RATE, grid, x)


def saturate(x: Audio, drive: float) -> Audio:
    """Soft clipping by tanh; `drive` is the input's RMS relative to the bend."""
    gain = drive / (rms(x) + 1e-12)
    return np.tanh(gain * x) / gain


def compress(x: Audio, ratio: float, threshold: float = -6.0, release: float = 0.12) -> Audio:
    """Feed-forward compressor, both channels by one gain; `threshold` in dB relative to the signal's RMS."""
    hop = 128
    pole = float(np.exp(-hop / (release * SAMPLE_RATE)))
    level = np.asarray(signal.lfilter([1.0 - pole], [1.0, -pole], peaks(x, hop) ** 2))
    over = 10.0 * np.log10(level / (rms(x) ** 2) + 1e-12) - threshold
    gain = 10.0 ** (-(1.0 - 1.0 / ratio) * np.maximum(over, 0.0) / 20.0)
    curve = upsample(gain, hop, len(x))
    return x * (curve[:, None] if x.ndim == 2 else curve)


def room(rng: np.random.Generator, reverberation: float, damping: float, width: float) -> Audio:
    """Stereo impulse response of unit energy, shape (nb_samples, 2).

    Decaying noise whose part above `damping` Hz decays three times as fast, after a few early reflections;
    `reverberation` is T60 in seconds, `width` from 0 (mono) to 1.
    """
    length = max(64, int(reverberation * SAMPLE_RATE))
    t = np.arange(length)[:, None] / length
    noise = rng.standard_normal((length, 2))
    noise[:, 1] = np.sqrt(1.0 - width) * noise[:, 0] + np.sqrt(width) * noise[:, 1]
    dark = lowpass(noise, damping)
    response = dark * 10.0 ** (-3.0 * t) + (noise - dark) * 10.0 ** (-9.0 * t)
    response *= np.minimum(1.0, np.arange(length) / (0.01 * SAMPLE_RATE))[:, None]
    for delay in rng.uniform(0.004, 0.04, 6):
        sample = int(delay * SAMPLE_RATE)
        if sample < length:
            response[sample] += rng.normal(0.0, 3.0, 2) * (1.0 - 10.0 * delay)
    response = highpass(response, 180.0)
    return np.asarray(response / np.sqrt((response**2).sum(axis=0) + 1e-24))


# Centres of the octaves that `strip` balances, Hz.
BANDS = 31.25 * 2.0 ** np.arange(10)


def strip(x: Audio, target: Audio, amount: float, response: Audio, wet: float, delay: float) -> Audio:
    """The channel strip: reverberation, then an equaliser; shape (nb_samples, nb_channels) kept.

    `response` is a `room`, added with amplitude `wet` and `delay` seconds late. The equaliser moves the
    power in each octave of `BANDS` by the fraction `amount` of its distance in dB from `target` (dB, any offset),
    at most 12 dB, with zero phase.
    """
    nb_samples = len(x)
    first = int(delay * SAMPLE_RATE)
    length = fft.next_fast_len(nb_samples + first + len(response), real=True)
    spectrum = fft.rfft(np.ascontiguousarray(x.T), length)  # (samples, channels) -> (channels, bins)
    f = np.arange(spectrum.shape[1]) * (SAMPLE_RATE / length)
    late = np.zeros((response.shape[1], first + len(response)))
    late[:, first:] = wet * response.T
    spectrum *= 1.0 + fft.rfft(late, length)
    edges = np.searchsorted(f, np.append(BANDS / np.sqrt(2.0), SAMPLE_RATE / 2.0))
    power = spectrum.real**2 + spectrum.imag**2
    octaves = np.add.reduceat(power, edges[:-1], axis=1).sum(axis=0)
    level = 10.0 * np.log10(octaves + 1e-9 * octaves.sum() + 1e-24)
    distance = (target - level) - np.average(target - level, weights=octaves + 1e-24)
    gain = np.clip(amount * distance, -12.0, 12.0)
    curve = np.interp(np.log2(np.maximum(f, 1.0)), np.log2(BANDS), gain)
    curve -= np.interp(f, [0.0, 20.0, 32.0], [40.0, 12.0, 0.0])
    spectrum *= 10.0 ** (curve / 20.0)
    return np.ascontiguousarray(fft.irfft(spectrum, length)[:, :nb_samples].T)  # (channels, samples), back
