"""Levels, envelopes, placing, filters, dynamics, rooms and the effects of a studio."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, seconds

HOP = 256  # samples from one control frame to the next
FRAME = 1024  # samples in a frame of `moving_filter`, which come at each second control frame
FREQUENCIES = np.arange(FRAME + 1) * (SAMPLE_RATE / (2 * FRAME))  # Hz, of its bins
BANDS = 31.25 * 2.0 ** np.arange(10)  # centres of octaves, Hz


def decibels(value: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10.0 ** (value / 20.0))


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """A number from `low` to `high` whose logarithm is uniformly distributed."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def rms(x: Audio) -> float:
    """Root mean square of all values that are not negligible relative to the loudest."""
    power = x.ravel() ** 2
    return float(np.sqrt(power.sum() / np.count_nonzero(power >= 1e-6 * power.max()) + 1e-24))


def normalise(x: Audio) -> Audio:
    """`x` with an RMS of 1."""
    return x / (rms(x) + 1e-12)


def mono(x: Audio) -> Audio:
    """The mean of the channels, shape (nb_samples,)."""
    return x if x.ndim == 1 else np.asarray(x.mean(axis=1))


def stereo(x: Audio) -> Audio:
    """Shape (nb_samples, 2); a mono signal on both sides."""
    return x if x.ndim == 2 else np.repeat(x[:, None], 2, axis=1)


def peaks(x: Audio, hop: int) -> Audio:
    """Largest magnitude among the channels in each block of `hop` samples."""
    magnitude: Audio = np.abs(x).reshape(len(x), -1).max(axis=1)
    return np.asarray(np.pad(magnitude, (0, -len(x) % hop)).reshape(-1, hop).max(axis=1))


def fade(x: Audio, attack: float, release: float) -> Audio:
    """`x` under a raised-cosine envelope with the given times in seconds; starts and ends at zero."""
    envelope = np.ones(len(x))
    rise, fall = (min(len(x), max(2, int(time * SAMPLE_RATE))) for time in (attack, release))
    envelope[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    envelope[len(x) - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return np.asarray((x.T * envelope).T)


def place(buffer: Audio, start: float, x: Audio, gain: float | Audio = 1.0) -> None:
    """Add `x` to `buffer` from `start` seconds on, cut at both ends; a mono `x` takes a pair of gains."""
    first = round(start * SAMPLE_RATE)
    skip = max(0, -first)
    length = min(len(x), len(buffer) - first) - skip
    if length > 0:
        part = x[skip : skip + length]
        part = part[:, None] if part.ndim < buffer.ndim else part
        buffer[first + skip : first + skip + length] += part * gain


def layered(*sounds: Audio) -> Audio:
    """Sum of sounds of different length that start together."""
    total = np.zeros((max(map(len, sounds)), *sounds[0].shape[1:]))
    for x in sounds:
        total[: len(x)] += x
    return total


def longest(keys: Sequence[tuple[float, float]], lengths: Sequence[int]) -> dict[tuple[float, float], int]:
    """The largest length of each key: each sound is made once, as long as its longest note."""
    return {key: max(n for k, n in zip(keys, lengths, strict=True) if k == key) for key in dict.fromkeys(keys)}


def pan(position: float) -> Audio:
    """Constant-power gains (left, right) of a position from -1 (left) to 1."""
    angle = (position + 1.0) * np.pi / 4.0
    return np.asarray(np.sqrt(2.0) * np.array([np.cos(angle), np.sin(angle)]))


def panned(x: Audio, position: float) -> Audio:
    """The mono sound at a position, shape (nb_samples, 2)."""
    return np.asarray(mono(x)[:, None] * pan(position))


def _butterworth(kind: Literal["low", "high"], x: Audio, cutoff: float, order: int = 1) -> Audio:
    """A low-pass or high-pass along the first axis; cutoff in Hz."""
    return np.asarray(signal.lfilter(*signal.butter(order, cutoff, kind, fs=SAMPLE_RATE), x, axis=0))


lowpass, highpass = partial(_butterworth, "low"), partial(_butterworth, "high")


def bandpass(x: Audio, low: float, high: float) -> Audio:
    """First-order low- and high-pass in a row."""
    return lowpass(highpass(x, low), min(high, 20000.0))


def moving_filter(x: Audio, response: NDArray[Any], lead: int = 0) -> Audio:
    """Filter `x` (nb_samples,) by a response of shape (nb_samples // 512 + 2, FRAME + 1) that moves.

    Row j is the response of a Hann frame of 1024 samples with its centre at sample 512 j. It begins `lead` samples
    before the impulse.
    """
    hop, nb_frames = 2 * HOP, len(response)
    padded = np.pad(x, (hop, nb_frames * hop + FRAME - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::hop][:nb_frames]
    spectra = fft.rfft(frames * np.hanning(FRAME + 1)[:FRAME], 2 * FRAME, axis=1)
    pieces = np.roll(fft.irfft(spectra * response, 2 * FRAME, axis=1), lead, axis=1)
    out = np.zeros((nb_frames + 3) * hop)
    for part in range(4):  # overlap-add, one quarter of every frame at a time
        out[part * hop :][: nb_frames * hop] += pieces[:, part * hop :][:, :hop].reshape(-1)
    return out[lead + hop :][: len(x)]


def filter_rows(nb_samples: int, nb_frames: int) -> NDArray[np.int64]:
    """The control frame, of `nb_frames` with a hop of HOP, of each row of a response for `moving_filter`."""
    return np.minimum(2 * np.arange(nb_samples // (2 * HOP) + 2), nb_frames - 1)


def body(x: Audio, rng: Generator, amount: float) -> Audio:
    """Add the resonances of a wooden or metal body to a mono sound: `x` through a short random response."""
    decay = 0.004 * SAMPLE_RATE
    nb_taps = int(5.0 * decay)
    response = rng.standard_normal(nb_taps) * np.exp(-np.arange(nb_taps) / decay)
    response *= amount / np.sqrt((response**2).sum())
    response[0] += 1.0 - amount
    return np.asarray(signal.oaconvolve(x, response))[: len(x)]


def upsample(curve: Audio, hop: int, nb_samples: int) -> Audio:
    """Straight lines between the values of a control curve, one each `hop` samples, shape (nb_samples,)."""
    following = np.append(curve[1:], curve[-1])
    lines = curve[:, None] + (following - curve)[:, None] * (np.arange(hop) / hop)
    return lines.reshape(-1)[:nb_samples]


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
    return np.asarray((x.T * upsample(gain, hop, len(x))).T)


def bus(x: Audio, rng: Generator, least: float, most: float) -> Audio:
    """A compressor with a ratio from `least` to `most`, and random settings."""
    return compress(x, rng.uniform(least, most), rng.uniform(-12.0, 3.0), np.exp(rng.uniform(-3.2, -1.2)))


def room(rng: Generator, reverberation: float, damping: float, width: float) -> Audio:
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


def tone(x: Audio, rng: Generator, spread: float) -> Audio:
    """A random equaliser with zero phase; `spread` (dB) is the standard deviation in an octave."""
    length = fft.next_fast_len(len(x) + 2048, real=True)
    f = np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE)
    gains = np.clip(ndimage.gaussian_filter1d(rng.normal(0.0, 1.4 * spread, 2 * len(BANDS)), 1.0), -18.0, 18.0)
    places = np.linspace(np.log2(BANDS[0]), np.log2(BANDS[-1]), len(gains))
    curve = 10.0 ** (np.interp(np.log2(np.maximum(f, 1.0)), places, gains) / 20.0)
    return np.asarray(fft.irfft(fft.rfft(x.T, length) * curve, length).T[: len(x)])  # along the samples of each channel


def retune(x: Audio, factor: float) -> Audio:
    """Played `factor` times as fast, and so higher."""
    if abs(factor - 1.0) < 1e-3:
        return x
    x = lowpass(x, 0.45 * SAMPLE_RATE / factor, 4) if factor > 1.05 else x
    grid = np.arange(int((len(x) - 1) / factor)) * factor
    return np.stack([np.interp(grid, np.arange(len(x)), side) for side in x.T], axis=1)


def amplify(
    x: Audio, drive: float, bias: float, cabinet: tuple[float, float], presence: float, middle: tuple[float, float]
) -> Audio:
    """An overdriven amplifier and its `cabinet`, a band (Hz) in which the `middle` has more or less `presence`."""
    x = np.tanh(drive * normalise(x) + bias) - np.tanh(bias)
    x = lowpass(highpass(x, cabinet[0]), cabinet[1], 3)
    return x + presence * bandpass(x, *middle)


def distort(x: Audio, rng: Generator) -> Audio:
    """A random amplifier, from crunch to fuzz."""
    x = highpass(x, rng.uniform(60.0, 300.0))
    drive, bias = log_uniform(rng, 1.0, 25.0), rng.uniform(0.0, 0.4)
    cabinet = rng.uniform(60.0, 110.0), rng.uniform(3000.0, 6500.0)
    middle = rng.uniform(700.0, 3000.0)
    return amplify(x, drive, bias, cabinet, rng.uniform(-0.3, 0.9), (0.8 * middle, 1.6 * middle))


def sweep(x: Audio, rng: Generator) -> Audio:
    """A low-pass whose cut-off moves up, down or to and fro, between the outputs of three fixed ones."""
    cutoffs = np.geomspace(rng.uniform(200.0, 700.0), rng.uniform(3000.0, 10000.0), 4)
    t = np.linspace(0.0, 1.0, len(x))
    kind = rng.integers(3)
    where = t if kind == 0 else 1.0 - t if kind == 1 else 0.5 - 0.5 * np.cos(2.0 * np.pi * t * rng.uniform(1.0, 24.0))
    shares = (np.clip(1.0 - np.abs(3.0 * where - i), 0.0, 1.0)[:, None] for i in range(4))
    return sum((lowpass(x, c, 2) * share for c, share in zip(cutoffs, shares, strict=True)), np.zeros_like(x))


def chorus(x: Audio, centre: float, depth: float, rate: float, mix: tuple[float, float], phase: float) -> Audio:
    """Each side of `x` (nb_samples, 2) with `mix` of a copy, later by `centre` and up to `depth` s more or less.

    `rate` is in Hz; `phase` is the right side's lead.
    """
    grid, angle = np.arange(len(x)), 2.0 * np.pi * rate * seconds(len(x))
    delays = [SAMPLE_RATE * (centre + depth * np.sin(angle + p)) for p in (0.0, phase)]
    copies = [np.interp(grid - delay, grid, side) for side, delay in zip(x.T, delays, strict=True)]
    return np.asarray(x + np.stack(copies, axis=1) * mix)


def modulate(x: Audio, rng: Generator) -> Audio:
    """A random chorus or flanger."""
    flanger = rng.random() < 0.3
    centre, depth = (0.003, 0.002) if flanger else (rng.uniform(0.008, 0.02), rng.uniform(0.001, 0.004))
    rate, mix = rng.uniform(0.15, 1.5), rng.uniform(0.4, 0.9)
    return chorus(x, centre, depth, rate, (mix, mix), rng.uniform(0.5, 3.0))


def tremolo(x: Audio, depth: float, rate: float, opposite: bool) -> Audio:
    """Amplitude that swings, in step or from side to side."""
    wave = depth * np.sin(2.0 * np.pi * rate * seconds(len(x)))
    return np.asarray(x * np.stack([1.0 + wave, 1.0 - wave if opposite else 1.0 + wave], axis=1))


def pulsate(x: Audio, rng: Generator) -> Audio:
    """A random tremolo."""
    return tremolo(x, rng.uniform(0.2, 0.8), rng.uniform(2.0, 8.0), rng.choice([True, False]))


def echo(x: Audio, rng: Generator, beat: float) -> Audio:
    """Repeats after a fraction of a `beat` (s), from side to side and darker each time."""
    delay = int(beat * rng.choice([0.25, 0.5, 0.75, 1.0, 1.5]) * SAMPLE_RATE)
    gain, copy, total = rng.uniform(0.15, 0.5), lowpass(x, rng.uniform(1500.0, 6000.0)), x.copy()
    for repeat in range(1, 5):
        copy = copy[:, ::-1]
        place(total, repeat * delay / SAMPLE_RATE, copy, gain**repeat)
    return total


def lofi(x: Audio, rng: Generator) -> Audio:
    """A narrow band, as of old records, telephones and samplers."""
    return saturate(bandpass(x, rng.uniform(60.0, 500.0), rng.uniform(2000.0, 7000.0)), rng.uniform(0.3, 1.0))


def pedals(x: Audio, rng: Generator, beat: float) -> Audio:
    """Some of the effects above, as a pedal board."""
    for effect, probability in ((sweep, 0.1), (modulate, 0.25), (pulsate, 0.08), (lofi, 0.05)):
        if rng.random() < probability:
            x = effect(x, rng)
    return echo(x, rng, beat) if rng.random() < 0.2 else x


def widen(x: Audio, rng: Generator) -> Audio:
    """More or less difference between the sides."""
    middle, side = mono(x), 0.5 * (x[:, 0] - x[:, 1])
    side = side * np.exp(rng.normal(0.0, 0.5))
    return np.stack([middle + side, middle - side], axis=1)
