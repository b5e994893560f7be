"""Electric, upright and synthetic basses."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from rnnsep.corpora.synthetic.harmony import pick
from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import oscillators as osc
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, seconds
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.score import Note, Part, Score

# brightness of the pluck (Hz), where its decay has halved (Hz), T60 (s), plucked point, level of the knock
STRINGS = {
    "finger": (500.0, 900.0, 5.0, 0.22, 0.04),
    "pick": (2400.0, 2200.0, 6.0, 0.11, 0.12),
    "round": (260.0, 500.0, 4.0, 0.3, 0.02),
    "slap": (4500.0, 3000.0, 5.0, 0.08, 0.25),
    "upright": (420.0, 450.0, 1.8, 0.25, 0.08),
}
SYNTHS = ("synth", "sub")
# pitch classes that end the names of bass samples
CLASSES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def _lengths(part: Part) -> list[int]:
    """Samples of each note with its release."""
    return [int((note.duration + 0.05) * SAMPLE_RATE) for note in part]


def _string(part: Part, tone: str, rng: Generator, nb_samples: int) -> Audio:
    """A plucked string, shape (nb_samples,)."""
    brightness, damping, decay, position, attack = rng.uniform(0.75, 1.35, 5) * STRINGS[tone]
    keys = [(note.pitch, 1.0 if note.velocity > 0.82 else 0.65) for note in part]
    strings = {}
    for (pitch, hardness), length in fx.longest(keys, _lengths(part)).items():
        f, t = osc.frequency(pitch), seconds(length)
        string = osc.pluck(f, length, decay, damping, brightness * hardness, position, 4e-5)
        # near the pickup the fundamental is stronger than at the bridge
        strings[pitch, hardness] = string + 0.5 * np.sin(2.0 * np.pi * f * t) * np.exp(-t / (0.25 * decay))
    knock = fx.bandpass(rng.standard_normal(1500), 600.0, 3500.0) * np.exp(-seconds(1500) / 0.006)
    x = np.zeros(nb_samples)
    for note, key, length in zip(part, keys, _lengths(part), strict=True):
        fx.place(x, note.start, fx.fade(strings[key][:length], 0.002, 0.05), note.velocity)
        fx.place(x, note.start, knock * attack, note.velocity)
    return x


def _synth(part: Part, tone: str, rng: Generator, nb_samples: int) -> Audio:
    """Sawtooth or square through a low-pass whose cut-off falls; or, for `sub`, a sine bent by saturation."""
    square = rng.random() < 0.4
    attack, sweep = rng.uniform(0.003, 0.01), rng.uniform(0.08, 0.5)
    cutoff, depth = rng.uniform(150.0, 500.0), rng.uniform(3.0, 10.0)
    detune = 2.0 ** (rng.uniform(0.0, 12.0) / 1200.0)
    bend = rng.uniform(0.5, 2.2)
    x = np.zeros(nb_samples)
    for note, length in zip(part, _lengths(part), strict=True):
        f = osc.frequency(note.pitch)
        if tone == "sub":
            sound = np.tanh(bend * osc.modes([f], [1.0], [2.5], length, 0.6, 0.012)) / np.tanh(bend)
        else:
            k = np.arange(1, int(9000.0 / f))
            cutoffs = np.array([[cutoff], [cutoff * depth]])
            spectra = (k % 2 if square else 1.0) / k / np.sqrt(1.0 + (k * f / cutoffs) ** 4)
            amount = np.exp(-seconds(length) / sweep)
            sound = osc.swept(spectra, f, amount)
            sound += 0.5 * osc.play(spectra[1], f * detune, length, 0.3) * amount
        fx.place(x, note.start, fx.fade(sound, attack, 0.04), note.velocity)
    return x


def _made(part: Part, tone: str, rng: Generator, nb_samples: int) -> Audio:
    return (_synth if tone in SYNTHS else _string)(part, tone, rng, nb_samples)


def _sampled(part: Part, name: str, sample: Audio, nb_samples: int) -> Audio:
    """A sample, whose name ends in its pitch class, played at most half an octave higher or lower, (nb_samples,)."""
    base = CLASSES.get(name.rpartition("_")[2], 0)
    factors = {note.pitch: 2.0 ** (((note.pitch - base + 6) % 12 - 6) / 12.0) for note in part}
    tuned = {pitch: fx.mono(fx.retune(sample, factor)) for pitch, factor in factors.items()}
    x = np.zeros(nb_samples)
    for note, length in zip(part, _lengths(part), strict=True):
        fx.place(x, note.start, fx.fade(tuned[note.pitch][:length], 0.002, 0.04), note.velocity)
    return x


def _amplify(x: Audio, drive: float, bite: float, top: float, amount: float) -> Audio:
    """The clean tone with an amplifier's grit above it, up to `top` Hz."""
    return fx.normalise(fx.saturate(x, drive)) + amount * fx.bandpass(np.tanh(bite * fx.normalise(x)), 500.0, top)


def _legato(part: Part, share: float) -> Part:
    """Each note held for that share of the time until the next one, at most 2 s."""
    lengths = [min(2.0, share * (after.start - note.start)) for note, after in pairwise(part)]
    held = [replace(note, duration=max(note.duration, d)) for note, d in zip(part, lengths, strict=False)]
    return (*held, part[-1])


def _accents(part: Part, rng: Generator, nb_samples: int) -> Audio:
    """A gain, shape (nb_samples,), that is above one where a note begins, as after the compressor of a studio."""
    curve, amount, tau = np.ones(nb_samples), rng.uniform(0.0, 1.2), fx.log_uniform(rng, 0.015, 0.1)
    decay = np.exp(-seconds(int(5.0 * tau * SAMPLE_RATE)) / tau)
    for note in part:
        fx.place(curve, note.start, decay, amount * rng.uniform(0.5, 1.5))
    return curve


def _recorded(part: Part, tone: str, rng: Generator, nb_samples: int, sounds: Sounds) -> Audio:
    """A bass of SoundFonts, samples or synthesis, through an amplifier or a channel strip, (nb_samples, 2)."""
    if rng.random() < 0.65:
        part = _legato(part, rng.uniform(0.97, 1.02))
    tones = (*STRINGS, *SYNTHS)
    tone = tone if rng.random() < 0.6 else pick(rng, tones)
    origin, sample = rng.random(), sounds.sample("bass", rng)
    if tone in SYNTHS and origin < 0.3 and sample:
        x = _sampled(part, *sample, nb_samples)
    elif origin < 0.72:
        x = fx.mono(sounds.font(rng).perform(part, tone, rng, nb_samples))
    else:
        x = _made(part, tone, rng, nb_samples)
    if rng.random() < 0.15:  # an octave above, as of a pedal or a second instrument
        upper = [Note(n.start, n.duration, n.pitch + 12, n.velocity) for n in part]
        layer = fx.mono(sounds.font(rng).perform(upper, pick(rng, tones), rng, nb_samples))
        x = fx.normalise(x) + rng.uniform(0.1, 0.5) * fx.normalise(layer)
    x = fx.compress(x, rng.uniform(3.0, 20.0), rng.uniform(-36.0, -12.0), rng.uniform(0.03, 0.2))
    x = fx.tone(x * _accents(part, rng, nb_samples), rng, rng.uniform(1.0, 4.0))
    if rng.random() < 0.2:
        x = fx.normalise(x) + rng.uniform(0.05, 0.6) * fx.distort(x, rng)
    drive, bite, top = fx.log_uniform(rng, 0.1, 1.5), rng.uniform(1.0, 4.0), rng.uniform(2000.0, 6000.0)
    x = _amplify(x, drive, bite, top, fx.log_uniform(rng, 0.002, 0.25))
    if rng.random() < 0.7:  # the tone knob and the cabinet
        x = fx.lowpass(x, fx.log_uniform(rng, 250.0, 3500.0), int(rng.integers(1, 3)))
    x = fx.stereo(x)
    if rng.random() < 0.45:
        low = fx.lowpass(x, rng.uniform(100.0, 300.0))
        x = low + fx.modulate(x - low, rng)
    return x


def render_bass(song: Score, rng: Generator, nb_samples: int, sounds: Sounds | None) -> Audio:
    """The bass stem, shape (nb_samples, 2): left equal to right in part of the songs; of recorded `sounds` if any."""
    if sounds:
        return _recorded(song.bass, song.bass_tone, rng, nb_samples, sounds)
    x = fx.compress(_made(song.bass, song.bass_tone, rng, nb_samples), rng.uniform(2.0, 5.0), -6.0, 0.15)
    drive, bite, top = rng.uniform(0.2, 0.6), rng.uniform(1.0, 4.0), rng.uniform(2500.0, 5000.0)
    x = _amplify(x, drive, bite, top, rng.choice([0.03, 0.08, 0.2]))
    if rng.random() < 0.35:
        return fx.stereo(x)
    # chorus: the upper part apart, the low part in the middle
    low, amount = fx.lowpass(x, 250.0), rng.uniform(0.2, 0.6)
    return fx.stereo(low) + fx.chorus(fx.stereo(x - low), 0.008, 0.002, 0.7, (amount, -amount), 0.0)
