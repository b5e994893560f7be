"""Singing voices from spoken phrases: envelopes of the speech, in the rhythm and at the pitch of a melody."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

from rnnsep.corpora.synthetic.instruments import effects as fx
from rnnsep.corpora.synthetic.instruments.oscillators import SAMPLE_RATE, Audio, saw
from rnnsep.corpora.synthetic.instruments.sampled import read_sample
from rnnsep.corpora.synthetic.score import Note
from rnnsep.running.errors import UserError

VOWELS = frozenset(("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"))
UNVOICED = frozenset(("pau", "p", "t", "k", "f", "th", "s", "sh", "ch", "hh"))
HOP, SIZE = 256, 1024  # samples
BAND = 7000.0  # Hz; synthesised speech has nothing above
FRAME = HOP / SAMPLE_RATE  # s


@dataclass(frozen=True)
class Phrase:
    """Spoken words: log magnitudes (frames, SIZE // 2 + 1); first and last frame of each phone."""

    envelope: Audio
    phones: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Syllable:
    """Consonants, a vowel, and the consonants after it if the words pause there; frames as in `Phrase`."""

    phrase: Phrase
    onset: tuple[tuple[str, float, float], ...]
    vowel: tuple[str, float, float]
    coda: tuple[tuple[str, float, float], ...]


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
    onset: list[tuple[str, float, float]] = []
    for phone in phrase.phones:
        name = phone[0]
        if name in VOWELS:
            found.append(Syllable(phrase, tuple(onset), phone, ()))
            onset = []
        elif name == "pau":
            if found and onset:
                last = found[-1]
                found[-1] = Syllable(phrase, last.onset, last.vowel, tuple(onset))
            onset = []
        else:
            onset.append(phone)
    return found


def _timeline(
    notes: Sequence[Note], words: Sequence[Syllable], rng: np.random.Generator, nb_frames: int
) -> tuple[NDArray[np.int64], Audio, Audio, Audio]:
    """For each frame of the song: the syllable (-1: silence), the frame of its phrase, voicing and level."""
    which = np.full(nb_frames, -1)
    where, voiced, level = np.zeros(nb_frames), np.zeros(nb_frames), np.zeros(nb_frames)
    previous = 0.0  # where the last vowel may end at the earliest

    def write(i: int, begin: float, end: float, a: float, b: float, voice: float, loud: float) -> None:
        first, last = max(0, round(begin)), min(nb_frames, round(end))
        if last > first:
            which[first:last] = i % len(words)
            where[first:last] = np.linspace(a, b, last - first)
            voiced[first:last], level[first:last] = voice, loud

    for i, note in enumerate(notes):
        word = words[i % len(words)]
        begin, end = note.start / FRAME, (note.start + note.duration) / FRAME
        spoken = sum(b - a for _, a, b in word.onset)
        pace = min(1.0, max(begin - previous, 2.0) / max(spoken, 1.0))
        at = begin - pace * spoken
        for name, a, b in word.onset:
            write(i, at, at + pace * (b - a) + 1.0, a, b, float(name not in UNVOICED), note.velocity)
            at += pace * (b - a)
        _, a, b = word.vowel
        tail = sum(z - y for _, y, z in word.coda)
        stop = max(begin + 3.0, end - min(tail, 0.4 * (end - begin)))
        length = stop - begin
        edge = min(0.35 * length, 0.35 * (b - a))  # as fast as spoken at both ends, slow between
        knots = [begin, begin + edge, stop - edge, stop]
        steady = rng.uniform(0.3, 0.5), rng.uniform(0.5, 0.7)
        places = [a, a + steady[0] * (b - a), a + steady[1] * (b - a), b]
        for k in range(3):
            write(i, knots[k], knots[k + 1] + 1.0, places[k], places[k + 1], 1.0, note.velocity)
        at = stop
        for name, y, z in word.coda:
            share = min(1.0, max(1.0, end - stop) / max(tail, 1.0))
            write(i, at, at + share * (z - y) + 1.0, y, z, float(name not in UNVOICED), 0.9 * note.velocity)
            at += share * (z - y)
        previous = begin + 0.55 * length
    return which, where, voiced, level


def _pitch(notes: Sequence[Note], rng: np.random.Generator, nb_frames: int, vibrato: float, spoken: bool) -> Audio:
    """MIDI pitch of each frame, with glides, vibrato, drift and jitter; `spoken` notes fall."""
    pitch = np.full(nb_frames, float(notes[0].pitch))
    wobble = np.zeros(nb_frames)
    rate = rng.uniform(4.5, 6.5)
    for note in notes:
        first, last = int(note.start / FRAME) - 6, min(nb_frames, int((note.start + note.duration) / FRAME))
        if last - max(first, 0) < 2:
            continue
        first = max(first, 0)
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


@dataclass(frozen=True)
class Singer:
    """Factor on the formants; vibrato (semitones); breath (amplitude); where noise replaces harmonics (Hz)."""

    size: float
    vibrato: float
    breath: float
    limit: float


def sing(
    notes: Sequence[Note],
    words: Sequence[Syllable],
    singer: Singer,
    rng: np.random.Generator,
    nb_samples: int,
    spoken: bool = False,
) -> Audio:
    """One take of one voice, shape (nb_samples,), with an RMS of 1."""
    nb_frames = nb_samples // HOP + 8
    which, where, voiced, level = _timeline(notes, words, rng, nb_frames)
    pitch = _pitch(notes, rng, nb_frames, 0.0 if spoken else singer.vibrato, spoken)
    frequency = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    f = np.arange(SIZE + 1) * (SAMPLE_RATE / (2 * SIZE))
    bins = np.minimum(f / singer.size * (SIZE / SAMPLE_RATE), SIZE // 2 - 1.001)
    rows = np.zeros((nb_frames, SIZE // 2 + 1))
    for i in np.unique(which[which >= 0]):  # the frames of each syllable, between those of its phrase
        mine, envelope = which == i, words[i].phrase.envelope
        at = np.clip(where[mine], 0.0, len(envelope) - 1.001)
        low = at.astype(int)
        rows[mine] = envelope[low] + (at - low)[:, None] * (envelope[low + 1] - envelope[low])
    rows = ndimage.gaussian_filter1d(rows, 1.5, axis=0)
    level = ndimage.gaussian_filter1d(level * (which >= 0), 1.5)
    # loudness of sung vowels varies less than that of spoken ones
    loud = np.log(np.sqrt((np.exp(2.0 * rows[:, 4:90])).mean(axis=1)) + 1e-6)
    reference = np.quantile(loud[which >= 0], 0.8) if (which >= 0).any() else 0.0
    rows += 0.5 * np.clip(reference - loud, -3.0, 1.5)[:, None] * voiced[:, None]
    step = bins.astype(int)
    envelope = np.exp(rows[:, step] + (bins - step) * (rows[:, step + 1] - rows[:, step])) * level[:, None]
    smooth = ndimage.gaussian_filter1d(voiced, 1.2)[:, None]
    hiss = np.clip(singer.breath + 1.0 / (1.0 + np.exp((singer.limit - f) / 600.0)), 0.0, 1.0)
    share = (1.0 - smooth) + smooth * hiss
    curve = fx.upsample(frequency, HOP, nb_frames * HOP)
    pulses = np.diff(saw(curve), prepend=0.0) * -np.sqrt(SAMPLE_RATE / curve) / 2.0
    noise = rng.standard_normal(len(pulses))
    out = np.zeros(len(pulses) + 2 * SIZE)
    window = np.hanning(SIZE + 1)[:SIZE]
    for source, gains in ((pulses, np.sqrt(1.0 - share)), (noise, np.sqrt(share))):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(source, SIZE), SIZE)[:: 2 * HOP][: nb_frames // 2]
        spectra = fft.rfft(frames * window, 2 * SIZE, axis=1)
        # frame j is centred at sample 512 j - 512
        at = np.clip(2 * np.arange(len(frames)) - 2, 0, nb_frames - 1)
        # zero phase: what wraps round lies before the frame
        pieces = np.roll(fft.irfft(spectra * (envelope * gains)[at], 2 * SIZE, axis=1), SIZE // 2, axis=1)
        for part in range(4):
            begin = part * 2 * HOP
            piece = pieces[:, begin : begin + 2 * HOP].reshape(-1)
            out[begin : begin + len(piece)] += piece[: len(out) - begin]
    x = out[SIZE + SIZE // 2 :][:nb_samples]
    return np.asarray(x / (fx.rms(x) + 1e-12))
