"""Checks of songs, before and after they are collected, each with one line that names the songs."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from rnnsep.corpora.original import Format
from rnnsep.running.errors import UserError
from rnnsep.running.progress import warn
from rnnsep.signal.audio import BLOCK
from rnnsep.signal.streams import Audio

TOLERANCE = -20.0  # dB; larger differences of mixture and sum are reported; those of MUSDB18 (AAC) are -35 to -24 dB
SAME = 10 ** (-20 / 10)  # energy of a difference, relative to the signal, below which two signals count as the same
SILENT = 10 ** (-60 / 10)  # energy relative to the loudest signal below which a source counts as silent
MANY = 10  # sources from which on only sums of one or of all others are tried

Formats = Mapping[str, Mapping[str, Format]]  # of the stems of songs, by title


def check_formats(songs: Formats) -> None:
    """Raise `UserError`, naming the songs, for stems of different rates or channels, and for more than two channels."""
    most = {title: max((one.nb_channels for one in stems.values()), default=0) for title, stems in songs.items()}
    surround = [f"{title} ({n} channels)" for title, n in most.items() if n > 2]
    if surround:
        raise UserError(f"corpus: only mono and stereo can be scored; mix these songs down: {'; '.join(surround)}")
    if wrong := _differing(songs, lambda one: one.nb_channels, "channels"):
        raise UserError(f"corpus: mono and stereo stems in {wrong}; convert them to one of both")
    if wrong := _differing(songs, lambda one: one.rate, "Hz"):
        raise UserError(f"corpus: stems differ in rate in {wrong}; resample them")


def warn_of_lengths(songs: Formats) -> None:
    """Print a line with the songs whose stems differ in length."""
    if found := _differing(songs, lambda one: one.nb_samples, "samples"):
        warn(f"the shorter stems are padded with silence in {found}")


def _differing(songs: Formats, value: Callable[[Format], int], unit: str) -> str:
    """The songs whose stems have different values, with the values; empty if there are none."""
    those = [
        f"{title} ({', '.join(f'{name} {value(one)}' for name, one in stems.items())} {unit})"
        for title, stems in songs.items()
        if len({value(one) for one in stems.values()}) > 1
    ]
    return _listed(those) if those else ""


def warn_of_differences(differences: Mapping[str, float]) -> None:
    """Print a line with the songs whose mixture differs from the sum of their sources, and by how many dB."""
    those = [f"{song} ({decibels:.1f} dB)" for song, decibels in sorted(differences.items()) if decibels > TOLERANCE]
    if those:
        warn(f"the mixture differs from the sum of the sources (dB relative to the mixture) in {_listed(those)}")


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


def _listed(songs: Sequence[str]) -> str:
    return f"{len(songs)} song{'s' * (len(songs) != 1)}: {'; '.join(songs)}"
