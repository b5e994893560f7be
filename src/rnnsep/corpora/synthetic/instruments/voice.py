"""Singing voices, made of speech, or of glottal pulses and breath through moving formants."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal

from rnnsep.corpora.synthetic.harmony import RANGES, pick
from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments import speech
from rnnsep.corpora.synthetic.instruments.effects import HOP
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, frequency, saw
from rnnsep.corpora.synthetic.instruments.sampled import Sounds
from rnnsep.corpora.synthetic.instruments.speech import Singer
from rnnsep.corpora.synthetic.score import Note, Part, Score

# Formants of an adult, Hz: vowels, then nasals and glides.
VOWELS = {
    "a": (750.0, 1200.0, 2650.0, 3500.0, 4500.0),
    "e": (480.0, 1900.0, 2550.0, 3500.0, 4500.0),
    "i": (300.0, 2250.0, 2950.0, 3600.0, 4600.0),
    "o": (470.0, 850.0, 2600.0, 3400.0, 4400.0),
    "u": (330.0, 800.0, 2400.0, 3300.0, 4300.0),
    "ae": (680.0, 1700.0, 2500.0, 3500.0, 4500.0),
    "uh": (580.0, 1200.0, 2500.0, 3450.0, 4450.0),
    "er": (490.0, 1350.0, 1750.0, 3300.0, 4300.0),
}
SONORANTS = {
    "m": (260.0, 1050.0, 2200.0, 3200.0, 4200.0),
    "l": (340.0, 1150.0, 2700.0, 3400.0, 4400.0),
    "w": (300.0, 700.0, 2300.0, 3300.0, 4300.0),
    "y": (280.0, 2250.0, 3000.0, 3600.0, 4600.0),
}
HIGH = ("alto", "soprano")
BANDWIDTHS = (80.0, 100.0, 150.0, 240.0, 400.0)
# Consonants of noise: centre (Hz) low and high, duration (s) low and high, level.
FRICATIVES = {
    "s": (5500.0, 8500.0, 0.07, 0.14, 0.4),
    "sh": (2800.0, 4200.0, 0.07, 0.13, 0.3),
    "f": (2000.0, 9000.0, 0.05, 0.09, 0.12),
    "h": (900.0, 1800.0, 0.04, 0.08, 0.12),
}
PLOSIVES = {
    "t": (3500.0, 5500.0, 0.02, 0.035, 0.4),
    "k": (1500.0, 2600.0, 0.025, 0.04, 0.35),
    "p": (600.0, 1400.0, 0.015, 0.025, 0.3),
}


WOMEN = ("slt",)  # beginnings of the names of phrases that a woman speaks


def _smooth(x: Audio, time: float) -> Audio:
    """One-pole smoothing forwards and backwards over control frames; `time` in seconds."""
    pole = float(np.exp(-HOP / (time * SAMPLE_RATE)))
    return np.asarray(signal.filtfilt([1.0 - pole], [1.0, -pole], x, axis=0))


def _vocal_tract(formants: Audio, bandwidth: float, tilt: Audio) -> NDArray[np.complex128]:
    """Responses of five resonators in a row, for `fx.moving_filter`.

    `formants` (nb_frames, 5) in Hz; `bandwidth` a factor; `tilt` (nb_frames,) in dB per octave above 500 Hz.
    """
    f = fx.FREQUENCIES
    low, high = f[f < 8000.0], f[f >= 8000.0]
    response = np.ones((len(formants), len(low)), dtype=np.complex128)
    for centre, width in zip(formants.T[:, :, None] ** 2, BANDWIDTHS, strict=True):
        response *= centre / (centre - low**2 + (1j * bandwidth * width) * low)
    # above the formants vowels differ less in level than five resonators would have it
    level = np.log(np.abs(response[:, -1:]))
    even = np.exp(0.6 * (level.mean() - level))
    response *= 1.0 + (even - 1.0) * np.clip((low - 3500.0) / 2500.0, 0.0, 1.0)
    response = np.concatenate([response, np.abs(response[:, -1:]) * (low[-1] / high) ** 10], axis=1)
    # the resonances above the fifth, of a tube 17 cm long, which do not move
    upper = np.arange(5500.0, 80000.0, 1000.0)[:, None] ** 2
    fixed = np.prod(upper / (upper - f**2 + 600.0j * bandwidth * f), axis=0)
    octaves = np.log2(np.maximum(f, 500.0) / 500.0)
    return np.asarray(response * fixed * 10.0 ** (tilt[:, None] * octaves / 20.0))


def _consonant(rng: Generator, family: Mapping[str, tuple[float, ...]]) -> Audio:
    """A burst of noise, of one of the family's places and durations."""
    low, high, short, long, gain = family[rng.choice(list(family))]
    centre = rng.uniform(low, high)
    burst = rng.standard_normal(int(rng.uniform(short, long) * SAMPLE_RATE))
    x = np.arange(len(burst)) / len(burst)
    shape = np.sin(np.pi * x) ** 0.7 if family is FRICATIVES else np.exp(-4.0 * x) * np.minimum(1.0, 30.0 * x)
    return gain * shape * fx.bandpass(burst, 0.75 * centre, 1.4 * centre)


def _sing(part: Part, singer: Singer, rng: Generator, nb_samples: int) -> Audio:
    """One take of a voice made of formants, shape (nb_samples,)."""
    nb_frames = nb_samples // HOP + 2
    t = np.arange(nb_frames) * (HOP / SAMPLE_RATE)
    pitch = np.full(nb_frames, float(part[0].pitch))
    level, wobble, noise = np.zeros(nb_frames), np.zeros(nb_frames), np.zeros(nb_samples)
    formants = np.tile(np.array(VOWELS["a"]), (nb_frames, 1))
    vowels = list(VOWELS.values())
    rate = rng.uniform(4.8, 6.2)
    end = 0.0
    for note in part:
        first = int(note.start * SAMPLE_RATE / HOP)
        last = min(int((note.start + note.duration) * SAMPLE_RATE / HOP), nb_frames)
        if last - first < 3:
            continue
        frames = slice(first, last)
        k = t[frames] - t[first]
        left = k[-1] - k
        pitch[first:] = note.pitch + rng.normal(0.0, 0.08)
        if rng.random() < 0.7:  # scoop into the note, or come from above
            pitch[frames] += rng.choice([-2.5, -1.2, 0.8]) * rng.random() * np.exp(-k / rng.uniform(0.03, 0.12))
        if rng.random() < 0.35:  # fall off its end
            pitch[frames] -= rng.uniform(0.5, 3.0) * np.exp(-left / rng.uniform(0.03, 0.09))
        onset = rng.uniform(0.25, 0.4)
        wobble[frames] = np.clip((k - onset) / 0.3, 0.0, 1.0) * np.sin(2.0 * np.pi * rate * (k - onset))
        level[frames] = note.velocity * np.minimum(1.0, k / 0.03) * np.minimum(1.0, left / 0.05)
        level[frames] *= 0.85 + 0.3 * np.sin(np.pi * np.clip(k / max(note.duration, 0.3), 0.0, 1.0))
        vowel = np.array(pick(rng, vowels)) * rng.uniform(0.96, 1.04, 5)
        formants[first:] = vowel
        if note.duration > 0.4 and rng.random() < 0.4:  # diphthong
            mix = np.clip((k / note.duration - 0.5) / 0.4, 0.0, 1.0)[:, None]
            formants[frames] = vowel * (1.0 - mix) + pick(rng, vowels) * mix
        kind = rng.random()
        if kind < 0.25:
            closed = slice(first, first + int(rng.uniform(0.04, 0.08) * SAMPLE_RATE / HOP))
            formants[closed] = SONORANTS[rng.choice(list(SONORANTS))]
            level[closed] *= 0.45
        elif kind < 0.85:
            burst = _consonant(rng, FRICATIVES if kind < 0.55 else PLOSIVES)
            length = len(burst) / SAMPLE_RATE
            fx.place(noise, note.start - 0.7 * length, burst, note.velocity)
            pause = length if kind < 0.55 else length + rng.uniform(0.02, 0.05)
            level[max(0, first - int(pause * SAMPLE_RATE / HOP)) : first] *= 0.1
        elif note.start - end > 0.35 and rng.random() < 0.8:  # breathe in
            nb_breath = int(rng.uniform(0.18, 0.3) * SAMPLE_RATE)
            inhale = fx.bandpass(rng.standard_normal(nb_breath), 1200.0, 6000.0) * np.hanning(nb_breath) ** 1.5
            fx.place(noise, note.start - nb_breath / SAMPLE_RATE - 0.05, inhale, 0.05)
        end = note.start + note.duration
        if rng.random() < 0.3:  # the syllable ends in a consonant
            burst = _consonant(rng, FRICATIVES if rng.random() < 0.6 else PLOSIVES)
            fx.place(noise, end - 0.05, burst, 0.8 * note.velocity)
    drift = signal.lfilter([0.03], [1.0, -0.97], rng.standard_normal(nb_frames))
    pitch = _smooth(pitch, rng.uniform(0.014, 0.03)) + singer.vibrato * _smooth(wobble, 0.01) + 1.8 * drift
    formants = np.maximum(_smooth(formants * singer.size, 0.018), 120.0)
    level = np.maximum(_smooth(level, 0.006), 0.0)
    # singers open the mouth where the first formant would fall below the pitch
    f = frequency(pitch)
    formants[:, 0] = np.maximum(formants[:, 0], 1.05 * f)
    pulses = saw(fx.upsample(f, HOP, nb_samples))
    aspiration = singer.breath * fx.highpass(rng.standard_normal(nb_samples), 2500.0) * (0.7 + 0.5 * pulses)
    source = (pulses + aspiration) * fx.upsample(level, HOP, nb_samples)
    # a loud voice is a bright one
    tilt = rng.uniform(-3.5, 0.0) + 4.0 * (level - 0.8)
    rows = fx.filter_rows(nb_samples, nb_frames)
    tract = _vocal_tract(formants[rows], 1.0 + 1.5 * singer.breath, tilt[rows])
    return fx.normalise(fx.moving_filter(source, tract)) + noise


def _speaker(sounds: Sounds, voice: str, rng: Generator) -> tuple[Singer, list[speech.Syllable]] | None:
    """A singer of the range `voice` and what is sung, a few phrases of one speaker; None without phrases."""
    if not (files := sounds.files.get("speech")):
        return None
    name = pick(rng, sorted({file.stem.partition("-")[0] for file in files}))
    mine = [file for file in files if file.stem.startswith(name)]
    words = [one for _ in range(3) for one in speech.syllables(speech.read_phrase(pick(rng, mine)))]
    size = rng.uniform(*((1.08, 1.3) if voice in HIGH else (0.88, 1.1))) * (0.85 if name in WOMEN else 1.0)
    breath = 0.004 * 50.0 ** rng.random()
    return Singer(size, rng.uniform(0.0, 0.5), breath, rng.uniform(3000.0, 10000.0)), words


def _rap(song: Score, rng: Generator, nb_samples: int) -> Part:
    """Spoken syllables in lines of two bars, on sixteenths."""
    step = 0.25 * song.beat
    dense, base = rng.uniform(0.5, 0.85), RANGES[song.voice][0] + rng.uniform(-2.0, 6.0)
    notes = []
    for line in range(0, int(nb_samples / SAMPLE_RATE / step) + 1, 32):
        places = [k for k in range(28 + int(rng.integers(0, 4))) if k % 4 == 0 or rng.random() < dense]
        for k, following in zip(places, [*places[1:], places[-1] + 3], strict=True):
            accent = 3.0 * rng.random() * (k % 8 == 4) - 0.08 * k
            pitch = base + accent + rng.normal(0.0, 1.0)
            duration = step * min(following - k, 3) * 0.95
            notes.append(Note((line + k) * step, duration, pitch, rng.uniform(0.75, 1.0)))
    return notes


def _recorded(song: Score, rng: Generator, nb_samples: int, sounds: Sounds) -> Audio:
    """Voices made of speech or of formants, doubled, in harmony or a choir, through the strip of a studio."""
    speaker = _speaker(sounds, song.voice, rng)
    spoken = speaker is not None and song.rap
    melody = _rap(song, rng, nb_samples) if spoken else song.melody
    size = rng.uniform(1.02, 1.25) if song.voice in HIGH else rng.uniform(0.86, 1.08)
    singer, words = Singer(size, rng.uniform(0.0, 0.5), rng.uniform(0.02, 0.25)), None
    if speaker and (spoken or rng.random() >= 0.3):
        singer, words = speaker

    def take(part: Part) -> Audio:
        one = replace(singer, size=singer.size * rng.uniform(0.97, 1.03))
        if words is None:
            return _sing(part, one, rng, nb_samples)
        return speech.sing(part, words, one, rng, nb_samples, spoken)

    stem = fx.stereo(take(melody))
    apart, close = rng.uniform(0.3, 1.0), fx.log_uniform(rng, 0.12, 0.9)
    doubles = [(melody, -apart), (melody, apart)] if rng.random() < 0.25 else []
    for part, side in [*doubles, *zip(song.backing, (-apart, apart), strict=False)]:
        stem += close * fx.panned(take(part), side * rng.uniform(0.6, 1.0))
    stem = fx.compress(fx.highpass(stem, rng.uniform(70.0, 160.0), 2), rng.uniform(1.5, 5.0), rng.uniform(-12.0, 3.0))
    high = fx.highpass(stem, 5500.0, 2)
    stem = stem - high + fx.compress(high, 4.0, 0.0, 0.05)  # sibilants
    stem = fx.saturate(fx.tone(stem, rng, 2.0), fx.log_uniform(rng, 0.08, 0.8))
    for effect, probability in ((fx.modulate, 0.12), (fx.lofi, 0.05), (fx.distort, 0.03)):
        if rng.random() < probability:
            stem = effect(stem, rng)
    return fx.echo(stem, rng, song.beat) if rng.random() < 0.25 else stem


def render_vocals(song: Score, rng: Generator, nb_samples: int, sounds: Sounds | None) -> Audio:
    """The vocal stem without its room, shape (nb_samples, 2): lead in the middle, backing on the sides.

    `sounds` may have speech, which is sung, or spoken in rhythm if the song is a rap.
    """
    if sounds:
        return _recorded(song, rng, nb_samples, sounds)
    size = rng.uniform(1.06, 1.2) if song.voice in HIGH else rng.uniform(0.9, 1.05)
    singer = Singer(size, rng.uniform(0.1, 0.45), rng.uniform(0.06, 0.35))
    stem = fx.stereo(fx.compress(_sing(song.melody, singer, rng, nb_samples), rng.uniform(2.0, 4.0)))
    apart = rng.uniform(0.4, 0.95)
    for part, side in zip(song.backing, (-apart, apart), strict=False):
        one = replace(singer, size=size * rng.uniform(0.95, 1.05), breath=1.5 * singer.breath)
        take = fx.panned(_sing(part, one, rng, nb_samples), side)
        stem += rng.uniform(0.25, 0.5) * take
    if rng.random() < 0.4:  # echo, a dotted eighth late, from side to side
        delay = int(0.75 * song.beat * SAMPLE_RATE) / SAMPLE_RATE
        middle = fx.mono(stem)
        fx.place(stem, delay, middle, np.array([0.2, 0.0]))
        fx.place(stem, 2.0 * delay, middle, np.array([0.0, 0.12]))
    return fx.saturate(fx.highpass(stem, 80.0, 2), rng.uniform(0.1, 0.35))
