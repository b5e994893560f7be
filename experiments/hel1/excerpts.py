"""The excerpts of MUSDB18-7s, cut to the frames that SiSEC 2018 scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.hel1.published import SOURCES, Array, Published
from rnnsep import museval
from rnnsep.running.errors import UserError
from rnnsep.signal.decoding import decode

RATE = 44100
STREAMS = {"mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}  # of a .stem.mp4
HALF = 32768  # steps of 16 bits below full scale

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Excerpt:
    """
    An excerpt with its references, rounded to 16 bits.

    mixture: (nb_samples, nb_channels). sources: (nb_sources, nb_samples, nb_channels). start: first sample of frame 0.
    rate: in Hz, and so the samples of a frame.
    """

    name: str
    mixture: Samples
    sources: Samples
    start: int
    nb_frames: int
    rate: int = RATE

    def cut(self, signal: Samples) -> Samples:
        """The samples of all frames, (…, nb_frames * rate, nb_channels)."""
        return signal[..., self.start : self.start + self.nb_frames * self.rate, :]

    def sdr(self, estimates: Samples) -> Array:
        """SDR of each source and frame (nb_sources, nb_frames), as museval computes it; `estimates` as `sources`."""
        references, errors = self.cut(self.sources), self.cut(self.sources - estimates)
        return np.asarray(10 * np.log10(self._energies(references) / self._energies(errors)), float)

    @cached_property
    def sdr_of_mix(self) -> Array:
        """SDR of the mixture divided by the number of sources."""
        return self.sdr(self.share_of_mix)

    def scores(self, estimates: Samples) -> Array:
        """SDR, ISR, SIR and SAR (nb_measures, nb_sources, nb_frames), with filters of these frames."""
        references, cut = self.cut(self.sources), self.cut(estimates)
        return np.stack(museval.evaluate(references, cut, win=self.rate, hop=self.rate))

    @property
    def share_of_mix(self) -> Samples:
        """The estimates of MIX."""
        return np.broadcast_to(self.mixture / len(self.sources), self.sources.shape)

    def _energies(self, signal: Samples) -> Samples:
        frames = signal.reshape(len(signal), self.nb_frames, self.rate, -1)
        return np.einsum("sfnc,sfnc->sf", frames, frames)


def read_excerpts(corpus: Path, published: Published) -> list[Excerpt]:
    """
    The test excerpts in a copy of MUSDB18-7s whose scores are published, in the order of their names.

    Raises `UserError` if there are fewer than three.
    """
    paths = {path.name.removesuffix(".stem.mp4"): path for path in sorted((corpus / "test").glob("*.stem.mp4"))}
    names = [name for name in paths if name in published.songs]
    if len(names) < 3:
        raise UserError(f"--corpus: {corpus} has {len(names)} test excerpts of MUSDB18-7s in test/; needs at least 3")
    offsets = published.of(names).offsets
    return [_read(paths[name], name, at, published.nb_frames) for name, at in zip(names, offsets, strict=True)]


def _read(path: Path, name: str, offset: float, nb_frames: int) -> Excerpt:
    stems = {stem: _decoded(path, stream) for stem, stream in STREAMS.items()}
    start, shortest = round(offset * RATE), min(map(len, stems.values()))
    if shortest < start + nb_frames * RATE:
        raise UserError(f"{path}: has {shortest / RATE:.2f} s, but {offset + nb_frames:.2f} s are scored")
    sources = np.stack([stems[source][:shortest] for source in SOURCES])
    return Excerpt(name, stems["mixture"][:shortest], sources, start, nb_frames)


def _decoded(path: Path, stream: int) -> Samples:
    rate, blocks = decode(path, stream)
    if rate != RATE:
        raise UserError(f"{path}: has {rate} Hz, not {RATE}")
    audio = np.concatenate(list(blocks))
    return (np.clip(np.rint(audio * HALF), -HALF, HALF - 1) / HALF).astype(np.float32)


def names_of(excerpts: Sequence[Excerpt]) -> tuple[str, ...]:
    """The names of excerpts."""
    return tuple(excerpt.name for excerpt in excerpts)
