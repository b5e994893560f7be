"""Sound generators of the synthetic corpus, in float64; lengths in samples, frequencies in Hz."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, signal

SAMPLE_RATE = 44100
Audio = NDArray[np.float64]

_TABLE = 8192


def seconds(nb_samples: int) -> Audio:
    """Times of the samples, in seconds, shape (nb_samples,)."""
    return np.arange(nb_samples) / SAMPLE_RATE


def frequency(pitch: float) -> float:
    """Hz of a MIDI pitch."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def cycle(amplitudes: ArrayLike) -> Audio:
    """One period with the given harmonic amplitudes (the first is the fundamental's), for `play`."""
    harmonics = np.asarray(amplitudes, dtype=np.float64)[: _TABLE // 2]
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(harmonics) + 1] = -0.5j * harmonics * _TABLE
    return np.asarray(fft.irfft(spectrum, _TABLE))


def play(table: Audio, frequency: ArrayLike, nb_samples: int, phase: float = 0.0) -> Audio:
    """Read a `cycle` table at a constant frequency, or one per sample; `phase` in cycles."""
    step = np.asarray(frequency, dtype=np.float64) / SAMPLE_RATE
    cycles = np.arange(nb_samples) * step if step.ndim == 0 else np.cumsum(step[:nb_samples])
    wave: Audio = table[((cycles + phase) * _TABLE).astype(np.int64) & (_TABLE - 1)]
    return wave


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
    frequencies: Iterable[float],
    amplitudes: Iterable[float],
    decays: Iterable[float],
    nb_samples: int,
    drop: float = 0.0,
    drop_time: float = 0.03,
) -> Audio:
    """Sum of decaying sines, as of a struck body.

    `decays` are time constants in seconds; all pitches start `1 + drop` times too high and fall back within
    `drop_time` seconds.
    """
    wave = np.zeros(nb_samples)
    if drop:
        t = seconds(nb_samples)
        # integral of 1 + drop * exp(-t / drop_time)
        warped = t + drop * drop_time * (1.0 - np.exp(-t / drop_time))
        for frequency, amplitude, decay in zip(frequencies, amplitudes, decays, strict=True):
            wave += amplitude * np.exp(-t / decay) * np.sin(2.0 * np.pi * frequency * warped)
        return wave
    # the same without the drop is the impulse response of a resonator, which is cheaper
    for frequency, amplitude, decay in zip(frequencies, amplitudes, decays, strict=True):
        length = min(nb_samples, int(7.0 * decay * SAMPLE_RATE) + 2)
        impulse = np.zeros(length)
        impulse[0] = amplitude
        pole = np.exp(-1.0 / (decay * SAMPLE_RATE)), 2.0 * np.pi * frequency / SAMPLE_RATE
        feedback = [1.0, -2.0 * pole[0] * np.cos(pole[1]), pole[0] ** 2]
        wave[:length] += signal.lfilter([0.0, pole[0] * np.sin(pole[1])], feedback, impulse)
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
    wave /= np.abs(wave).max() + 1e-12
    return np.asarray(wave)


def ensemble(rng: np.random.Generator, frequency: float, amplitudes: Audio, cents: float, nb_samples: int) -> Audio:
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
