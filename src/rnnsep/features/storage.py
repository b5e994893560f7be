"""A folder of feature files: the complex STFT of every source of every training song.

`<song>.npz` is an uncompressed npz with one member per source, float16 (nb_frames, nb_bins, nb_channels, 2): real and
imaginary part, so that sources can be remixed exactly with any gains. Members are mapped and never loaded whole (see
`npz`). `features.json` lists sources, STFT and songs, and is written last.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from rnnsep.features.npz import damaged, map_npz
from rnnsep.params import ParamError, Range, parse
from rnnsep.running.errors import UserError
from rnnsep.signal.stft import StftParams

INDEX = "features.json"


@dataclass(frozen=True)
class FeatureSong:
    """One song of a feature folder.

    Copies at another speed are named `x<speed>/<name>`; copies without the first `start` samples `o<start>/…`.
    """

    name: str
    split: str
    nb_frames: int
    start: Annotated[int, Range(0)]

    @property
    def played(self) -> str:
        """The name without the prefix of the start."""
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

        Only headers are read. Raises `UserError` if the file is missing, damaged or not of this folder.
        """
        path = self.root / f"{song}.npz"
        arrays = map_npz(path)
        shape = (self.stft.nb_bins, self.stft.nb_channels, 2)
        if tuple(arrays) != self.sources or any(array.shape[1:] != shape for array in arrays.values()):
            raise damaged(path, f"does not hold {', '.join(self.sources)} of shape (nb_frames, *{shape})")
        return arrays


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
        raise damaged(path, f"is damaged ({error!r})") from None
