"""The mixing desk: balance, room and level of each stem, and a limiter for their sum."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import fft, ndimage, signal

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments.effects import BANDS
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio

EQUALISATION = 0.8
HISS = -55.0, 8.0  # dB below a recorded stem, mean and spread


@dataclass(frozen=True)
class Channel:
    """How a stem is mixed.

    Level relative to the mixture (dB, mean and spread); octave spectrum (dB) and its random variation from octave to
    octave (dB); T60 (s) and amplitude of the room. For recorded instruments: amplitude of the room, what their spectra
    need to come near (dB), a factor on the variation, and a further change of the level (dB, mean and spread).
    """

    level: tuple[float, float]
    spectrum: tuple[float, ...]
    wander: float
    reverberation: tuple[float, float]
    wet: tuple[float, float]
    recorded_wet: tuple[float, float]
    recorded_spectrum: tuple[float, ...]
    recorded_wander: float
    recorded_level: tuple[float, float]


# Levels and octave spectra (31 Hz to 16 kHz) are medians over MUSDB18's excerpts.
# Recorded basses are louder and drums softer than there: a network finds basses too rarely (docs/results.md).
# fmt: off
CHANNELS = {
    "vocals": Channel((-6.0, 2.2), (-45, -41, -33, -8, -5, -6, -10, -15, -20, -29), 3.5, (0.6, 2.2), (0.1, 0.45),
                      (0.07, 0.4), (0, 0, -9, -6, -2, 9, 8, 3, 13, 11), 2.0, (0.5, 1.2)),
    "drums": Channel((-6.8, 2.4), (-13, -4, -6, -9, -15, -19, -19, -16, -17, -24), 3.0, (0.3, 1.2), (0.2, 0.8),
                     (0.2, 0.8), (-1, 1, 0, 0, -5, -9, -10, -7, -5, -6), 1.7, (-1.5, 2.5)),
    "bass": Channel((-7.4, 2.4), (-23, -4, -4, -13, -27, -33, -39, -49, -61, -68), 5.0, (0.2, 0.4), (0.0, 0.08),
                    (0.0, 0.08), (-12, 0, 4, -6, -16, -15, -9, -5, -4, 4), 1.8, (2.0, 2.5)),
    "other": Channel((-6.0, 2.0), (-42, -25, -10, -6, -7, -9, -10, -16, -30, -46), 3.5, (0.5, 2.2), (0.08, 0.35),
                     (0.08, 0.35), (-6, 0, 6, 1, 0, -3, 1, 1, -4, -4), 2.8, (0.0, 1.2)),
}
# fmt: on


def _equalise(x: Audio, target: Audio, amount: float, response: Audio) -> Audio:
    """`x` through the `response` of a room, then an equaliser; shape (nb_samples, nb_channels) kept.

    The equaliser moves the power in each octave of `BANDS` by the fraction `amount` of its distance in dB from
    `target` (dB, any offset), at most 12 dB, with zero phase.
    """
    length = fft.next_fast_len(len(x) + len(response), real=True)
    spectrum = fft.rfft(x.T, length) * fft.rfft(response.T, length)  # (channels, bins)
    f = np.arange(spectrum.shape[1]) * (SAMPLE_RATE / length)
    edges = np.searchsorted(f, BANDS / np.sqrt(2.0))
    octaves = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, edges, axis=1).sum(axis=0)
    level = 10.0 * np.log10(octaves + 1e-9 * octaves.sum() + 1e-24)
    distance = (target - level) - np.average(target - level, weights=octaves + 1e-24)
    curve = np.interp(np.log2(np.maximum(f, 1.0)), np.log2(BANDS), np.clip(amount * distance, -12.0, 12.0))
    curve -= np.interp(f, [0.0, 20.0, 32.0], [40.0, 12.0, 0.0])
    return np.asarray(fft.irfft(spectrum * 10.0 ** (curve / 20.0), length)[:, : len(x)].T)


def _pink(rng: Generator, nb_samples: int, mono: bool) -> Audio:
    """Noise with the same power in all octaves, down to 1 Hz, of an RMS of 1, (nb_samples, 2)."""
    length = fft.next_fast_len(nb_samples, real=True)
    spectrum = fft.rfft(rng.standard_normal((1 if mono else 2, length)))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[1]) * (SAMPLE_RATE / length), 1.0))
    return np.broadcast_to(fx.normalise(fft.irfft(spectrum, length)[:, :nb_samples].T), (nb_samples, 2))


def _gate(nb_samples: int, rng: Generator, beat: float) -> Audio:
    """An envelope (nb_samples, 1) that leaves out some of the bars: the stem enters late, leaves early or pauses."""
    bar = 4.0 * beat * SAMPLE_RATE
    total = max(1, int(nb_samples / bar))
    first, last = sorted(rng.integers(0, total + 1, 2))
    bars = np.ones(total + 2)
    bars[(slice(0, first), slice(last, None), slice(first, last))[rng.integers(3)]] = 0.0
    if not bars[:total].any():
        bars[:] = 1.0
    curve = np.repeat(bars, int(bar) + 1)[:nb_samples]
    curve = np.pad(curve, (0, nb_samples - len(curve)), mode="edge")
    return np.asarray(signal.lfilter([0.002], [1.0, -0.998], curve, zi=[0.998 * curve[0]])[0])[:, None]


def mix(source: str, x: Audio, rng: Generator, beat: float, recorded: bool) -> Audio:
    """The stem `x` (nb_samples, 2) of a source with its room and spectral balance, at its level in the mixture.

    Stems of `recorded` instruments differ more from song to song, and may pause. `beat` is in s.
    """
    channel, nb_samples = CHANNELS[source], len(x)
    # each song has its own balance, which wanders from the usual one away from 500 Hz
    steps = rng.normal(0.0, channel.wander, len(BANDS))
    balance = np.concatenate([np.cumsum(steps[:4])[::-1], [0.0], np.cumsum(steps[5:])])
    room = fx.room(rng, rng.uniform(*channel.reverberation), rng.uniform(1500.0, 6000.0), rng.uniform(0.6, 1.0))
    wet, delay = rng.uniform(*(channel.recorded_wet if recorded else channel.wet)), rng.uniform(0.0, 0.03)
    mono = bool((x[:, 0] == x[:, 1]).all())
    if mono and (source != "bass" or recorded):
        mono = rng.random() < (0.5 if source == "bass" else 0.15)
    amount, most = EQUALISATION, 1.5
    if recorded:
        amount, most = rng.uniform(0.2, 0.8), 2.5
        wet *= rng.uniform(0.0, 1.6)
        balance = balance * channel.recorded_wander + channel.recorded_spectrum
    first = int(delay * SAMPLE_RATE)
    response = np.zeros((first + len(room), 2))
    response[0] = 1.0
    response[first:] += wet * room
    sides = slice(1 if mono else 2)  # left stays equal to right
    x = _equalise(x[:, sides], channel.spectrum + balance, amount, response[:, sides])
    mean, spread = channel.level
    level = mean + spread * np.clip(rng.standard_normal(), -most, most)
    x = np.broadcast_to(fx.normalise(x) * fx.decibels(level), (nb_samples, 2))
    if not recorded:
        return x
    x = x + fx.decibels(level + rng.normal(*HISS)) * _pink(rng, nb_samples, mono or rng.random() < 0.5)
    x = x * fx.decibels(rng.normal(*channel.recorded_level))
    return x * _gate(nb_samples, rng, beat) if rng.random() < 0.12 else x


def limit(mixture: Audio) -> Audio:
    """A limiter's gain, shape (nb_samples,): one curve for all stems, so that they still add up."""
    hop, pole = 64, 0.9
    ceiling = fx.decibels(13.5) * fx.rms(mixture)
    gain = np.minimum(1.0, ceiling / (fx.peaks(mixture, hop) + 1e-12))
    # the least gain within 7 ms, then a smooth way there and back
    gain = ndimage.minimum_filter1d(gain, 11, mode="nearest")
    gain = np.asarray(signal.filtfilt([1.0 - pole], [1.0, -pole], gain, padlen=min(30, len(gain) - 1)))
    return fx.upsample(gain, hop, len(mixture))
