"""A song as its corpus provides it, before it is collected: its stems are files, or are computed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.running.progress import warn
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import Decoded, open_audio
from rnnsep.signal.writing import write_wav

Subset = Literal["train", "test"]
Split = Literal["train", "valid", "test"]


class Format(NamedTuple):
    """Length per channel (samples), channels and rate (Hz) of a stem."""

    nb_samples: int
    nb_channels: int
    rate: int


@dataclass(frozen=True)
class Original:
    """A song of a corpus. A subclass says which stems it has and writes them."""

    name: str
    subset: Subset
    split: Split

    @property
    def title(self) -> str:
        return f"{self.subset}/{self.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the stems, among them "mixture" if the song has one. `drums/kick` is a part of source `drums`."""
        raise NotImplementedError

    def formats(self) -> Mapping[str, Format]:
        """Formats of those stems whose headers declare them."""
        return {}

    def write(self, folder: Path, names: Collection[str]) -> None:
        """Write `<name>.wav` to `folder` for each of `names`. Raises `UserError` for faulty audio."""
        raise NotImplementedError

    def sources(self) -> dict[str, list[str]]:
        """The names of the stems of each source, and of "mixture" if the song has one."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(name.split("/")[0], []).append(name)
        return found


@dataclass(frozen=True)
class Stem:
    """Audio on disk: a WAV or FLAC file, or stream `stream` of another container.

    With `gains`, one weight per channel, it is the mono signal of the weighted sum.
    """

    path: Path
    stream: int | None = None
    gains: tuple[float, ...] | None = None

    def read(self) -> tuple[int, str, Iterator[NDArray[np.float32]]]:
        """Rate in Hz, the subtype that keeps every sample as it is, and blocks (nb, nb_channels)."""
        if self.stream is not None:
            rate, blocks = decode(self.path, self.stream)
            return rate, "PCM_16", blocks
        audio = open_audio(self.path)
        if self.gains is None:
            exact = audio.subtype in ("PCM_16", "PCM_24", "FLOAT")
            return audio.rate, audio.subtype if exact else "FLOAT", audio.blocks()
        if audio.nb_channels != len(self.gains):
            raise UserError(f"{self.path}: has {audio.nb_channels} channels, not {len(self.gains)}")
        gains = np.array(self.gains, np.float32)[:, np.newaxis]  # (nb_channels, 1)
        return audio.rate, "PCM_24", (block @ gains for block in audio.blocks())


@dataclass(frozen=True)
class Recording(Original):
    """A song whose stems are files."""

    stems: Mapping[str, Stem]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.stems)

    def formats(self) -> Mapping[str, Format]:
        found = {}
        for name, stem in self.stems.items():
            if stem.stream is None:
                with open_audio(stem.path) as audio:
                    if isinstance(audio, Decoded) and audio.warning:
                        warn(audio.warning)
                    found[name] = Format(audio.nb_samples, audio.nb_channels if stem.gains is None else 1, audio.rate)
        return found

    def write(self, folder: Path, names: Collection[str]) -> None:
        for name in names:
            rate, subtype, blocks = self.stems[name].read()
            try:
                write_wav(folder / f"{name}.wav", blocks, rate, subtype)
            except ValueError:
                raise UserError(f"{self.stems[name].path}: holds no audio") from None
