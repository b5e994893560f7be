"""The accompanying instruments: guitars, keyboards, strings, pads, brass, mallets, synthesizers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import oscillators as osc
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.score import Part, Score, humanise, ranks

# (frequency, nb_samples, velocity) -> mono or stereo sound of one note, before its release
Voice = Callable[[float, int, float], Audio]


def _guitar(rng: Generator, brightness: float, damping: float, decay: float) -> Voice:
    bright, damp, long = rng.uniform(0.7, 1.4, 3) * (brightness, damping, decay)
    position = rng.uniform(0.09, 0.25)
    return lambda f, nb_samples, velocity: osc.pluck(f, nb_samples, long, damp, bright * velocity, position, 2e-5)


def _piano(rng: Generator) -> Voice:
    brightness, decay = rng.uniform(900.0, 3000.0), rng.uniform(3.0, 7.0)

    def note(f: float, nb_samples: int, velocity: float) -> Audio:
        first, second = (
            osc.pluck(f * detune, nb_samples, decay, 2500.0, brightness * velocity, 0.12, 2e-4)
            for detune in (0.9996, 1.0005)
        )
        knock = osc.modes([90.0, 160.0, 310.0], [0.05, 0.04, 0.02], [0.03, 0.02, 0.02], nb_samples)
        return np.asarray(first + 0.8 * second + velocity * knock)

    return note


def _electric_piano(rng: Generator) -> Voice:
    """Frequency modulation: a tine that rings at first, then a sine."""
    index, bell, decay = rng.uniform(0.6, 2.0), rng.uniform(0.05, 0.35), rng.uniform(0.8, 1.6)
    ratio = rng.choice([1.0, 1.0, 2.0, 3.0])

    def note(f: float, nb_samples: int, velocity: float) -> Audio:
        t = osc.seconds(nb_samples)
        modulation = index * velocity * np.exp(-t / 0.45) * np.sin(2.0 * np.pi * ratio * f * t)
        tine = bell * velocity * np.exp(-t / 0.07) * np.sin(2.0 * np.pi * 7.0 * f * t)
        return np.asarray(velocity * np.exp(-t / decay) * np.sin(2.0 * np.pi * f * t + modulation + tine))

    return note


def _organ(rng: Generator) -> Voice:
    amplitudes = np.zeros(16)  # harmonics of the octave below
    amplitudes[[0, 2, 1, 3, 5, 7, 9, 11, 15]] = rng.random(9) * (0.8, 0.7, 1.0, 0.8, 0.6, 0.5, 0.25, 0.25, 0.2)
    return lambda f, nb_samples, velocity: velocity * osc.play(amplitudes, 0.5 * f, nb_samples, rng.random())


def _ensemble(rng: Generator, tilt: float, cents: float) -> Voice:
    cutoff, hollow, width = rng.uniform(1200.0, 5000.0), rng.uniform(0.3, 1.0), rng.uniform(0.4, 1.0)

    def note(f: float, nb_samples: int, velocity: float) -> Audio:
        k = np.arange(1, min(50, int(14000.0 / f)) + 1)
        amplitudes = k**-tilt / (1.0 + (k * f / cutoff) ** 2) * np.where(k % 2, 1.0, hollow)
        left = osc.ensemble(rng, f, amplitudes, cents, max(1 << 17, nb_samples))
        # half way round the endless sound there is another one, unlike it
        other = np.roll(left, len(left) // 2)
        return velocity * np.stack([left, (1.0 - width) * left + width * other], axis=1)

    return note


def _filtered(rng: Generator, attack: float, decay: float) -> Voice:
    """Two detuned sawtooths through a low-pass whose cut-off rises and falls."""
    cutoff, depth = rng.uniform(300.0, 1200.0), rng.uniform(2.5, 8.0)
    square = rng.random() < 0.3
    detune = 2.0 ** (rng.uniform(4.0, 14.0) / 1200.0)

    def note(f: float, nb_samples: int, velocity: float) -> Audio:
        k = np.arange(1, max(2, int(14000.0 / f)))
        cutoffs = np.array([[cutoff], [cutoff * depth * velocity]])
        spectra = (k % 2 if square else 1.0) / k / (1.0 + (k * f / cutoffs) ** 2)
        t = osc.seconds(nb_samples)
        amount = (1.0 - np.exp(-t / attack)) * np.exp(-t / decay)
        lower, upper = osc.swept(spectra, f / detune, amount, 0.1), osc.swept(spectra, f * detune, amount, 0.6)
        return np.stack([lower + 0.4 * upper, upper + 0.4 * lower], axis=1) * np.exp(-0.4 * t / decay)[:, None]

    return note


def _bar(rng: Generator, ratios: tuple[float, ...], decay: float) -> Voice:
    """A struck bar or bell."""
    levels = rng.uniform(0.3, 1.0, len(ratios)) / np.arange(1, len(ratios) + 1)
    long = decay * rng.uniform(0.7, 1.4)

    def note(f: float, nb_samples: int, velocity: float) -> Audio:
        nb_audible = sum(f * ratio < 16000.0 for ratio in ratios)
        decays = long * (440.0 / f) ** 0.5 / np.arange(1, nb_audible + 1)
        return osc.modes(f * np.array(ratios[:nb_audible]), levels[:nb_audible] * velocity, decays, nb_samples)

    return note


VOICES: dict[str, Callable[[Generator], Voice]] = {
    "acoustic": lambda rng: _guitar(rng, 3500.0, 2600.0, 3.0),
    "clean": lambda rng: _guitar(rng, 1800.0, 2500.0, 3.5),
    "distorted": lambda rng: _guitar(rng, 2500.0, 4000.0, 7.0),
    "clavinet": lambda rng: _guitar(rng, 3500.0, 3000.0, 1.6),
    "piano": _piano,
    "electric piano": _electric_piano,
    "organ": _organ,
    "pad": lambda rng: _ensemble(rng, 1.0, rng.uniform(8.0, 25.0)),
    "strings": lambda rng: _ensemble(rng, 0.9, rng.uniform(6.0, 14.0)),
    "brass": lambda rng: _filtered(rng, 0.05, 0.6),
    "stabs": lambda rng: _filtered(rng, 0.005, 0.15),
    "lead": lambda rng: _filtered(rng, 0.01, 0.5),
    "bell": lambda rng: _bar(rng, (1.0, 2.76, 5.4, 8.93), 0.9),
    "mallets": lambda rng: _bar(rng, (1.0, 4.0, 9.2), 0.35),
    "arpeggio": lambda rng: _guitar(rng, 2500.0, 2500.0, 2.0) if rng.random() < 0.5 else _filtered(rng, 0.004, 0.12),
}
# attack and release of the held instruments, seconds
ENVELOPES = {"pad": (0.25, 0.4), "strings": (0.12, 0.25), "organ": (0.01, 0.05), "brass": (0.02, 0.08)}
WOODEN = ("acoustic", "clean", "clavinet", "piano", "mallets", "arpeggio")
STRUMMED = {"acoustic": 0.011, "clean": 0.006, "distorted": 0.004}
AMPLIFIED = ("clean", "organ", "electric piano", "clavinet", "lead")


def _play(part: Part, instrument: str, rng: Generator, nb_samples: int, least: float) -> Audio:
    """One synthesised take, (nb_samples,) or (nb_samples, 2); its body resonates by `least` or more."""
    voice = VOICES[instrument](rng)
    attack, release = ENVELOPES.get(instrument, (0.001, 0.06))
    strum = STRUMMED.get(instrument, 0.0) * rng.uniform(0.6, 1.5)
    keys = [(note.pitch, 1.0 if note.velocity > 0.75 else 0.7) for note in part]
    lengths = [int((note.duration + release) * SAMPLE_RATE) for note in part]
    sounds = {key: voice(osc.frequency(key[0]), n, key[1]) for key, n in fx.longest(keys, lengths).items()}
    x = np.zeros((nb_samples, *sounds[keys[0]].shape[1:]))
    for note, rank, key, length in zip(part, ranks(part), keys, lengths, strict=True):
        sound = sounds[key]
        if instrument in ("pad", "strings") and length < len(sound):  # anywhere in the endless sound
            sound = sound[int(rng.integers(len(sound) - length)) :]
        played = humanise(note, rng, strum * rank)
        fx.place(x, played.start, fx.fade(sound[:length], attack, release), played.velocity)
    return fx.body(x, rng, rng.uniform(least, 0.8)) if instrument in WOODEN and x.ndim == 1 else x


def _twice(take: Callable[[], Audio], apart: float) -> Audio:
    """Played twice, one take on each side."""
    return fx.panned(take(), -apart) + fx.panned(take(), apart)


def _layer(name: str, part: Part, where: float, rng: Generator, nb_samples: int) -> Audio:
    """A synthesised instrument with its own effects, panned, shape (nb_samples, 2)."""

    def take() -> Audio:
        x = _play(part, name, rng, nb_samples, 0.3)
        if name != "distorted":
            return x
        drive, cabinet = rng.uniform(2.0, 8.0), (80.0, rng.uniform(3500.0, 5500.0))
        return fx.amplify(fx.highpass(x, 90.0), drive, 0.0, cabinet, rng.uniform(0.2, 0.8), (1500.0, 3500.0))

    if name in ("distorted", "acoustic") and rng.random() < 0.6:
        return _twice(take, rng.uniform(0.5, 0.95))
    x = fx.stereo(fx.compress(take(), rng.uniform(1.5, 3.0), 0.0))
    if name in ("electric piano", "organ"):
        x = fx.tremolo(x, rng.uniform(0.0, 0.4), rng.uniform(3.0, 6.8), opposite=True)
    if name in ("clean", "electric piano", "pad") and rng.random() < 0.6:
        rate, depth, mix = rng.uniform(0.3, 1.2), rng.uniform(0.001, 0.003), rng.uniform(0.3, 0.8)
        x = fx.chorus(x, 0.012, depth, rate, (mix, mix), 2.0)
    return x * fx.pan(where)


def _recorded_layer(name: str, part: Part, rng: Generator, nb_samples: int, sounds: Sounds, beat: float) -> Audio:
    """An instrument of SoundFonts or synthesis, once or twice, with effects, (nb_samples, 2)."""
    recorded, amplified = rng.random() < 0.75, name == "distorted" or (name in AMPLIFIED and rng.random() < 0.3)
    where, spread = rng.uniform(-0.8, 0.8), rng.uniform(1.0, 4.0)
    if rng.random() < 0.4:  # strings and pedals that ring on
        longer = rng.uniform(1.3, 4.0)
        part = [replace(note, duration=min(3.0, longer * note.duration)) for note in part]

    def take() -> Audio:
        if recorded:
            source = "clean" if name == "distorted" and rng.random() < 0.5 else name
            strum = STRUMMED.get(name, 0.0) * rng.uniform(0.4, 2.0)
            x = sounds.font(rng).perform(part, source, rng, nb_samples, strum)
        else:
            x = _play(part, name, rng, nb_samples, 0.2)
        return fx.stereo(fx.tone(fx.distort(fx.mono(x), rng) if amplified else x, rng, spread))

    if name in STRUMMED and rng.random() < 0.6:
        x = _twice(take, rng.uniform(0.4, 1.0))
    else:
        x = take() * fx.pan(where * rng.uniform(0.3, 1.0))
    return fx.pedals(fx.bus(x, rng, 1.2, 5.0) if rng.random() < 0.6 else x, rng, beat)


def _recorded(song: Score, rng: Generator, nb_samples: int, sounds: Sounds) -> Audio:
    total = np.zeros((nb_samples, 2))
    for name, part in song.layers.items():
        x = _recorded_layer(name, part, rng, nb_samples, sounds, song.beat)
        total += fx.normalise(x) * fx.log_uniform(rng, 0.25, 1.0)
    if rng.random() < 0.15 and (found := sounds.sample("effect", rng)):
        x = fx.retune(found[1], 2.0 ** (rng.normal(0.0, 4.0) / 12.0))
        x = fx.normalise(fx.pedals(fx.tone(x, rng, 3.0), rng, song.beat))
        x *= rng.uniform(0.1, 0.6) * fx.rms(total)
        for start in np.cumsum(rng.uniform(1.0, 6.0, 6)):
            fx.place(total, start, x)
    total = fx.bus(total, rng, 1.5, 5.0)
    return fx.widen(fx.saturate(total, fx.log_uniform(rng, 0.1, 0.8)), rng)


def render_other(song: Score, rng: Generator, nb_samples: int, sounds: Sounds | None) -> Audio:
    """The stem of all accompanying layers without its room, shape (nb_samples, 2); of recorded `sounds` if any."""
    if sounds:
        return _recorded(song, rng, nb_samples, sounds)
    total = np.zeros((nb_samples, 2))
    places = rng.permutation([-0.6, 0.6, -0.15, 0.35])
    for i, (name, part) in enumerate(song.layers.items()):
        x = _layer(name, part, places[i % 4] * rng.uniform(0.5, 1.3), rng, nb_samples)
        total += fx.normalise(x) * rng.uniform(0.5, 1.0)
    return fx.saturate(fx.compress(total, 2.0, 0.0), rng.uniform(0.1, 0.4))
