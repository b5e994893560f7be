"""Sound generators of the synthetic corpus, in float64; lengths in samples, frequencies in Hz."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy import fft, signal

SAMPLE_RATE = 44100
Audio = NDArray[np.float64]
Series = Iterable[float]
Pitch = TypeVar("Pitch", float, Audio)
_TABLE = 8192


def seconds(nb_samples: int) -> Audio:
    """Times of the samples, in seconds, shape (nb_samples,)."""
    return np.arange(nb_samples) / SAMPLE_RATE


def frequency(pitch: Pitch) -> Pitch:
    """Hz of a MIDI pitch, or of an array of them."""
    hertz: Pitch = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    return hertz


def play(amplitudes: ArrayLike, frequency: float, nb_samples: int, phase: float = 0.0) -> Audio:
    """A tone with the given amplitudes of its harmonics, the fundamental first; `phase` in cycles."""
    harmonics = np.asarray(amplitudes, dtype=np.float64)[: _TABLE // 2]
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(harmonics) + 1] = -0.5j * harmonics * _TABLE
    cycles = np.arange(nb_samples) * (frequency / SAMPLE_RATE) + phase
    return np.asarray(fft.irfft(spectrum, _TABLE)[(cycles * _TABLE).astype(np.int64) & (_TABLE - 1)])


def swept(spectra: Iterable[ArrayLike], frequency: float, amount: Audio, phase: float = 0.0) -> Audio:
    """From a dark tone to a bright one, of the given amplitudes, by a moving `amount`, shape (nb_samples,)."""
    dark, bright = (play(amplitudes, frequency, len(amount), phase) for amplitudes in spectra)
    return dark * (1.0 - amount) + bright * amount


def saw(frequency: Audio) -> Audio:
    """Sawtooth of a varying frequency, shape (nb_samples,), its steps rounded off (PolyBLEP)."""
    step = frequency / SAMPLE_RATE
    phase = np.cumsum(step) % 1.0
    wave = 2.0 * phase - 1.0
    after = np.flatnonzero(phase < step)
    t = phase[after] / step[after]
    wave[after] -= 2.0 * t - t * t - 1.0
    before = np.flatnonzero(phase > 1.0 - step)
    t = (phase[before] - 1.0) / step[before]
    wave[before] -= t * t + 2.0 * t + 1.0
    return wave


def modes(
    frequencies: Series, amplitudes: Series, decays: Series, nb_samples: int, drop: float = 0.0, fall: float = 0.03
) -> Audio:
    """Sum of decaying sines, as of a struck body.

    `decays` are time constants in seconds; all pitches start `1 + drop` times too high and fall back within `fall`
    seconds.
    """
    wave, t = np.zeros(nb_samples), seconds(nb_samples)
    warped = t + drop * fall * (1.0 - np.exp(-t / fall))  # integral of 1 + drop * exp(-t / fall)
    for frequency, amplitude, decay in zip(frequencies, amplitudes, decays, strict=True):
        if drop:
            wave += amplitude * np.exp(-t / decay) * np.sin(2.0 * np.pi * frequency * warped)
        else:  # the same without the drop is the impulse response of a resonator, which is cheaper
            impulse = amplitude * signal.unit_impulse(min(nb_samples, int(7.0 * decay * SAMPLE_RATE) + 2))
            radius, angle = np.exp(-1.0 / (decay * SAMPLE_RATE)), 2.0 * np.pi * frequency / SAMPLE_RATE
            feedback = [1.0, -2.0 * radius * np.cos(angle), radius**2]
            wave[: len(impulse)] += signal.lfilter([0.0, radius * np.sin(angle)], feedback, impulse)
    return wave


def pluck(
    frequency: float,
    nb_samples: int,
    decay: float,
    damping: float,
    brightness: float,
    position: float,
    stiffness: float,
) -> Audio:
    """A plucked or hammered string: excitation / (1 - loop), sampled in the frequency domain.

    `decay` is the T60 of low partials in seconds, `damping` the frequency where it has fallen to a half,
    `brightness` the cut-off of the excitation, `position` the struck point as a fraction of the string.
    Partials are stretched by sqrt(1 + stiffness k^2). An exponential window of 60 dB keeps the response
    from wrapping round.
    """
    length = fft.next_fast_len(max(nb_samples, SAMPLE_RATE // 2), real=True)
    highest = min(18000.0, 12.0 * brightness)  # what lies above is 43 dB down; the inverse transform pads it
    f = np.arange(int(highest * length / SAMPLE_RATE)) * (SAMPLE_RATE / length)
    window = np.log(1000.0) / length
    period = SAMPLE_RATE / frequency
    stretch = 1.0 / np.sqrt(1.0 + stiffness * (f / frequency) ** 2)
    s = window + 2j * np.pi / SAMPLE_RATE * (f * stretch)
    loss = np.log(1000.0) / (decay * frequency) * (1.0 + (f / damping) ** 2)
    loop = np.exp(-loss - s * period)
    excitation = (1.0 - np.exp(-s * (period * position))) / (1.0 + (f / brightness) ** 2)
    excitation *= np.clip((highest - f) / (0.2 * highest), 0.0, 1.0)
    wave = fft.irfft(excitation / (1.0 - loop), length)[:nb_samples]
    wave *= np.exp(window * np.arange(nb_samples))
    return np.asarray(wave / (np.abs(wave).max() + 1e-12))


def ensemble(rng: Generator, frequency: float, amplitudes: Audio, cents: float, nb_samples: int) -> Audio:
    """Many players of one note, shape (nb_samples,), without a seam when repeated.

    Each harmonic is a narrow band of random phase, `cents` wide (standard deviation).
    """
    spectrum = np.zeros(nb_samples // 2 + 1, dtype=np.complex128)
    scale = nb_samples / SAMPLE_RATE
    spread = (2.0 ** (cents / 1200.0) - 1.0) * frequency * scale
    for k, amplitude in enumerate(amplitudes, start=1):
        centre, sigma = frequency * k * scale, max(0.4, spread * k)
        low, high = max(1, int(centre - 3.0 * sigma)), min(len(spectrum), int(centre + 3.0 * sigma) + 2)
        if low >= high:
            break
        profile = np.exp(-0.5 * ((np.arange(low, high) - centre) / sigma) ** 2)
        phases = np.exp(2j * np.pi * rng.random(high - low))
        spectrum[low:high] += (amplitude / np.sqrt(sigma)) * profile * phases
    wave = fft.irfft(spectrum, nb_samples)
    return np.asarray(wave / np.sqrt((wave**2).mean() + 1e-24))
