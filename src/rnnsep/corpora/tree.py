"""The tree that every corpus is left as: `<subset>/<song>/{mixture,<source>...}.wav`, song by song."""

import hashlib
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs
from rnnsep.signal.audio import BLOCK, AudioFile, decode
from rnnsep.signal.corpus import MIXTURE, Song
from rnnsep.signal.writing import write_wav

SCRATCH = ".unfinished"  # songs are made in this folder of the root and then moved to their places
LONGEST = 240  # bytes in a name, so that `<name>.json` is a possible file name too
PADDING = 2048  # samples by which decoders may disagree on the length of AAC streams: two frames


class Original(Protocol):
    """A song as its corpus has it, before it is in the tree."""

    @property
    def name(self) -> str: ...
    @property
    def subset(self) -> Literal["train", "test"]: ...
    @property
    def split(self) -> Literal["train", "valid", "test"]: ...
    @property
    def names(self) -> Sequence[str]:
        """Names of its stems, "mixture" among them where it has one of its own."""
        ...

    @property
    def paths(self) -> Sequence[Path]:
        """Files that it is made from."""
        ...

    def of_split(self, split: Literal["train", "valid", "test"]) -> "Original":
        """The same song, for training, for validation or for test."""
        ...

    def write(self, folder: Path, names: Collection[str]) -> None:
        """Write `<name>.wav` to `folder` for each of `names`, all of one rate, length and number of channels."""
        ...


@dataclass(frozen=True)
class Stem:
    """Audio on disk: a wav or flac file, or stream `stream` of another container.

    With `gains`, one weight for each channel, it is the mono signal of the weighted sum.
    """

    path: Path
    stream: int | None = None
    gains: tuple[float, ...] | None = None

    def read(self) -> tuple[int, str, Iterator[NDArray[np.float32]]]:
        """Rate in Hz, the subtype that keeps every sample as it is, and blocks (nb, nb_channels)."""
        if self.stream is not None:
            rate, blocks = decode(self.path, self.stream)
            return rate, "PCM_16", blocks
        audio = AudioFile(self.path)
        if self.gains is None:
            exact = audio.subtype in ("PCM_16", "PCM_24", "FLOAT")
            return audio.rate, audio.subtype if exact else "FLOAT", audio.blocks()
        if audio.nb_channels != len(self.gains):
            raise UserError(f"{self.path}: has {audio.nb_channels} channels, not {len(self.gains)}")
        gains = np.array(self.gains, np.float32)[:, np.newaxis]  # (nb_channels, 1)
        return audio.rate, "PCM_24", (block @ gains for block in audio.blocks())


@dataclass(frozen=True)
class Recording:
    """A song whose stems are files."""

    name: str
    subset: Literal["train", "test"]
    split: Literal["train", "valid", "test"]
    stems: Mapping[str, Stem]

    @property
    def names(self) -> Sequence[str]:
        return tuple(self.stems)

    @property
    def paths(self) -> Sequence[Path]:
        return tuple(stem.path for stem in self.stems.values())

    def of_split(self, split: Literal["train", "valid", "test"]) -> "Recording":
        """See `Original`."""
        return replace(self, split=split)

    def write(self, folder: Path, names: Collection[str]) -> None:
        """See `Original`. Streams that differ by no more than a decoder's padding are cut to the shortest.

        Raises `UserError` where stems differ in rate, channels or length.
        """
        for name in names:
            rate, subtype, blocks = self.stems[name].read()
            try:
                write_wav(folder / f"{name}.wav", blocks, rate, subtype)
            except ValueError:
                raise UserError(f"{self.stems[name].path}: holds no audio") from None
        if any(stem.stream is not None for stem in self.stems.values()):
            _cut_padding(folder, names)
        first, *others = names
        with AudioFile(folder / f"{first}.wav") as reference:
            for name in others:
                with AudioFile(folder / f"{name}.wav") as audio:
                    for what, one, other in (
                        ("Hz", reference.rate, audio.rate),
                        ("channels", reference.nb_channels, audio.nb_channels),
                        ("samples", reference.nb_samples, audio.nb_samples),
                    ):
                        if one != other:
                            raise UserError(
                                f"{self.stems[name].path}: {name} has {other} {what} but {first} {one};"
                                " all stems of a song must be alike"
                            )


def make_songs(originals: Sequence[Original], sources: Sequence[str], root: Path) -> tuple[Song, ...]:
    """Write all songs to the tree under `root`, several at a time, and describe them.

    A song that is already there, complete and newer than its files, is left as it is. `accompaniment`, where a song
    has no such stem, is the sum of its stems other than vocals; a mixture that it lacks is the sum of all stems.
    Sums are float wav files, since they may exceed full scale.

    Raises `UserError` for a song that lacks a source, for names that are no file names or stand for two songs, and
    for whatever is wrong with the audio.
    """
    originals = sorted(originals, key=lambda original: (original.subset, original.name))
    for before, after in pairwise(originals):
        if (before.subset, before.name) == (after.subset, after.name):
            raise UserError(f"{after.subset}: two songs are called {after.name!r}; rename one")
    for original in originals:
        _check_name(original.name)
        _components(original, sources)
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    unfinished = [original for original in originals if not _finished(original, sources, root)]
    map_songs(partial(_make_song, tuple(sources), root), unfinished, "corpus")
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    return tuple(_described(original, root) for original in originals)


def _make_song(sources: Sequence[str], root: Path, original: Original) -> None:
    scratch = root / SCRATCH / hashlib.sha256(f"{original.subset}/{original.name}".encode()).hexdigest()
    scratch.mkdir(parents=True)
    components = _components(original, sources)
    own = tuple(dict.fromkeys(name for parts in components.values() for name in parts))  # mixture first
    original.write(scratch, own)
    for name, parts in components.items():
        if parts != (name,):
            _write_sum(scratch, name, parts)
    for name in own:
        if name not in components:
            (scratch / f"{name}.wav").unlink()
    folder = root / original.subset / original.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    scratch.replace(folder)


def _finished(original: Original, sources: Sequence[str], root: Path) -> bool:
    folder = root / original.subset / original.name
    wanted = {f"{name}.wav" for name in (MIXTURE, *sources)}
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != wanted:
        return False
    made = folder.stat().st_mtime_ns
    return all(path.exists() and path.stat().st_mtime_ns <= made for path in original.paths)


def _described(original: Original, root: Path) -> Song:
    with AudioFile(root / original.subset / original.name / f"{MIXTURE}.wav") as audio:
        rate, nb_samples, nb_channels = audio.rate, audio.nb_samples, audio.nb_channels
    return Song(original.name, original.subset, original.split, rate, nb_samples, nb_channels)


def _components(original: Original, sources: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For the mixture and each source, the stems of `original` that it is the sum of."""
    stems = tuple(name for name in original.names if name != MIXTURE)
    components = {MIXTURE: (MIXTURE,) if MIXTURE in original.names else stems}
    for source in sources:
        others = tuple(name for name in stems if name != "vocals")
        if source in stems:
            components[source] = (source,)
        elif source == "accompaniment" and others:
            components[source] = others
        else:
            raise UserError(
                f"{original.subset}/{original.name}: has no {source}.wav; add it, remove the song,"
                " or leave that source out of corpus.sources"
            )
    return components


def _write_sum(folder: Path, name: str, parts: Sequence[str]) -> None:
    audios = [AudioFile(folder / f"{part}.wav") for part in parts]
    starts = range(0, audios[0].nb_samples, BLOCK)
    blocks = (sum(audio[start : start + BLOCK] for audio in audios) for start in starts)
    write_wav(folder / f"{name}.wav", blocks, audios[0].rate, "FLOAT")  # type: ignore[arg-type]  # no sum is 0


def _cut_padding(folder: Path, names: Collection[str]) -> None:
    lengths = {name: AudioFile(folder / f"{name}.wav").nb_samples for name in names}
    shortest = min(lengths.values())
    if shortest < max(lengths.values()) <= shortest + PADDING:
        for name in names:
            audio = AudioFile(folder / f"{name}.wav")
            starts = range(0, shortest, BLOCK)
            blocks = (audio[start : min(start + BLOCK, shortest)] for start in starts)
            write_wav(audio.path, blocks, audio.rate, audio.subtype)


def _check_name(name: str) -> None:
    try:
        nb_bytes = len(name.encode())
    except UnicodeEncodeError:
        raise UserError(f"{name!r}: the name of a song must be UTF-8; rename it") from None
    if nb_bytes > LONGEST:
        raise UserError(f"{name[:40]}...: the name of a song may have {LONGEST} bytes, not {nb_bytes}; rename it")
