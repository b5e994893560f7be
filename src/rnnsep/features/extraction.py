"""Feature files: the complex STFT of every source of every training song, mapped and never loaded whole.

`<song>.npz` is a plain uncompressed npz with one member for each source, float16 of shape (nb_frames,
nb_bins, nb_channels, 2): real and imaginary part, so that sources can be mixed anew exactly, with any gains.
Data begin at multiples of 64 bytes, so that a member can be mapped into memory straight from the file.
`features.json` names sources, STFT and songs, and is written last.
"""

import json
import tokenize
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import ParamError, Range, parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.resampling import resampled
from rnnsep.signal.stft import Audio, StftParams, WithChannels, stft

INDEX = "features.json"
ALIGNMENT = 64  # bytes
FINEST = 50  # denominator of speeds, so that filters stay short
CHUNK = 1 << 16  # values converted at a time, in cache
DAMAGES = (  # what zipfile and NumPy raise for files that are none of theirs
    zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, SyntaxError, TypeError,
    tokenize.TokenError,
)  # fmt: skip
BLOCK = 1 << 17  # values of a spectrogram computed and written at a time


@dataclass(frozen=True)
class FeatureParams:
    """Section `features` of params.yaml."""

    speeds: tuple[Annotated[float, Range(0.5, 2)], ...] | None  # at which training songs are played, besides their own
    offsets: Annotated[int, Range(1, 64)]  # starts within a hop


@dataclass(frozen=True)
class FeatureSong:
    """One song of a feature folder.

    At another speed than its own its name is `x<speed>/<name>`; without its first `start` samples `o<start>/…`.
    """

    name: str
    split: str
    nb_frames: int
    start: Annotated[int, Range(0)]

    @property
    def played(self) -> str:
        """The name, whatever the start."""
        return self.name.removeprefix(f"o{self.start}/")


@dataclass(frozen=True)
class Features:
    """A folder of feature files (see `open_features`)."""

    root: Path
    sources: tuple[str, ...]
    stft: StftParams
    songs: tuple[FeatureSong, ...]

    def arrays(self, song: str) -> dict[str, NDArray[np.float16]]:
        """
        The mapped arrays of a song by source, each float16 (nb_frames, nb_bins, nb_channels, 2), read-only.

        Only headers are read; keep the result, and the system's page cache does the rest. Raises `UserError`
        where the file is missing, damaged or not of this folder.
        """
        path = self.root / f"{song}.npz"
        arrays = map_npz(path)
        shape = (self.stft.nb_bins, self.stft.nb_channels, 2)
        if tuple(arrays) != self.sources or any(array.shape[1:] != shape for array in arrays.values()):
            raise _broken(path, f"does not hold {', '.join(self.sources)} of shape (nb_frames, *{shape})")
        return arrays


def write_features(
    corpus: Path, features: Path, params: StftParams, speeds: Sequence[float] = (), offsets: int = 1
) -> None:
    """
    Write the feature files of all training and validation songs of a corpus. Finished files are kept.

    Of the split train there is a copy at each of `speeds` too: played so much faster, at a pitch as much higher, as
    from a tape. And there are copies whose frames start later, by parts of a hop, in all `offsets` of each song.
    """
    described = Corpus.read(corpus)
    copies = [Copy(song) for song in described.of("train")]
    factors = dict.fromkeys(Fraction(speed).limit_denominator(FINEST) for speed in [1, *speeds])
    starts = [index * params.hop // offsets for index in range(offsets)]
    trained = [song for song in described.of("train") if song.split == "train"]
    versions = [(speed, start) for start in dict.fromkeys(starts) for speed in factors if speed != 1 or start]
    copies += [Copy(song, speed, start) for speed, start in versions for song in trained]
    map_songs(partial(_write_copy, described, features, params), copies, "features")
    index = [asdict(FeatureSong(copy.name, copy.song.split, copy.nb_frames(params), copy.start)) for copy in copies]
    content = {"sources": list(described.sources), "stft": asdict(params), "songs": index}
    files.write_json(features / INDEX, content)


def open_features(folder: Path) -> Features:
    """The features in a folder. Raises `UserError` where `features.json` is missing or damaged."""
    path = folder / INDEX
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        songs = tuple(parse(FeatureSong, song, "song") for song in content["songs"])
        return Features(folder, tuple(content["sources"]), parse(StftParams, content["stft"], "stft"), songs)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage features first") from None
    except ParamError as error:
        raise UserError(f"{path}: {error}") from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _broken(path, f"is damaged ({error!r})") from None


@dataclass(frozen=True)
class Copy:
    """A song at a speed, without its first `start` samples at the STFT's rate."""

    song: Song
    speed: Fraction = Fraction(1)
    start: int = 0

    @property
    def name(self) -> str:
        played = self.song.name if self.speed == 1 else f"x{float(self.speed):.3f}/{self.song.name}"
        return f"o{self.start}/{played}" if self.start else played

    def rates(self, params: StftParams) -> tuple[int, int]:
        """From which rate to which other the song is converted; the two numbers' ratio is what counts."""
        return self.song.rate * self.speed.numerator, params.sample_rate * self.speed.denominator

    def nb_frames(self, params: StftParams) -> int:
        rate, new_rate = self.rates(params)
        return params.nb_frames(max(1, -(-self.song.nb_samples * new_rate // rate) - self.start))


class Later:
    """`audio` without its first `start` samples, or all but its last, as an `Audio` of its own."""

    def __init__(self, audio: Audio, start: int):
        self.audio, self.start = audio, min(start, audio.shape[0] - 1)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.audio.shape[0] - self.start, self.audio.shape[1]

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return self.audio[key.start + self.start : key.stop + self.start]


def _write_copy(corpus: Corpus, features: Path, params: StftParams, copy: Copy) -> None:
    path = features / f"{copy.name}.npz"
    if path.exists():
        return
    shape = (copy.nb_frames(params), params.nb_bins, params.nb_channels, 2)
    with files.whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for source in corpus.sources:
            with corpus.stem(copy.song, source) as stem:
                audio = resampled(WithChannels(stem, params.nb_channels), *copy.rates(params))
                write_member(archive, source, shape, _spectra(Later(audio, copy.start), params, stem.path))


def _spectra(audio: Audio, params: StftParams, path: Path) -> Iterator[NDArray[np.float16]]:
    nb_frames = params.nb_frames(audio.shape[0])
    step = max(1, BLOCK // (params.nb_bins * params.nb_channels))
    for start in range(0, nb_frames, step):
        block = stft(audio, params, start, min(start + step, nb_frames))
        # complex (..., nb_channels) -> real and imaginary part (..., nb_channels, 2)
        parts = to_half(block.view(np.float32).reshape(*block.shape, 2))
        if np.isinf(parts).any():
            raise UserError(f"{path}: samples are far beyond full scale (1.0); scale the file down")
        yield parts


def to_half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """
    `values.astype(np.float16)` for finite values, by integer arithmetic.

    NumPy converts one value at a time, and spends 80 ns on each below 6e-5, such as the quiet half of a spectrum.
    """
    given = np.ascontiguousarray(values).view(np.uint32).reshape(-1)
    halves = np.empty(given.size, np.uint16)
    for at in range(0, given.size, CHUNK):
        bits = given[at : at + CHUNK]
        size = bits & 0x7FFFFFFF
        # halves below 2**-14 are multiples of 2**-24, which is what adding 0.5 rounds a float32 to
        small = (size.view(np.float32) + np.float32(0.5)).view(np.uint32) - np.float32(0.5).view(np.uint32)
        half = (size >> 13) & 1  # the last bit kept: a tie goes to the even one
        half += size
        half += np.uint32(0xFFF - (112 << 23) & 0xFFFFFFFF)  # the bits cut off round; exponents differ by 112
        half >>= 13
        np.copyto(half, small, where=size < 113 << 23)
        np.minimum(half, 0x7C00, out=half)  # infinity
        half |= (bits >> 16) & 0x8000
        halves[at : at + CHUNK] = half
    return halves.view(np.float16).reshape(values.shape)


def to_single(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """`values.astype(np.float32)` for finite values, by integer arithmetic, several times as fast (see `to_half`)."""
    given = np.ascontiguousarray(values).view(np.uint16).reshape(-1)
    singles = np.empty(given.size, np.uint32)
    for at in range(0, given.size, CHUNK):
        bits = given[at : at + CHUNK].astype(np.uint32)
        size = (bits & 0x7FFF) << 13
        size += np.uint32(112 << 23)
        # below 2**-14 there is no hidden bit: give it one, and take its value away again
        small = (size + np.uint32(1 << 23)).view(np.float32) - np.float32(2.0**-14)
        np.copyto(size, small.view(np.uint32), where=size < 113 << 23)
        size |= (bits & 0x8000) << 16
        singles[at : at + CHUNK] = size
    return singles.view(np.float32).reshape(values.shape)


def write_member(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float16]]
) -> None:
    """Append the float16 array `name` of `shape`, given in blocks along its first axis, to an npz file."""
    member = zipfile.ZipInfo(f"{name}.npy")  # its date is fixed
    written = archive.fp.tell() + 30 + len(member.filename.encode()) + 20  # type: ignore[union-attr]
    padding = -(written + 4) % ALIGNMENT  # 30: local header; 20: its 64-bit sizes; 4: head of the padding
    member.extra = b"\x00\x00" + padding.to_bytes(2, "little") + bytes(padding)
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    nb_frames = 0
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)  # padded to 64 bytes by NumPy
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f2").data.cast("B"))
            nb_frames += len(block)
    if nb_frames != shape[0]:
        raise ValueError(f"{name}: {nb_frames} frames in the blocks, {shape[0]} in the shape")


def map_npz(path: Path) -> dict[str, NDArray[Any]]:
    """
    The arrays of an uncompressed npz file, by name, mapped into memory and read-only.

    Raises `UserError`, naming the file, where it is missing, truncated, damaged or compressed. Checked are
    the structure and all sizes, not the checksums of the data, which would mean reading them.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
                    raise ValueError(f"{member.filename} is not an uncompressed array")
                archive.open(member).close()  # compares the local header with the directory
                file.seek(member.header_offset + 26)
                lengths = np.frombuffer(file.read(4), "<u2")  # of the name and of the extra field
                begin = member.header_offset + 30 + int(lengths.sum())
                file.seek(begin)
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{member.filename} has format {version}")
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
                if fortran or file.tell() - begin + int(np.prod(shape)) * dtype.itemsize != member.file_size:
                    raise ValueError(f"{member.filename} has another size than its header says")
                name = member.filename.removesuffix(".npy")
                arrays[name] = np.memmap(path, dtype, "r", file.tell(), shape)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage features first") from None
    except DAMAGES as error:
        raise _broken(path, f"is damaged ({' '.join(str(error).split())})") from None
    return arrays


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; delete the file and run the stage features again")
