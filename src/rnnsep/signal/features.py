"""Feature files: the complex STFT of every source of every training song, mapped and never loaded whole.

`<song>.npz` is a plain uncompressed npz with one member for each source, float16 of shape (nb_frames,
nb_bins, nb_channels, 2): real and imaginary part, so that sources can be mixed anew exactly, with any gains.
Data begin at multiples of 64 bytes, so that a member can be mapped into memory straight from the file.
`features.json` names sources, STFT and songs, and is written last.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import ParamError, parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.running.workers import map_songs
from rnnsep.signal.resampling import resampled
from rnnsep.signal.songs import Corpus, Song
from rnnsep.signal.stft import Audio, StftParams, stft, with_channels

INDEX = "features.json"
ALIGNMENT = 64  # bytes
BLOCK = 1 << 20  # values of a spectrogram computed and written at a time


@dataclass(frozen=True)
class FeatureSong:
    """One song of a feature folder."""

    name: str
    split: str
    nb_frames: int


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


def write_features(corpus: Path, features: Path, params: StftParams) -> None:
    """Write the feature files of all training and validation songs of a corpus. Finished files are kept."""
    described = Corpus.read(corpus)
    songs = described.of("train")
    map_songs(partial(_write_song, described, features, params), songs, "features")
    index = [asdict(FeatureSong(song.name, song.split, _nb_frames(song, params))) for song in songs]
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
    except (ValueError, TypeError, KeyError) as error:
        raise _broken(path, f"is damaged ({error!r})") from None


def _nb_frames(song: Song, params: StftParams) -> int:
    return params.nb_frames(-(-song.nb_samples * params.sample_rate // song.rate))


def _write_song(corpus: Corpus, features: Path, params: StftParams, song: Song) -> None:
    path = features / f"{song.name}.npz"
    if path.exists():
        return
    shape = (_nb_frames(song, params), params.nb_bins, params.nb_channels, 2)
    with files.whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for source in corpus.sources:
            with corpus.stem(song, source) as stem:
                audio = resampled(stem, song.rate, params.sample_rate)
                write_member(archive, source, shape, _spectra(audio, params, stem.path))


def _spectra(audio: Audio, params: StftParams, path: Path) -> Iterator[NDArray[np.float16]]:
    nb_frames = params.nb_frames(audio.shape[0])
    step = max(1, BLOCK // (params.nb_bins * audio.shape[1]))
    for start in range(0, nb_frames, step):
        block = stft(audio, params, start, min(start + step, nb_frames))
        block = np.ascontiguousarray(with_channels(block, params.nb_channels))
        try:
            with np.errstate(over="raise"):
                # complex (…, nb_channels) -> real and imaginary part (…, nb_channels, 2)
                yield block.view(np.float32).reshape(*block.shape, 2).astype(np.float16)
        except FloatingPointError:
            raise UserError(f"{path}: samples are far beyond full scale (1.0); scale the file down") from None


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
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise _broken(path, f"is damaged ({error})") from None
    return arrays


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; delete the file and run the stage features again")
