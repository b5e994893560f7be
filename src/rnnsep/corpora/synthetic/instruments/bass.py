"""Electric, upright and synthetic basses."""

import numpy as np

from rnnsep.corpora.synthetic.harmony import pick
from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import oscillators as osc
from rnnsep.corpora.synthetic.instruments import production
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, seconds
from rnnsep.corpora.synthetic.instruments.sampled import PROGRAMS, Sounds
from rnnsep.corpora.synthetic.score import Note

# brightness of the pluck (Hz), where its decay has halved (Hz), T60 (s), plucked point, level of the knock
STRINGS = {
    "finger": (500.0, 900.0, 5.0, 0.22, 0.04),
    "pick": (2400.0, 2200.0, 6.0, 0.11, 0.12),
    "round": (260.0, 500.0, 4.0, 0.3, 0.02),
    "slap": (4500.0, 3000.0, 5.0, 0.08, 0.25),
    "upright": (420.0, 450.0, 1.8, 0.25, 0.08),
}


def _string_notes(tone: str, rng: np.random.Generator, notes: tuple[Note, ...], buffer: Audio) -> None:
    brightness, damping, decay, position, attack = (
        v * f for v, f in zip(STRINGS[tone], rng.uniform(0.75, 1.35, 5), strict=True)
    )
    keys = [(note.pitch, note.velocity > 0.82) for note in notes]
    lengths = [int((note.duration + 0.05) * SAMPLE_RATE) for note in notes]
    strings = {}
    for (pitch, hard), length in fx.longest(keys, lengths).items():
        f, t = osc.frequency(pitch), seconds(length)
        string = osc.pluck(f, length, decay, damping, brightness * (1.0 if hard else 0.65), position, 4e-5)
        # near the pickup the fundamental is stronger than at the bridge
        strings[pitch, hard] = string + 0.5 * np.sin(2.0 * np.pi * f * t) * np.exp(-t / (0.25 * decay))
    knock = fx.bandpass(rng.standard_normal(1500), 600.0, 3500.0) * np.exp(-seconds(1500) / 0.006)
    for note, key, length in zip(notes, keys, lengths, strict=True):
        fx.place(buffer, note.start, strings[key][:length] * fx.fade(length, 0.002, 0.05), note.velocity)
        fx.place(buffer, note.start, knock * attack, note.velocity)


def _synth_notes(tone: str, rng: np.random.Generator, notes: tuple[Note, ...], buffer: Audio) -> None:
    """Sawtooth or square through a low-pass whose cut-off falls; or, for `sub`, a sine bent by saturation."""
    square = rng.random() < 0.4
    attack, sweep = rng.uniform(0.003, 0.01), rng.uniform(0.08, 0.5)
    cutoff, depth = rng.uniform(150.0, 500.0), rng.uniform(3.0, 10.0)
    detune = 2.0 ** (rng.uniform(0.0, 12.0) / 1200.0)
    bend = rng.uniform(0.5, 2.2)
    for note in notes:
        f = osc.frequency(note.pitch)
        nb_samples = int((note.duration + 0.05) * SAMPLE_RATE)
        t = seconds(nb_samples)
        if tone == "sub":
            x = np.tanh(bend * osc.modes([f], [1.0], [2.5], nb_samples, 0.6, 0.012)) / np.tanh(bend)
        else:
            k = np.arange(1, int(9000.0 / f))
            spectrum = (k % 2 if square else 1.0) / k
            dark, bright = (osc.cycle(spectrum / np.sqrt(1.0 + (k * f / c) ** 4)) for c in (cutoff, cutoff * depth))
            amount = np.exp(-t / sweep)
            x = osc.play(dark, f, nb_samples) * (1.0 - amount) + osc.play(bright, f, nb_samples) * amount
            x += 0.5 * osc.play(bright, f * detune, nb_samples, 0.3) * amount
        fx.place(buffer, note.start, x * fx.fade(nb_samples, attack, 0.04), note.velocity)


def _made(notes: tuple[Note, ...], tone: str, rng: np.random.Generator, nb_samples: int) -> Audio:
    buffer = np.zeros(nb_samples)
    (_synth_notes if tone in ("synth", "sub") else _string_notes)(tone, rng, notes, buffer)
    return buffer


# pitch classes that end the names of bass samples
CLASSES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def _sample_notes(name: str, sample: Audio, notes: tuple[Note, ...], buffer: Audio) -> None:
    """The notes played by a sample, whose name ends in its pitch class, at most half an octave higher or lower."""
    base = CLASSES.get(name.rpartition("_")[2], 0)
    made = {}
    for note in notes:
        if note.pitch not in made:
            made[note.pitch] = production.retune(sample, 2.0 ** (((note.pitch - base + 6) % 12 - 6) / 12.0)).mean(
                axis=1
            )
        x = made[note.pitch][: int((note.duration + 0.05) * SAMPLE_RATE)]
        fx.place(buffer, note.start, x * fx.fade(len(x), 0.002, 0.04), note.velocity)


def _recorded(notes: tuple[Note, ...], tone: str, rng: np.random.Generator, nb_samples: int, sounds: Sounds) -> Audio:
    """A bass of SoundFonts, samples or synthesis, through an amplifier or a channel strip, (nb_samples, 2)."""
    tones = tuple(tone for tone in PROGRAMS if tone in (*STRINGS, "synth", "sub"))
    tone = tone if rng.random() < 0.6 else pick(rng, tones)
    origin, sample = rng.random(), sounds.sample("bass", rng)
    if tone in ("synth", "sub") and origin < 0.3 and sample:
        x = np.zeros(nb_samples)
        _sample_notes(*sample, notes, x)
    elif origin < 0.72:
        x = sounds.font(rng).notes(notes, tone, rng, nb_samples).mean(axis=1)
    else:
        x = _made(notes, tone, rng, nb_samples)
    if rng.random() < 0.15:  # an octave above, as of a pedal or a second instrument
        upper = tuple(Note(n.start, n.duration, n.pitch + 12, n.velocity) for n in notes)
        layer = sounds.font(rng).notes(upper, pick(rng, tones), rng, nb_samples).mean(axis=1)
        x = x / (fx.rms(x) + 1e-12) + rng.uniform(0.1, 0.5) * layer / (fx.rms(layer) + 1e-12)
    x = fx.compress(x, rng.uniform(2.0, 12.0), rng.uniform(-30.0, -10.0), rng.uniform(0.05, 0.3))
    x = production.tone(x, rng, rng.uniform(1.0, 4.0))
    if rng.random() < 0.2:
        x = x / (fx.rms(x) + 1e-12) + rng.uniform(0.05, 0.6) * production.distort(x, rng)
    clean = fx.saturate(x, np.exp(rng.uniform(np.log(0.1), np.log(1.5))))
    grit = fx.bandpass(np.tanh(x / (fx.rms(x) + 1e-12) * rng.uniform(1.0, 4.0)), 500.0, rng.uniform(2000.0, 6000.0))
    x = clean / (fx.rms(clean) + 1e-12) + np.exp(rng.uniform(np.log(0.002), np.log(0.25))) * grit
    if rng.random() < 0.7:  # the tone knob and the cabinet
        x = fx.lowpass(x, np.exp(rng.uniform(np.log(250.0), np.log(3500.0))), int(rng.integers(1, 3)))
    stereo = np.stack([x, x], axis=1)
    if rng.random() < 0.45:
        low = fx.lowpass(stereo, rng.uniform(100.0, 300.0))
        stereo = low + production.chorus(stereo - low, rng)
    return stereo


def render_bass(
    notes: tuple[Note, ...], tone: str, rng: np.random.Generator, nb_samples: int, sounds: Sounds | None
) -> Audio:
    """The bass stem, shape (nb_samples, 2): left equal to right in part of the songs; of recorded `sounds` if any."""
    if sounds:
        return _recorded(notes, tone, rng, nb_samples, sounds)
    buffer = fx.compress(_made(notes, tone, rng, nb_samples), rng.uniform(2.0, 5.0), -6.0, 0.15)
    clean = fx.saturate(buffer, rng.uniform(0.2, 0.6))
    # an amplifier's grit above the clean tone
    grit = fx.bandpass(
        np.tanh(buffer / (fx.rms(buffer) + 1e-12) * rng.uniform(1.0, 4.0)), 500.0, rng.uniform(2500.0, 5000.0)
    )
    x = clean / (fx.rms(clean) + 1e-12) + rng.choice([0.03, 0.08, 0.2]) * grit
    if rng.random() < 0.35:
        return np.stack([x, x], axis=1)
    # chorus: the upper part apart, the low part in the middle
    low = fx.lowpass(x, 250.0)
    high = x - low
    wet = fx.delayed(high, 0.008 + 0.002 * np.sin(2.0 * np.pi * 0.7 * seconds(nb_samples)))
    amount = rng.uniform(0.2, 0.6)
    return np.stack([low + high + amount * wet, low + high - amount * wet], axis=1)
