"""Effects of a studio, each with settings drawn at random: for songs with recorded sounds."""

import numpy as np
from scipy import fft, ndimage, signal

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, seconds


def tone(x: Audio, rng: np.random.Generator, spread: float) -> Audio:
    """A random equaliser with zero phase; `spread` (dB) is the standard deviation in an octave."""
    length = fft.next_fast_len(len(x) + 2048, real=True)
    f = np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE)
    gains = np.clip(ndimage.gaussian_filter1d(rng.normal(0.0, 1.4 * spread, 2 * len(fx.BANDS)), 1.0), -18.0, 18.0)
    places = np.linspace(np.log2(fx.BANDS[0]), np.log2(fx.BANDS[-1]), len(gains))
    curve = 10.0 ** (np.interp(np.log2(np.maximum(f, 1.0)), places, gains) / 20.0)
    spectrum = fft.rfft(x, length, axis=0)
    return np.asarray(fft.irfft(spectrum * curve.reshape(-1, *[1] * (x.ndim - 1)), length, axis=0)[: len(x)])


def retune(x: Audio, factor: float) -> Audio:
    """Played `factor` times as fast, and so higher."""
    if abs(factor - 1.0) < 1e-3:
        return x
    x = fx.lowpass(x, 0.45 * SAMPLE_RATE / factor, 4) if factor > 1.05 else x
    grid = np.arange(int((len(x) - 1) / factor)) * factor
    return np.stack([np.interp(grid, np.arange(len(x)), side) for side in x.T], axis=1)


def distort(x: Audio, rng: np.random.Generator) -> Audio:
    """An overdriven amplifier and its cabinet; from crunch to fuzz."""
    x = fx.highpass(x, rng.uniform(60.0, 300.0))
    drive = np.exp(rng.uniform(np.log(1.0), np.log(25.0)))
    bias = rng.uniform(0.0, 0.4)
    x = np.tanh(drive * x / (fx.rms(x) + 1e-12) + bias) - np.tanh(bias)
    x = fx.lowpass(fx.highpass(x, rng.uniform(60.0, 110.0)), rng.uniform(3000.0, 6500.0), 3)
    middle = rng.uniform(700.0, 3000.0)
    return x + rng.uniform(-0.3, 0.9) * fx.bandpass(x, 0.8 * middle, 1.6 * middle)


def sweep(x: Audio, rng: np.random.Generator) -> Audio:
    """A low-pass whose cut-off moves up, down or to and fro, between the outputs of three fixed ones."""
    cutoffs = np.geomspace(rng.uniform(200.0, 700.0), rng.uniform(3000.0, 10000.0), 4)
    steps = [fx.lowpass(x, cutoff, 2) for cutoff in cutoffs]
    t = np.linspace(0.0, 1.0, len(x))
    kind = rng.integers(3)
    where = t if kind == 0 else 1.0 - t if kind == 1 else 0.5 - 0.5 * np.cos(2.0 * np.pi * t * rng.uniform(1.0, 24.0))
    where = (len(steps) - 1) * where
    return sum(
        (step * np.clip(1.0 - np.abs(where - i), 0.0, 1.0)[:, None] for i, step in enumerate(steps)), np.zeros_like(x)
    )


def chorus(x: Audio, rng: np.random.Generator) -> Audio:
    """Chorus or flanger: each side has a copy delayed by a slowly moving time."""
    flanger = rng.random() < 0.3
    centre, depth = (0.003, 0.002) if flanger else (rng.uniform(0.008, 0.02), rng.uniform(0.001, 0.004))
    angle = 2.0 * np.pi * rng.uniform(0.15, 1.5) * seconds(len(x))
    mix = rng.uniform(0.4, 0.9)
    delays = (centre + depth * np.sin(angle + phase) for phase in (0.0, rng.uniform(0.5, 3.0)))
    return np.stack([side + mix * fx.delayed(side, delay) for side, delay in zip(x.T, delays, strict=True)], axis=1)


def tremolo(x: Audio, rng: np.random.Generator) -> Audio:
    """Amplitude that swings, in step or from side to side."""
    wave = rng.uniform(0.2, 0.8) * np.sin(2.0 * np.pi * rng.uniform(2.0, 8.0) * seconds(len(x)))
    return np.asarray(x * np.stack([1.0 + wave, 1.0 + rng.choice([-1.0, 1.0]) * wave], axis=1))


def echo(x: Audio, rng: np.random.Generator, beat: float) -> Audio:
    """Repeats after a fraction of a `beat` (s), from side to side and darker each time."""
    delay = int(beat * rng.choice([0.25, 0.5, 0.75, 1.0, 1.5]) * SAMPLE_RATE)
    gain, copy, total = rng.uniform(0.15, 0.5), fx.lowpass(x, rng.uniform(1500.0, 6000.0)), x.copy()
    for repeat in range(1, 5):
        if repeat * delay >= len(x):
            break
        copy = copy[:, ::-1]
        total[repeat * delay :] += gain**repeat * copy[: len(x) - repeat * delay]
    return total


def lofi(x: Audio, rng: np.random.Generator) -> Audio:
    """A narrow band, as of old records, telephones and samplers."""
    return fx.saturate(fx.bandpass(x, rng.uniform(60.0, 500.0), rng.uniform(2000.0, 7000.0)), rng.uniform(0.3, 1.0))


def colour(x: Audio, rng: np.random.Generator, beat: float) -> Audio:
    """Some of the effects above, as a pedal board."""
    for effect, probability in ((sweep, 0.1), (chorus, 0.25), (tremolo, 0.08), (lofi, 0.05)):
        if rng.random() < probability:
            x = effect(x, rng)
    return echo(x, rng, beat) if rng.random() < 0.2 else x


def widen(x: Audio, rng: np.random.Generator) -> Audio:
    """More or less difference between the sides."""
    middle, side = x.mean(axis=1), 0.5 * (x[:, 0] - x[:, 1])
    side = side * np.exp(rng.normal(0.0, 0.5))
    return np.stack([middle + side, middle - side], axis=1)


def compressed(x: Audio, rng: np.random.Generator, least: float, most: float) -> Audio:
    """A bus compressor of a ratio from `least` to `most`."""
    return fx.compress(x, rng.uniform(least, most), rng.uniform(-12.0, 3.0), np.exp(rng.uniform(-3.2, -1.2)))


def gate(nb_samples: int, rng: np.random.Generator, beat: float) -> Audio:
    """An envelope (nb_samples, 1) that leaves out some of the bars: the stem enters late, leaves early or pauses."""
    total = max(1, int(nb_samples / (4.0 * beat * SAMPLE_RATE)))
    first, last = sorted(rng.integers(0, total + 1, 2))
    bars = np.ones(total + 2)
    kind = rng.integers(3)
    bars[slice(0, first) if kind == 0 else slice(last, None) if kind == 1 else slice(first, last)] = 0.0
    if not bars[:total].any():
        bars[:] = 1.0
    curve = np.repeat(bars, int(4.0 * beat * SAMPLE_RATE) + 1)[:nb_samples]
    curve = np.pad(curve, (0, nb_samples - len(curve)), mode="edge")
    return np.asarray(signal.lfilter([0.002], [1.0, -0.998], curve, zi=[0.998 * curve[0]])[0])[:, None]
