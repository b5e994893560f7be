"""Checks of a song's audio: does the mixture equal the sum of the sources, and is a source the sum of others?"""

import math
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from rnnsep.signal.audio import BLOCK
from rnnsep.signal.streams import Audio

SAME = 10 ** (-20 / 10)  # energy of a difference, relative to the signal, below which two signals count as the same
SILENT = 10 ** (-60 / 10)  # energy relative to the loudest signal below which a source counts as silent
MANY = 10  # sources from which on only sums of one or of all others are tried


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
