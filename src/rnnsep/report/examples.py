"""Excerpts of songs for the page: spectrograms and sound."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from rnnsep.report import figures
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import MIXTURE, Corpus, Song

FREE = ("synthetic", "folder")  # corpora whose licence allows the songs on a page
SECONDS = 6.0  # maximum length of an excerpt
BUDGET = 5_000_000  # bytes of audio in a page, before base64
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz; sample rates of MP3


@dataclass(frozen=True)
class Track:
    """One track of an example: the mixture, or a source's "estimate" or "reference"; image and audio are data URIs."""

    source: str
    kind: str
    image: str
    audio: str | None


@dataclass(frozen=True)
class Example:
    """An excerpt of a song. `start` and `seconds` are in s, `highest` is the spectrograms' upper edge in Hz."""

    song: str
    why: str
    start: float
    seconds: float
    highest: float
    tracks: tuple[Track, ...]
    lowest = int(figures.LOWEST)  # Hz
    range = int(figures.RANGE)  # dB

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """Labels of the frequency axis and their heights in per cent of the image."""
        span = math.log(self.highest / figures.LOWEST)
        marks = (("100 Hz", 100.0), ("1 kHz", 1000.0), ("10 kHz", 10000.0))
        return [(label, 100 * math.log(at / figures.LOWEST) / span) for label, at in marks if at < self.highest]


def examples(corpus: Corpus, estimates: Path, scores: pd.Series, split: str) -> list[Example]:
    """Excerpts of the songs of a split with the best, the median and the worst score.

    `scores` is indexed by song. Songs without estimates are skipped. Only corpora in `FREE` have audio.
    """
    songs = {song.name: song for song in corpus.of_split(split) if (estimates / song.name).is_dir()}
    ranked = [name for name in scores.dropna().sort_values(ascending=False, kind="stable").index if name in songs]
    places = {0: "best", len(ranked) // 2: "median", len(ranked) - 1: "worst"} if len(ranked) > 2 else {0: "best"}
    chosen = [(songs[ranked[place]], why) for place, why in places.items() if ranked]
    nb_tracks = len(chosen) * (1 + 2 * len(corpus.sources))
    seconds = min(SECONDS, BUDGET / (nb_tracks * 24_000)) if chosen else SECONDS  # 24 kB/s is the maximum of our MP3
    return [example(corpus, estimates, song, why, seconds) for song, why in chosen]


def example(corpus: Corpus, estimates: Path, song: Song, why: str, seconds: float) -> Example:
    """The excerpt of `song` whose quietest source is loudest."""
    references = {name: corpus.stem(song, name) for name in corpus.sources}
    length = min(song.nb_samples, round(seconds * song.rate))
    start = busiest(list(references.values()), length)
    files = [(MIXTURE, MIXTURE, corpus.stem(song, MIXTURE))]
    for source, reference in references.items():
        estimate = AudioFile(estimates / song.name / f"{source}.wav")
        files += [(source, "estimate", estimate), (source, "reference", reference)]
    tracks, top = [], 0.0
    for source, kind, file in files:
        with file:
            excerpt = file[start : start + length]
        levels = figures.level(excerpt, song.rate)
        top = float(levels.max()) if kind == MIXTURE else top
        sound = _data("audio/mpeg", mp3(excerpt, song.rate)) if corpus.name in FREE else None
        tracks.append(Track(source, kind, _data("image/png", figures.spectrogram(levels, top)), sound))
    return Example(song.name, why, start / song.rate, length / song.rate, min(16000.0, song.rate / 2), tuple(tracks))


def busiest(sources: Sequence[AudioFile], length: int) -> int:
    """First sample of the excerpt of `length` samples whose quietest source is loudest, in steps of `length` / 4."""
    step = max(1, length // 4)
    starts = range(0, max(1, sources[0].nb_samples - length + 1), step)
    blocks = range(0, sources[0].nb_samples, step)
    energy = np.array([[np.sum(np.square(file[at : at + step], dtype=float)) for at in blocks] for file in sources])
    windows = [energy[:, index : index + 4].sum(axis=1).min() for index in range(len(starts))]
    return starts[int(np.argmax(windows))]


def mp3(audio: NDArray[np.float32], rate: int) -> bytes:
    """`audio` (nb_samples, nb_channels) as MP3 with variable bit rate; more than two channels are mixed to mono."""
    if rate not in RATES:
        from scipy.signal import resample_poly  # takes a second to import

        audio, rate = resample_poly(audio, 44100, rate, axis=0), 44100
    if audio.shape[1] > 2:
        audio = audio.mean(axis=1, keepdims=True)
    out = io.BytesIO()
    soundfile.write(out, np.clip(audio, -1, 1), rate, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
