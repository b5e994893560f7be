"""Training sequences from feature files, with all augmentation.

A batch is a pure function of (seed, epoch, step), so that a resumed run draws the same batches.
"""

import math
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from rnnsep.features.storage import Features
from rnnsep.network.bands import to_mel
from rnnsep.params import Range


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """Section `sampling` of params.yaml."""

    frames: Annotated[int, Range(1)]
    batch: Annotated[int, Range(1)]
    steps: Annotated[int, Range(1)]
    remix: Annotated[float, Range(0, 1)]
    gain: Annotated[float, Range(0, 60)]  # dB
    swap: Annotated[float, Range(0, 1)]
    shift: Annotated[float, Range(0)]  # s; 0: none
    equaliser: Annotated[float, Range(0, 20)]  # dB


class Batch(NamedTuple):
    """STFTs of sources and their gains; the mixture is the sum of sources times gains."""

    sources: np.ndarray  # float16 (nb_sources, nb_batch, nb_frames, nb_bins, nb_channels, 2): real, imaginary
    gains: np.ndarray  # float32 (nb_sources, nb_batch, nb_bins), or 1 for all bins


class Sampler:
    """Batches from the songs of a split, or from those of them in `among`; the first `nb_bins` bins."""

    def __init__(
        self, features: Features, split: str, params: SamplingParams, nb_bins: int, among: Collection[str] | None = None
    ):
        self.params = params
        self.shift = params.shift * features.stft.sample_rate / features.stft.hop  # frames
        # songs[i][j]: mapped STFT of source j in song i, (nb_frames, nb_bins, nb_channels, 2)
        self.songs = [
            list(features.arrays(song.name).values())
            for song in features.songs
            if song.split == split and (among is None or song.name in among)
        ]
        first = self.songs[0]
        self._shape = (len(first), params.batch, params.frames, nb_bins, *first[0].shape[2:])
        self._curves = curves(np.arange(nb_bins) * features.stft.sample_rate / features.stft.window)

    def batch(self, seed: int, epoch: int, step: int) -> Batch:
        """The random batch of these three numbers.

        With probability `remix` each source of a sequence comes from a different song and position. Otherwise all come
        from one position of one song, and `shift` moves all but the first source (see `shifted`). Gains are uniform in
        dB; the channels of a source are swapped with probability `swap` (Uhlich et al., 2017). `equaliser` is the
        standard deviation in dB of the weights of `curves`, whose sum filters each source.
        """
        random = np.random.default_rng((seed, epoch, step))
        sources = np.empty(self._shape, np.float16)
        nb_sources, nb_batch, _, _, nb_channels, _ = self._shape
        for b in range(nb_batch):
            remix = random.random() < self.params.remix
            song, position = random.integers(len(self.songs)), random.random()
            for j in range(nb_sources):
                if remix:
                    song, position = random.integers(len(self.songs)), random.random()
                stft = self.songs[int(song)][j]
                swap = nb_channels == 2 and random.random() < self.params.swap
                start = int(position * max(1, len(stft) - self.params.frames + 1))
                if j and not remix:
                    start = self.shifted(start, len(stft), random)
                self._copy(stft, start, sources[j, b], swap)
        decibels = random.uniform(-self.params.gain, self.params.gain, (nb_sources, nb_batch, 1))
        if self.params.equaliser:
            weights = random.normal(0, self.params.equaliser, (nb_sources, nb_batch, len(self._curves)))
            decibels = decibels + weights @ self._curves
        return Batch(sources, (10 ** (decibels / 20)).astype(np.float32))

    def shifted(self, start: int, nb_frames: int, random: np.random.Generator) -> int:
        """`start` plus a random multiple of `shift`, modulo the `nb_frames` of the song.

        This is the augmentation of Huang et al. (2014), in whole frames.
        """
        if not self.shift:
            return start
        return (start + round(self.shift * random.integers(math.ceil(nb_frames / self.shift)))) % nb_frames

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """All random batches of an epoch; each is prepared while the previous one is in use."""
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(self.batch, seed, epoch, 0)
            for step in range(1, self.params.steps + 1):
                batch = following.result()
                if step < self.params.steps:
                    following = pool.submit(self.batch, seed, epoch, step)
                yield batch

    def sequences(self) -> list[tuple[int, int]]:
        """Song and first frame of each sequence of `whole`."""
        return [
            (song, start)
            for song in range(len(self.songs))
            for start in range(0, max(1, len(self.songs[song][0]) - self.params.frames + 1), self.params.frames)
        ]

    def whole(self, random: np.random.Generator | None = None) -> Iterator[Batch]:
        """Batches that cover the songs once, in order, without remixing or gains.

        The last batch is filled up from the start. With `random`, sources are shifted (see `shifted`).
        """
        sequences = self.sequences()
        nb_sources, nb_batch = self._shape[:2]
        for first in range(0, len(sequences), nb_batch):
            sources = np.empty(self._shape, np.float16)
            for b in range(nb_batch):
                song, start = sequences[(first + b) % len(sequences)]
                for j in range(nb_sources):
                    stft = self.songs[song][j]
                    at = self.shifted(start, len(stft), random) if j and random else start
                    self._copy(stft, at, sources[j, b], swap=False)
            yield Batch(sources, np.ones((nb_sources, nb_batch, 1), np.float32))

    @staticmethod
    def _copy(stft: np.ndarray, start: int, to: np.ndarray, swap: bool) -> None:
        """Copy frames from `start` on to `to` (nb_frames, nb_bins, nb_channels, 2); the song repeats after its end."""
        nb_frames, nb_bins = to.shape[:2]
        cut = stft[start : start + nb_frames, :nb_bins]
        if len(cut) < nb_frames:
            cut = np.take(stft, np.arange(start, start + nb_frames), axis=0, mode="wrap")[:, :nb_bins]
        to[:] = cut[:, :, ::-1] if swap else cut


def curves(frequencies: np.ndarray) -> np.ndarray:
    """Smooth filter shapes (4, nb_bins): cosines of 0.5 to 2 periods over the mel scale up to the last frequency.

    `frequencies` are in Hz.
    """
    mel = to_mel(frequencies)
    return np.cos(np.pi * np.arange(1, 5)[:, None] * mel / max(mel[-1], 1e-9))
