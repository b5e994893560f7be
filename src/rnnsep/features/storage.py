"""A folder of feature files: the complex STFT of every source of every training song.

`<song>.npy` is float16 (nb_sources, nb_frames, nb_bins, nb_channels, 2): real and imaginary part, so that sources can
be remixed exactly with any gains. Files are mapped and never loaded whole. `features.json` lists sources, STFT and
songs, and is written last.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnsep.params import ParamError, parse
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

INDEX = "features.json"
FLOAT16 = np.dtype("<f2")


@dataclass(frozen=True)
class FeatureSong:
    """One song of a feature folder; copies at another speed are named `x<speed>/<name>`."""

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
        """The mapped arrays of a song by source, each float16 (nb_frames, nb_bins, nb_channels, 2), read-only.

        Only the header is read. Raises `UserError` if the file is missing, damaged or not of this folder.
        """
        path = file_of(self.root, song)
        array = map_array(path)
        wanted = (len(self.sources), self.stft.nb_bins, self.stft.nb_channels, 2)
        if array.ndim != 5 or (array.shape[0], *array.shape[2:]) != wanted:
            raise _damaged(path, f"holds an array {array.shape}, not of {', '.join(self.sources)} by this STFT")
        return dict(zip(self.sources, array, strict=True))


def open_features(folder: Path) -> Features:
    """The features in a folder. Raises `UserError` if `features.json` is missing or damaged."""
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
        raise _damaged(path, f"is damaged ({error!r})") from None


def file_of(folder: Path, song: str) -> Path:
    """The feature file of a song."""
    return folder / f"{song}.npy"


def write_array(path: Path, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float16]]) -> None:
    """Write a float16 array of `shape`, given in consecutive blocks of its values, atomically.

    `blocks` may have any shapes; in C order they are the array's values. A memory map would not do for writing: on a
    full disk the process would be killed.
    """
    nb_values = 0
    with files.whole(path) as temporary, open(temporary, "wb") as file:
        header = {"descr": FLOAT16.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, FLOAT16).data.cast("B"))
            nb_values += block.size
        if nb_values != np.prod(shape):
            raise ValueError(f"{path}: {nb_values} values for an array of shape {shape}")


def map_array(path: Path) -> NDArray[np.float16]:
    """The float16 array in an npy file, mapped into memory and read-only.

    Raises `UserError`, naming the file, if it is missing or damaged, or has more or fewer bytes than its header says.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
        if array.dtype != FLOAT16 or not array.flags.c_contiguous:
            raise ValueError("it is no float16 array in C order")
        if array.offset + array.nbytes != path.stat().st_size:
            raise ValueError("it has another size than its header says")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage features first") from None
    except Exception as error:
        raise _damaged(path, f"is damaged ({' '.join(str(error).split())})") from None
    return array


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}; delete the file and run the stage features again")
