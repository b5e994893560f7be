"""
What HEL1's scores look like, and how far the scores of a hypothesis are from them.

The fingerprint of a system is 16 medians over songs: SDR over MIX, ISR, SIR and SAR of the four sources. SDR over MIX
is the system's median minus that of MIX on the same songs. Its spread is the interquartile range over songs of the same
scores, with SIR over MIX instead of SIR, since the mixture's own SIR differs more between songs than anything else.
Both distances are root mean squares over the 16 differences, in dB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnsep.tables.published import published_songs
from rnnsep.tables.reading import read_scores
from rnnsep.tables.statistics import METRICS, song_medians

SOURCES = ("vocals", "drums", "bass", "other")
QUANTITIES = ("SDR over MIX", "ISR", "SIR", "SAR")
CAMPAIGN = "sisec2018"
NB_DRAWS = 2000
SDR, _, SIR, _ = range(len(QUANTITIES))

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Songs:
    """
    The scores of a system and of MIX on the same songs, each a median over frames (dB).

    Both are (nb_quantities, …, nb_songs, nb_sources), with songs in the order of `names`.
    """

    names: tuple[str, ...]
    system: Array
    mix: Array

    def medians(self) -> Array:
        """The fingerprint, (nb_quantities, …, nb_sources)."""
        values: Array = np.nanmedian(self.system, axis=-2)
        values[SDR] -= np.nanmedian(self.mix[SDR], axis=-2)
        return values

    def spreads(self) -> Array:
        """The interquartile ranges over songs, (nb_quantities, …, nb_sources)."""
        scores = self.system.copy()
        for metric in (SDR, SIR):
            scores[metric] -= self.mix[metric]
        low, high = np.nanquantile(scores, [0.25, 0.75], axis=-2)
        return np.asarray(high - low)

    def of(self, numbers: NDArray[np.intp]) -> "Songs":
        """The songs of these numbers (…, nb_songs); with a leading axis, several sets of songs without names."""
        names = tuple(self.names[number] for number in numbers) if numbers.ndim == 1 else ()
        return Songs(names, self.system[:, numbers], self.mix[:, numbers])

    def common(self, other: "Songs") -> "Songs":
        """The songs that `other` has, in the order of `other`."""
        return self.of(np.array([self.names.index(name) for name in other.names if name in self.names], np.intp))


def read(scores: Path, mix: Path) -> Songs:
    """The scores in a folder of museval's files, and those of MIX in another."""
    return _songs(*(song_medians(read_scores(folder)) for folder in (scores, mix)))


def published(system: str = "HEL1") -> Songs:
    """The scores of a system of SiSEC 2018 on the 50 test songs of MUSDB18."""
    table = published_songs(CAMPAIGN)
    return _songs(*(table[table["system"] == name] for name in (system, "MIX")))


def distance(one: Array, other: Array) -> float:
    """Root mean square of the differences of two sets of 16 numbers."""
    return float(np.sqrt(np.mean(np.square(one - other))))


def agreement(one: Songs, other: Songs) -> float:
    """
    Spearman's rank correlation of SIR over MIX between two systems, over all songs in common and all sources.

    Each source is ranked by itself, so that a source which is hard for both counts for nothing. NaN for fewer than two
    songs in common and for MIX, whose songs are all equal.
    """
    both = other.common(one), one.common(other).common(other.common(one))
    ranks = [pd.DataFrame(each.system[SIR] - each.mix[SIR]).rank().to_numpy().ravel() for each in both]
    if any(len(each) < 2 * len(SOURCES) or np.ptp(each) == 0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def sampling_error(nb_songs: int) -> Array:
    """
    Distances of HEL1 on `nb_songs` of its 50 songs from HEL1 on all: (nb_draws, 2), of medians and of spreads.

    A hypothesis that is true has such distances from the number of songs alone.
    """
    hel1, random = published(), np.random.default_rng(0)
    numbers = np.argsort(random.uniform(size=(NB_DRAWS, len(hel1.names))), axis=1)[:, :nb_songs]
    drawn = hel1.of(numbers)
    differences = drawn.medians() - hel1.medians()[:, None], drawn.spreads() - hel1.spreads()[:, None]
    return np.stack([np.sqrt(np.mean(np.square(one), axis=(0, -1))) for one in differences], axis=1)


def _songs(system: pd.DataFrame, mix: pd.DataFrame) -> Songs:
    """From two tables of songs (see `tables.statistics`)."""
    names = tuple(sorted(system["track"].unique()))
    return Songs(names, *(_array(table, names) for table in (system, mix)))


def _array(songs: pd.DataFrame, names: tuple[str, ...]) -> Array:
    index: Any = pd.MultiIndex.from_product([METRICS, names, SOURCES])
    scores = songs.set_index(["metric", "track", "target"])["score"].reindex(index)
    return scores.to_numpy(float).reshape(len(METRICS), len(names), len(SOURCES))
