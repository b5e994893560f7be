"""Singing voices from spoken phrases: envelopes of the speech, in the rhythm and at the pitch of a melody."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments.effects import HOP
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, frequency, saw
from rnnsep.corpora.synthetic.instruments.sampled import read_sample
from rnnsep.corpora.synthetic.score import Part
from rnnsep.running.errors import UserError

VOWELS = frozenset(("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"))
UNVOICED = frozenset(("pau", "p", "t", "k", "f", "th", "s", "sh", "ch", "hh"))
SIZE = 1024  # samples of a frame of speech, whose envelope has half as many bands
BAND = 7000.0  # Hz; synthesised speech has nothing above
FRAME = HOP / SAMPLE_RATE  # s

Phone = tuple[str, float, float]  # name, first and last frame


@dataclass(frozen=True)
class Phrase:
    """Spoken words: log magnitudes (frames, SIZE // 2 + 1) and phones."""

    envelope: Audio
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Syllable:
    """Consonants, a vowel, and the consonants after it if the words pause there."""

    phrase: Phrase
    onset: tuple[Phone, ...]
    vowel: Phone
    coda: tuple[Phone, ...]


@dataclass(frozen=True)
class Singer:
    """Factor on formants; vibrato (semitones); breath (amplitude); above which noise replaces harmonics (Hz)."""

    size: float
    vibrato: float
    breath: float
    limit: float = 8000.0


@lru_cache(maxsize=256)
def read_phrase(path: Path) -> Phrase:
    """A phrase from a sound file and the .txt file beside it, with a phone and its end (s) per line."""
    labels = path.with_suffix(".txt")
    try:
        lines = [line.split() for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
        ends = [float(end) / FRAME for _, end in lines]
        phones = tuple((line[0], a, b) for line, a, b in zip(lines, [0.0, *ends], ends, strict=False))
    except (OSError, ValueError):
        raise UserError(f"{labels}: must have a phone and its end in seconds per line; make the folder again") from None
    x = read_sample(path, whole=True).mean(axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, SIZE // 2), SIZE)[::HOP]
    levels = np.log(np.abs(fft.rfft(frames * np.hanning(SIZE), axis=1)) + 1e-5)
    f = np.arange(levels.shape[1]) * (SAMPLE_RATE / SIZE)
    top, near = f > BAND, (f > 5900.0) & (f <= BAND)
    # the missing octave falls as steeply as its phone does
    bright = levels[:, near].mean(axis=1) > levels[:, (f > 300.0) & (f < 3000.0)].mean(axis=1) - 0.5
    slope = np.where(bright, 0.3, 1.0)[:, None]
    levels[:, top] = levels[:, near].mean(axis=1, keepdims=True) - slope * np.log2(f[top] / 6500.0)
    cepstra = fft.irfft(levels, SIZE, axis=1)
    lag = np.minimum(np.arange(SIZE), SIZE - np.arange(SIZE)) / SAMPLE_RATE
    cepstra *= np.clip((0.0030 - lag) / 0.0012, 0.0, 1.0)
    return Phrase(fft.rfft(cepstra, axis=1).real, phones)


def syllables(phrase: Phrase) -> list[Syllable]:
    """The syllables of a phrase, divided before the consonants that lead to a vowel."""
    found: list[Syllable] = []
    consonants: tuple[Phone, ...] = ()
    for phone in phrase.phones:
        if phone[0] in VOWELS:
            found.append(Syllable(phrase, consonants, phone, ()))
        elif phone[0] == "pau" and found and consonants:
            found[-1] = replace(found[-1], coda=consonants)
        consonants = () if phone[0] in VOWELS or phone[0] == "pau" else (*consonants, phone)
    return found


def _timeline(
    part: Part, words: Sequence[Syllable], rng: Generator, nb_frames: int
) -> tuple[NDArray[np.int64], Audio, Audio, Audio]:
    """For each frame of the song: the syllable (-1: silence), the frame of its phrase, voicing and level."""
    which = np.full(nb_frames, -1)
    where, voiced, level = np.zeros((3, nb_frames))
    previous = 0.0  # where the last vowel may end at the earliest

    def write(begin: float, end: float, a: float, b: float, voice: bool, loud: float) -> None:
        first, last = max(0, round(begin)), min(nb_frames, round(end + 1.0))
        if last > first:
            which[first:last] = i % len(words)
            where[first:last] = np.linspace(a, b, last - first)
            voiced[first:last], level[first:last] = voice, loud

    def consonants(phones: Sequence[Phone], at: float, pace: float, loud: float) -> None:
        for name, a, b in phones:
            write(at, at + pace * (b - a), a, b, name not in UNVOICED, loud)
            at += pace * (b - a)

    for i, note in enumerate(part):
        word = words[i % len(words)]
        begin, end = note.start / FRAME, (note.start + note.duration) / FRAME
        spoken, tail = (sum(b - a for _, a, b in phones) for phones in (word.onset, word.coda))
        pace = min(1.0, max(begin - previous, 2.0) / max(spoken, 1.0))
        consonants(word.onset, begin - pace * spoken, pace, note.velocity)
        _, a, b = word.vowel
        stop = max(begin + 3.0, end - min(tail, 0.4 * (end - begin)))
        edge = min(0.35 * (stop - begin), 0.35 * (b - a))  # as fast as spoken at both ends, slow between
        knots = [begin, begin + edge, stop - edge, stop]
        steady = rng.uniform(0.3, 0.5), rng.uniform(0.5, 0.7)
        places = [a, a + steady[0] * (b - a), a + steady[1] * (b - a), b]
        for k in range(3):
            write(knots[k], knots[k + 1], places[k], places[k + 1], True, note.velocity)
        pace = min(1.0, max(1.0, end - stop) / max(tail, 1.0))
        consonants(word.coda, stop, pace, 0.9 * note.velocity)
        previous = begin + 0.55 * (stop - begin)
    return which, where, voiced, level


def _pitch(part: Part, rng: Generator, nb_frames: int, vibrato: float, spoken: bool) -> Audio:
    """MIDI pitch of each frame, with glides, vibrato, drift and jitter; `spoken` notes fall."""
    pitch = np.full(nb_frames, float(part[0].pitch))
    wobble = np.zeros(nb_frames)
    rate = rng.uniform(4.5, 6.5)
    for note in part:
        first = max(0, int(note.start / FRAME) - 6)
        last = min(nb_frames, int((note.start + note.duration) / FRAME))
        if last - first < 2:
            continue
        k = FRAME * np.arange(last - first)
        pitch[first:] = note.pitch + rng.normal(0.0, 0.1)
        if spoken:
            pitch[first:last] += rng.uniform(0.0, 3.0) - rng.uniform(2.0, 14.0) * k
        elif rng.random() < 0.6:
            pitch[first:last] += rng.choice([-3.0, -1.5, 1.0]) * rng.random() * np.exp(-k / rng.uniform(0.03, 0.15))
        onset = rng.uniform(0.1, 0.4)
        wobble[first:last] = np.clip((k - onset) / 0.3, 0.0, 1.0) * np.sin(2.0 * np.pi * rate * k)
    pitch = ndimage.gaussian_filter1d(pitch, rng.uniform(2.0, 7.0)) + vibrato * ndimage.gaussian_filter1d(wobble, 2.0)
    drift = signal.lfilter([0.02], [1.0, -0.98], rng.standard_normal(nb_frames))
    return np.asarray(pitch + 1.2 * drift + rng.uniform(0.0, 0.08) * rng.standard_normal(nb_frames))


def _between(rows: Audio, at: Audio) -> Audio:
    """Linear interpolation between `rows` at fractional indices."""
    at = np.clip(at, 0.0, len(rows) - 1.001)
    low = at.astype(int)
    return np.asarray(rows[low] + (at - low)[:, None] * (rows[low + 1] - rows[low]))


def sing(
    part: Part, words: Sequence[Syllable], singer: Singer, rng: Generator, nb_samples: int, spoken: bool = False
) -> Audio:
    """One take of one voice, shape (nb_samples,), with an RMS of 1."""
    nb_frames = nb_samples // HOP + 8
    which, where, voiced, level = _timeline(part, words, rng, nb_frames)
    pitch = _pitch(part, rng, nb_frames, 0.0 if spoken else singer.vibrato, spoken)
    rows = np.zeros((nb_frames, SIZE // 2 + 1))
    for i in np.unique(which[which >= 0]):  # the frames of each syllable, between those of its phrase
        rows[which == i] = _between(words[i].phrase.envelope, where[which == i])
    rows = ndimage.gaussian_filter1d(rows, 1.5, axis=0)
    level = ndimage.gaussian_filter1d(level * (which >= 0), 1.5)
    # loudness of sung vowels varies less than that of spoken ones
    loud = np.log(np.sqrt((np.exp(2.0 * rows[:, 4:90])).mean(axis=1)) + 1e-6)
    reference = np.quantile(loud[which >= 0], 0.8) if (which >= 0).any() else 0.0
    rows += 0.5 * np.clip(reference - loud, -3.0, 1.5)[:, None] * voiced[:, None]
    f = fx.FREQUENCIES
    bins = np.minimum(f / singer.size * (SIZE / SAMPLE_RATE), SIZE // 2 - 1.001)
    envelope = np.exp(_between(rows.T, bins).T) * level[:, None]
    smooth = ndimage.gaussian_filter1d(voiced, 1.2)[:, None]
    hiss = np.clip(singer.breath + 1.0 / (1.0 + np.exp((singer.limit - f) / 600.0)), 0.0, 1.0)
    share = (1.0 - smooth) + smooth * hiss
    curve = fx.upsample(frequency(pitch), HOP, nb_frames * HOP)
    pulses = np.diff(saw(curve), prepend=0.0) * -np.sqrt(SAMPLE_RATE / curve) / 2.0
    noise = rng.standard_normal(len(pulses))
    at = fx.filter_rows(len(pulses), nb_frames)
    x = np.zeros(len(pulses))
    for source, gains in ((pulses, np.sqrt(1.0 - share)), (noise, np.sqrt(share))):
        x += fx.moving_filter(source, (envelope * gains)[at], lead=SIZE // 2)  # zero phase
    return fx.normalise(x[:nb_samples])
