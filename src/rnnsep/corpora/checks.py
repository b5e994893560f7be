"""Checks of songs, before and after they are collected, each with one line that names the songs."""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain, combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnsep.corpora.original import Format, Original
from rnnsep.running.errors import UserError
from rnnsep.running.files import file_digest
from rnnsep.running.progress import warn
from rnnsep.signal.audio import BLOCK
from rnnsep.signal.streams import Audio

TOLERANCE = -20.0  # dB; larger differences of mixture and sum are reported; those of MUSDB18 (AAC) are -35 to -24 dB
SAME = 10 ** (-20 / 10)  # energy of a difference, relative to the signal, below which two signals count as the same
SILENT = 10 ** (-60 / 10)  # energy relative to the loudest signal below which a source counts as silent
MANY = 10  # sources from which on only sums of one or of all others are tried
PART = 1 << 10  # bytes in the middle of a file that are compared first


def check_formats(songs: Mapping[str, Mapping[str, Format]], exact: bool) -> None:
    """Check the formats of all stems of songs, by title.

    Raises `UserError`, naming all songs, for stems that differ in rate, channels, or length if it must be `exact`, and
    for more channels than can be scored.
    """
    most = {title: max((one.nb_channels for one in stems.values()), default=0) for title, stems in songs.items()}
    surround = [f"{title} ({n} channels)" for title, n in most.items() if n > 2]
    if surround:
        raise UserError(f"corpus: only mono and stereo can be scored; mix these songs down: {'; '.join(surround)}")
    _check_alike(songs, lambda one: one.nb_channels, "mono and stereo stems", "channels", "convert them to one of both")
    _check_alike(songs, lambda one: one.rate, "stems differ in rate", "Hz", "resample them")
    if exact:
        advice = "fix them, or set corpus.lengths to trim or pad"
        _check_alike(songs, lambda one: one.nb_samples, "stems differ in length", "samples", advice)


def _check_alike(
    songs: Mapping[str, Mapping[str, Format]], value: Callable[[Format], int], problem: str, unit: str, advice: str
) -> None:
    wrong = []
    for title, stems in songs.items():
        if len({value(one) for one in stems.values()}) > 1:
            wrong.append(f"{title} ({', '.join(f'{name} {value(one)}' for name, one in stems.items())} {unit})")
    if wrong:
        raise UserError(f"corpus: {problem} in {_songs(len(wrong))}; {advice}: {'; '.join(wrong)}")


def warn_of_copies(songs: Iterable[Original]) -> None:
    """Print a line with the songs of one split whose files are those of a song of another split."""
    alike = _groups([song for song in songs if song.paths], _size_and_middle)
    copies = [same for group in alike for same in _groups(group, file_digest)]
    if copies:
        listed = "; ".join(" = ".join(song.title for song in same) for same in copies)
        warn(f"the same audio is used for training and for scores, which are then too high: {listed}")


def _groups(songs: Iterable[Original], key: Callable[[Path], Hashable]) -> list[list[Original]]:
    """The songs whose files have the same `key` and that are of different splits."""
    groups: dict[Hashable, list[Original]] = {}
    for song in songs:
        paths = sorted(set(song.paths), key=lambda path: path.name)
        groups.setdefault(tuple(map(key, paths)), []).append(song)
    return [group for group in groups.values() if len({song.split for song in group}) > 1]


def _size_and_middle(path: Path) -> tuple[int, bytes]:
    with open(path, "rb") as file:
        size = path.stat().st_size
        file.seek(size // 2)
        return size, file.read(PART)


def warn_of_differences(differences: Mapping[str, float]) -> None:
    """Print a line with the songs whose mixture differs from the sum of their sources, and by how many dB."""
    those = {song: decibels for song, decibels in sorted(differences.items()) if decibels > TOLERANCE}
    if those:
        listed = "; ".join(f"{song} ({decibels:.1f} dB)" for song, decibels in those.items())
        warn(
            f"the mixture differs from the sum of the sources in {_songs(len(those))} (difference relative to the"
            f" mixture): {listed}"
        )


def products(signals: Sequence[Audio]) -> NDArray[np.float64]:
    """The scalar products (nb_signals, nb_signals) of signals (nb_samples, nb_channels) of equal shape."""
    total = np.zeros((len(signals), len(signals)))
    for start in range(0, signals[0].shape[0], BLOCK):
        block = np.stack([np.asarray(signal[start : start + BLOCK], np.float64).reshape(-1) for signal in signals])
        total += block @ block.T
    return total


def difference(gram: NDArray[np.float64]) -> float:
    """The energy of signal 0 minus the sum of the others, relative to signal 0, in dB; `gram` is their `products`."""
    signs = np.array([1.0] + [-1.0] * (len(gram) - 1))
    energy, error = gram[0, 0], max(float(signs @ gram @ signs), 0.0)
    if error <= 1e-12 * energy or energy == 0:
        return -math.inf
    return 10 * math.log10(error / energy)


def sum_of_others(gram: NDArray[np.float64]) -> tuple[int, tuple[int, ...]] | None:
    """A signal that equals another one or a sum of others to within 20 dB, and these others; None if there is none."""
    energies = np.diag(gram)
    loud = [index for index in range(len(gram)) if energies[index] > SILENT * energies.max()]
    for index in sorted(loud, key=lambda one: -energies[one]):
        others = [other for other in loud if other != index]
        sizes = range(1, len(others) + 1) if len(loud) <= MANY else (1, len(others))
        for subset in chain.from_iterable(combinations(others, size) for size in sizes):
            signs = np.zeros(len(gram))
            signs[index], signs[list(subset)] = 1, -1
            if signs @ gram @ signs < SAME * energies[index]:
                return index, subset
    return None


def _songs(count: int) -> str:
    return f"{count} song{'s' * (count != 1)}"
