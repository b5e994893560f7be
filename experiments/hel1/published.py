"""Scores of SiSEC 2018 on the frames that lie in the excerpts of MUSDB18-7s (see data/README.md)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
SOURCES = ("vocals", "drums", "bass", "other")
MEASURES = ("SDR", "ISR", "SIR", "SAR")
ABOVE_MIX = [0, 2]  # measures that are compared as differences from MIX, since they depend on the song most

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Published:
    """
    Scores of a few systems (dB).

    songs: names. offsets: where the first frame begins in each excerpt (s). scores: by system, (nb_measures, nb_songs,
    nb_sources, nb_frames).
    """

    songs: tuple[str, ...]
    offsets: tuple[float, ...]
    scores: dict[str, Array]

    def of(self, songs: Sequence[str]) -> "Published":
        """The scores of `songs`, in that order."""
        at = [self.songs.index(song) for song in songs]
        return replace(
            self,
            songs=tuple(songs),
            offsets=tuple(self.offsets[i] for i in at),
            scores={system: scores[:, at] for system, scores in self.scores.items()},
        )

    @property
    def nb_frames(self) -> int:
        return next(iter(self.scores.values())).shape[-1]

    def above_mix(self, system: str) -> Array:
        """The scores of a system; SDR and SIR minus those of MIX."""
        return above(self.scores[system], self.scores["MIX"])


def above(scores: Array, mix: Array) -> Array:
    """Scores whose first axis is the measures, with SDR and SIR minus those of `mix`."""
    result = scores.copy()
    result[ABOVE_MIX] -= mix[ABOVE_MIX]
    return result


@cache
def published() -> Published:
    """All scores that ship with the study."""
    positions = pd.read_csv(DATA / "sisec2018_excerpt_positions.csv")
    frames = pd.read_csv(DATA / "sisec2018_excerpt_frames.csv")
    songs, nb_frames = tuple(positions["song"]), int(positions["nb_frames"].iloc[0])
    index = pd.MultiIndex.from_product([songs, SOURCES, range(nb_frames)])
    scores = {}
    for system, table in frames.groupby("system"):
        ordered = table.set_index(["song", "target", "frame"]).reindex(index)[list(MEASURES)].to_numpy(float)
        scores[str(system)] = np.moveaxis(ordered.reshape(len(songs), len(SOURCES), nb_frames, -1), -1, 0)
    return Published(songs, tuple(positions["offset_in_excerpt_s"]), scores)
