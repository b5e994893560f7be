"""The accompanying instruments: guitars, keyboards, strings, pads, brass, mallets, synthesizers."""

from collections.abc import Callable, Mapping

import numpy as np

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import oscillators as osc
from rnnsep.corpora.synthetic.instruments import production
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.score import Note

# (frequency, nb_samples, velocity) -> mono or stereo sound of one note, before its release
Voice = Callable[[float, int, float], Audio]


def _guitar(rng: np.random.Generator, brightness: float, damping: float, decay: float) -> Voice:
    bright, damp, long = rng.uniform(0.7, 1.4, 3) * (brightness, damping, decay)
    position = rng.uniform(0.09, 0.25)
    return lambda frequency, nb_samples, velocity: osc.pluck(
        frequency, nb_samples, long, damp, bright * velocity, position, 2e-5
    )


def _piano(rng: np.random.Generator) -> Voice:
    brightness, decay = rng.uniform(900.0, 3000.0), rng.uniform(3.0, 7.0)

    def note(frequency: float, nb_samples: int, velocity: float) -> Audio:
        first, second = (
            osc.pluck(frequency * f, nb_samples, decay, 2500.0, brightness * velocity, 0.12, 2e-4)
            for f in (0.9996, 1.0005)
        )
        knock = osc.modes([90.0, 160.0, 310.0], [0.05, 0.04, 0.02], [0.03, 0.02, 0.02], nb_samples)
        return np.asarray(first + 0.8 * second + velocity * knock)

    return note


def _electric_piano(rng: np.random.Generator) -> Voice:
    """Frequency modulation: a tine that rings at first, then a sine."""
    index, bell, decay = rng.uniform(0.6, 2.0), rng.uniform(0.05, 0.35), rng.uniform(0.8, 1.6)
    ratio = rng.choice([1.0, 1.0, 2.0, 3.0])

    def note(frequency: float, nb_samples: int, velocity: float) -> Audio:
        t = osc.seconds(nb_samples)
        modulation = index * velocity * np.exp(-t / 0.45) * np.sin(2.0 * np.pi * ratio * frequency * t)
        tine = bell * velocity * np.exp(-t / 0.07) * np.sin(2.0 * np.pi * 7.0 * frequency * t)
        wave = np.sin(2.0 * np.pi * frequency * t + modulation + tine)
        return np.asarray(wave * np.exp(-t / decay) * velocity)

    return note


def _organ(rng: np.random.Generator) -> Voice:
    bars = rng.uniform(0.0, 1.0, 9) * (0.8, 0.7, 1.0, 0.8, 0.6, 0.5, 0.25, 0.25, 0.2)
    amplitudes = np.zeros(16)
    amplitudes[[0, 2, 1, 3, 5, 7, 9, 11, 15]] = bars  # harmonics of the octave below
    table = osc.cycle(amplitudes)
    return lambda frequency, nb_samples, velocity: (
        velocity * osc.play(table, 0.5 * frequency, nb_samples, float(rng.random()))
    )


def _ensemble(rng: np.random.Generator, tilt: float, cents: float) -> Voice:
    cutoff = rng.uniform(1200.0, 5000.0)
    hollow = rng.uniform(0.3, 1.0)
    width = rng.uniform(0.4, 1.0)

    def note(frequency: float, nb_samples: int, velocity: float) -> Audio:
        k = np.arange(1, min(50, int(14000.0 / frequency)) + 1)
        amplitudes = k**-tilt / (1.0 + (k * frequency / cutoff) ** 2) * np.where(k % 2, 1.0, hollow)
        left = osc.ensemble(rng, frequency, amplitudes, cents, max(1 << 17, nb_samples))
        # half way round the endless sound there is another one, unlike it
        other = np.roll(left, len(left) // 2)
        return velocity * np.stack([left, (1.0 - width) * left + width * other], axis=1)

    return note


def _filtered(rng: np.random.Generator, attack: float, decay: float) -> Voice:
    """Two detuned sawtooths through a low-pass whose cut-off rises and falls."""
    cutoff, depth = rng.uniform(300.0, 1200.0), rng.uniform(2.5, 8.0)
    square = rng.random() < 0.3
    detune = 2.0 ** (rng.uniform(4.0, 14.0) / 1200.0)

    def note(frequency: float, nb_samples: int, velocity: float) -> Audio:
        k = np.arange(1, max(2, int(14000.0 / frequency)))
        spectrum = (k % 2 if square else 1.0) / k
        dark, bright = (
            osc.cycle(spectrum / (1.0 + (k * frequency / c) ** 2)) for c in (cutoff, cutoff * depth * velocity)
        )
        t = osc.seconds(nb_samples)
        amount = (1.0 - np.exp(-t / attack)) * np.exp(-t / decay)
        waves = [
            osc.play(dark, f, nb_samples, p) * (1.0 - amount) + osc.play(bright, f, nb_samples, p) * amount
            for f, p in ((frequency / detune, 0.1), (frequency * detune, 0.6))
        ]
        sides = np.stack([waves[0] + 0.4 * waves[1], waves[1] + 0.4 * waves[0]], axis=1)
        return sides * np.exp(-0.4 * t / decay)[:, None]

    return note


def _bar(rng: np.random.Generator, ratios: tuple[float, ...], decay: float) -> Voice:
    """A struck bar or bell."""
    levels = rng.uniform(0.3, 1.0, len(ratios)) / np.arange(1, len(ratios) + 1)
    long = decay * rng.uniform(0.7, 1.4)

    def note(frequency: float, nb_samples: int, velocity: float) -> Audio:
        nb_audible = sum(frequency * r < 16000.0 for r in ratios)
        decays = long * (440.0 / frequency) ** 0.5 / np.arange(1, nb_audible + 1)
        return osc.modes(frequency * np.array(ratios[:nb_audible]), levels[:nb_audible] * velocity, decays, nb_samples)

    return note


VOICES: dict[str, Callable[[np.random.Generator], Voice]] = {
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


def _play(notes: tuple[Note, ...], instrument: str, rng: np.random.Generator, nb_samples: int) -> Audio:
    """One take of a layer, not panned, shape (nb_samples,) or (nb_samples, 2) as the instrument has it."""
    voice = VOICES[instrument](rng)
    attack, release = ENVELOPES.get(instrument, (0.001, 0.06))
    strum = STRUMMED.get(instrument, 0.0) * rng.uniform(0.6, 1.5)
    held = instrument in ("pad", "strings")
    keys = [(note.pitch, 1.0 if note.velocity > 0.75 else 0.7) for note in notes]
    lengths = [int((note.duration + release) * SAMPLE_RATE) for note in notes]
    sounds = {
        (pitch, velocity): voice(osc.frequency(pitch), length, velocity)
        for (pitch, velocity), length in fx.longest(keys, lengths).items()
    }
    buffer = np.zeros((nb_samples, *sounds[keys[0]].shape[1:]))
    for note, rank, key, length in zip(notes, fx.ranks(notes), keys, lengths, strict=True):
        x = sounds[key]
        first = int(rng.integers(len(x) - length)) if held and length < len(x) else 0  # anywhere in the endless sound
        x = x[first : first + length]
        envelope = fx.fade(len(x), attack, release)
        late = strum * rank + abs(rng.normal(0.0, 0.003))
        level = note.velocity * rng.uniform(0.9, 1.05)
        fx.place(buffer, note.start + late, x * (envelope[:, None] if x.ndim == 2 else envelope), level)
    return buffer


def _amplify(x: Audio, rng: np.random.Generator) -> Audio:
    """Distortion and a loudspeaker cabinet."""
    x = fx.highpass(x, 90.0)
    x = np.tanh(rng.uniform(2.0, 8.0) * x / (fx.rms(x) + 1e-12))
    x = fx.lowpass(fx.highpass(x, 80.0), rng.uniform(3500.0, 5500.0), 3)
    return x + rng.uniform(0.2, 0.8) * fx.bandpass(x, 1500.0, 3500.0)


def _widen(x: Audio, rng: np.random.Generator) -> Audio:
    """Chorus: each side of `x` (nb_samples, 2) has a copy delayed by a slowly moving time."""
    rate, depth, mix = rng.uniform(0.3, 1.2), rng.uniform(0.001, 0.003), rng.uniform(0.3, 0.8)
    angle = 2.0 * np.pi * rate * osc.seconds(len(x))
    delays = (0.012 + depth * np.sin(angle + phase) for phase in (0.0, 2.0))
    return np.stack([side + mix * fx.delayed(side, delay) for side, delay in zip(x.T, delays, strict=True)], axis=1)


def _layer(name: str, notes: tuple[Note, ...], where: float, rng: np.random.Generator, nb_samples: int) -> Audio:
    """The notes of an instrument with its own effects, panned, shape (nb_samples, 2)."""

    def take() -> Audio:
        x = _play(notes, name, rng, nb_samples)
        if name == "distorted":
            return _amplify(x, rng)
        return fx.body(x, rng, rng.uniform(0.3, 0.8)) if name in WOODEN and x.ndim == 1 else x

    if name in ("distorted", "acoustic") and rng.random() < 0.6:
        # played twice, one take on each side
        apart = rng.uniform(0.5, 0.95)
        return np.asarray(take()[:, None] * fx.pan(-apart) + take()[:, None] * fx.pan(apart))
    x = fx.compress(take(), rng.uniform(1.5, 3.0), 0.0)
    x = np.stack([x, x], axis=1) if x.ndim == 1 else x
    if name in ("electric piano", "organ"):
        # tremolo that moves from side to side
        depth, rate = rng.uniform(0.0, 0.4), rng.uniform(3.0, 6.8)
        wave = depth * np.sin(2.0 * np.pi * rate * osc.seconds(nb_samples))
        x = x * np.stack([1.0 + wave, 1.0 - wave], axis=1)
    if name in ("clean", "electric piano", "pad") and rng.random() < 0.6:
        x = _widen(x, rng)
    return np.asarray(x * fx.pan(where))


def _recorded_layer(
    name: str, notes: tuple[Note, ...], rng: np.random.Generator, nb_samples: int, sounds: Sounds, beat: float
) -> Audio:
    """The notes of an instrument of SoundFonts or synthesis, once or twice, with effects, (nb_samples, 2)."""
    recorded, amplified = rng.random() < 0.75, name == "distorted" or (name in AMPLIFIED and rng.random() < 0.2)
    where, spread = rng.uniform(-0.8, 0.8), rng.uniform(1.0, 4.0)

    def take() -> Audio:
        if not recorded:
            x = _play(notes, name, rng, nb_samples)
            x = fx.body(x, rng, rng.uniform(0.2, 0.8)) if name in WOODEN and x.ndim == 1 else x
            x = x if x.ndim == 2 else np.stack([x, x], axis=1)
        else:
            source = "clean" if name == "distorted" and rng.random() < 0.5 else name
            strum = STRUMMED.get(name, 0.0) * rng.uniform(0.4, 2.0)
            x = sounds.font(rng).notes(notes, source, rng, nb_samples, strum)
        if amplified:
            x = production.distort(np.repeat(x.mean(axis=1)[:, None], 2, axis=1), rng)
        return production.tone(x, rng, spread)

    if name in STRUMMED and rng.random() < 0.5:  # played twice, one take on each side
        apart = rng.uniform(0.4, 1.0)
        x = sum(one.mean(axis=1)[:, None] * fx.pan(side) for one, side in ((take(), -apart), (take(), apart)))
    else:
        x = take() * fx.pan(where * rng.random())
    x = production.compressed(np.asarray(x), rng, 1.2, 5.0) if rng.random() < 0.6 else np.asarray(x)
    return production.colour(x, rng, beat)


def _recorded(
    layers: Mapping[str, tuple[Note, ...]], rng: np.random.Generator, nb_samples: int, sounds: Sounds, beat: float
) -> Audio:
    buffer = np.zeros((nb_samples, 2))
    for name, notes in layers.items():
        if notes:
            x = _recorded_layer(name, notes, rng, nb_samples, sounds, beat)
            buffer += x / (fx.rms(x) + 1e-12) * np.exp(rng.uniform(np.log(0.25), 0.0))
    if rng.random() < 0.15 and (found := sounds.sample("effect", rng)):
        x = production.retune(found[1], 2.0 ** (rng.normal(0.0, 4.0) / 12.0))
        x = production.colour(production.tone(x, rng, 3.0), rng, beat)
        x *= rng.uniform(0.1, 0.6) * fx.rms(buffer) / (fx.rms(x) + 1e-12)
        for start in np.cumsum(rng.uniform(1.0, 6.0, 6)):
            fx.place(buffer, float(start), x)
    buffer = production.compressed(buffer, rng, 1.5, 5.0)
    buffer = fx.saturate(buffer, np.exp(rng.uniform(np.log(0.1), np.log(0.8))))
    return production.widen(buffer, rng)


def render_other(
    layers: Mapping[str, tuple[Note, ...]],
    rng: np.random.Generator,
    nb_samples: int,
    sounds: Sounds | None,
    beat: float,
) -> Audio:
    """The stem of all accompanying layers without its room, shape (nb_samples, 2); of recorded `sounds` if any."""
    if sounds:
        return _recorded(layers, rng, nb_samples, sounds, beat)
    buffer = np.zeros((nb_samples, 2))
    places = rng.permutation(np.array([-0.6, 0.6, -0.15, 0.35]))
    for i, (name, notes) in enumerate(layers.items()):
        if notes:
            x = _layer(name, notes, float(places[i % 4] * rng.uniform(0.5, 1.3)), rng, nb_samples)
            buffer += x / (fx.rms(x) + 1e-12) * rng.uniform(0.5, 1.0)
    return fx.saturate(fx.compress(buffer, 2.0, 0.0), rng.uniform(0.1, 0.4))
