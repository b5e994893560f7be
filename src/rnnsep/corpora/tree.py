"""The tree of WAV files that every corpus becomes: `<subset>/<song>/{mixture,<source>...}.wav`."""

import hashlib
import math
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnsep.corpora.checks import check_formats, title, warn_of_copies, warn_of_differences
from rnnsep.corpora.components import Choice, Weights
from rnnsep.corpora.overlap import difference, products, sum_of_others
from rnnsep.corpora.reuse import Finished
from rnnsep.running.errors import UserError
from rnnsep.running.progress import warn
from rnnsep.running.workers import parallel_map
from rnnsep.signal.audio import BLOCK, AudioFile
from rnnsep.signal.corpus import MIXTURE, Song
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import Decoded, open_audio
from rnnsep.signal.writing import write_wav

SCRATCH = ".unfinished"  # folder of the root in which songs are made before they are moved
LONGEST = 240  # bytes in a name, so that `<name>.json` is a possible file name too
PADDING = 2048  # samples by which decoders may differ in the length of AAC streams: two frames

Lengths = Literal["exact", "trim", "pad"]


class Original(Protocol):
    """A song as its corpus provides it."""

    @property
    def name(self) -> str: ...
    @property
    def subset(self) -> Literal["train", "test"]: ...
    @property
    def split(self) -> Literal["train", "valid", "test"]: ...
    @property
    def names(self) -> Sequence[str]:
        """Names of its stems, and "mixture" if it has one of its own."""
        ...

    @property
    def paths(self) -> Sequence[Path]:
        """Files that it is made from."""
        ...

    def of_split(self, split: Literal["train", "valid", "test"]) -> "Original":
        """The same song, for training, for validation or for test."""
        ...

    def formats(self) -> Mapping[str, tuple[int, int]]:
        """Samples and channels of those stems whose headers declare them."""
        ...

    def write(self, folder: Path, names: Collection[str], lengths: Lengths) -> None:
        """Write `<name>.wav` to `folder` for each of `names`, all of one rate, length and number of channels."""
        ...


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
        audio = open_audio(self.path, forwards=True)
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

    def formats(self) -> Mapping[str, tuple[int, int]]:
        """See `Original`."""
        found = {}
        for name, stem in self.stems.items():
            if stem.stream is None:
                with open_audio(stem.path, forwards=True) as audio:
                    if isinstance(audio, Decoded) and audio.warning:
                        warn(audio.warning)
                    nb_channels = audio.nb_channels if stem.gains is None else 1
                    found[name] = audio.nb_samples, nb_channels
        return found

    def write(self, folder: Path, names: Collection[str], lengths: Lengths) -> None:
        """See `Original`. Streams that differ by no more than a decoder's padding are cut to the shortest.

        Raises `UserError` if stems differ in rate or channels, or in length unless `lengths` is trim or pad.
        """
        for name in names:
            rate, subtype, blocks = self.stems[name].read()
            try:
                write_wav(folder / f"{name}.wav", blocks, rate, subtype)
            except ValueError:
                raise UserError(f"{self.stems[name].path}: holds no audio") from None
        if any(stem.stream is not None for stem in self.stems.values()):
            _equalise(folder, names, "trim", PADDING)
        if lengths != "exact":
            _equalise(folder, names, lengths)
        first, *others = names
        with AudioFile(folder / f"{first}.wav") as reference:
            if reference.nb_channels > 2:
                raise UserError(
                    f"{self.stems[first].path}: has {reference.nb_channels} channels; only mono and stereo can be"
                    " scored; mix it down"
                )
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


def make_songs(
    originals: Sequence[Original], choice: Choice, root: Path, lengths: Lengths, earlier: Path | None = None
) -> tuple[Song, ...]:
    """Write all songs to the tree under `root`, in parallel, and describe them.

    A song that is complete and newer than its files is left alone; one whose files are those of an earlier run comes
    from the folder `earlier` (see `Finished`). Sums of stems are float WAV files, since they may exceed full scale.
    Prints a warning for songs whose mixture differs from the sum of the sources.

    Raises `UserError` for a song that lacks a source, for a name that is no file name or stands for two songs, for a
    source that is the sum of others, and for faulty audio.
    """
    originals = sorted(originals, key=lambda original: (original.subset, original.name))
    for before, after in pairwise(originals):
        if (before.subset, before.name) == (after.subset, after.name):
            raise UserError(f"{after.subset}: two songs are called {after.name!r}; rename one")
    for original in originals:
        _check_name(original.name)
        choice.components(original)
    check_formats(originals, exact=lengths == "exact")
    warn_of_copies(originals)
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    finished, differences = Finished(earlier, [choice, lengths]), {}
    unfinished = []
    for original in originals:
        key = _key(finished, original)
        decibels = finished.restore(key, root / original.subset / original.name)
        if decibels is not None:
            differences[title(original)] = decibels
        elif not _is_finished(original, choice.sources, root):
            unfinished.append((key, original))
    make = partial(_make_song, choice, root, lengths, finished)
    made = parallel_map(make, unfinished, "corpus")
    shutil.rmtree(root / SCRATCH, ignore_errors=True)
    finished.forget_others()
    warn_of_differences(differences | dict(made))
    return tuple(_described(original, root) for original in originals)


def _make_song(
    choice: Choice, root: Path, lengths: Lengths, finished: Finished, keyed: tuple[str, Original]
) -> tuple[str, float]:
    """Make a song, and return its subset and name and the difference of its mixture to the sum of its sources in dB."""
    key, original = keyed
    scratch = root / SCRATCH / hashlib.sha256(title(original).encode()).hexdigest()
    scratch.mkdir(parents=True)
    components = choice.components(original)
    stems = tuple(dict.fromkeys(name for weights in components.values() for name in weights))  # mixture first
    original.write(scratch, stems, lengths)
    for name, weights in components.items():
        if weights != {name: 1}:
            _write_sum(scratch, name, weights, stems[0])
    for name in stems:
        if name not in components:
            (scratch / f"{name}.wav").unlink()
    with ExitStack() as stack:
        audio = [stack.enter_context(AudioFile(scratch / f"{name}.wav")) for name in components]
        gram = products(audio)
    names = list(components)[1:]
    if (found := sum_of_others(gram[1:, 1:])) is not None:
        index, others = found
        raise UserError(
            f"{title(original)}: {names[index]} equals {' + '.join(names[other] for other in others)};"
            " remove it, or name sources that do not overlap in corpus.sources"
        )
    folder = root / original.subset / original.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    scratch.replace(folder)
    decibels = difference(gram)
    if _key(finished, original) == key:  # or else a file was changed meanwhile
        finished.keep(key, folder, decibels)
    return title(original), decibels


def _key(finished: Finished, original: Original) -> str:
    return finished.key(original.of_split("train"), original.paths) if original.paths else ""  # for any split


def _is_finished(original: Original, sources: Sequence[str], root: Path) -> bool:
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


def _write_sum(folder: Path, name: str, weights: Weights, like: str) -> None:
    """Write the weighted sum of stems as `name`.wav; silence like the stem `like` for a sum of none."""
    terms = {AudioFile(folder / f"{stem}.wav"): weight for stem, weight in (weights or {like: 0}).items()}
    first = next(iter(terms))
    starts = range(0, first.nb_samples, BLOCK)
    blocks = (sum(np.float32(w) * audio[at : at + BLOCK] for audio, w in terms.items()) for at in starts)
    write_wav(folder / f"{name}.wav", blocks, first.rate, "FLOAT")  # type: ignore[arg-type]  # no sum is 0


def _equalise(folder: Path, names: Collection[str], how: Literal["trim", "pad"], most: float = math.inf) -> None:
    """Trim files to the shortest or pad them to the longest, unless lengths differ by more than `most` samples."""
    counts = [AudioFile(folder / f"{name}.wav").nb_samples for name in names]
    length = min(counts) if how == "trim" else max(counts)
    if not 0 < max(counts) - min(counts) <= most:
        return
    for name in names:
        audio = AudioFile(folder / f"{name}.wav")
        kept = min(audio.nb_samples, length)
        blocks = [range(start, min(start + BLOCK, kept)) for start in range(0, kept, BLOCK)]
        silence = np.zeros((length - kept, audio.nb_channels), np.float32)
        parts = (audio[block.start : block.stop] for block in blocks)
        write_wav(audio.path, chain(parts, [silence] if len(silence) else []), audio.rate, audio.subtype)


def _check_name(name: str) -> None:
    try:
        nb_bytes = len(name.encode())
    except UnicodeEncodeError:
        raise UserError(f"{name!r}: the name of a song must be UTF-8; rename it") from None
    if nb_bytes > LONGEST:
        raise UserError(f"{name[:40]}...: the name of a song may have {LONGEST} bytes, not {nb_bytes}; rename it")
