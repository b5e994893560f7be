"""Frequency bands coarser than the STFT's bins: pooled energies and mel filters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BREAK = 700.0  # Hz; the mel scale is nearly linear below it and logarithmic above


@dataclass(frozen=True)
class Pooling:
    """Adjacent bands of bins: one bin each up to a corner frequency, two in the octave above it, four in the next, ….

    For a mask m that is constant over a band, the error Σ|m X - S|² over the band is m² Σ|X|² - 2 m Σ Re(S X*) + Σ|S|².
    So a network can be trained on the bands' sums, without approximation.
    Example: `make_pooling(1487, 44100 / 4096, 2000).widths` is 186 ones, 93 twos, 93 fours, 92 eights.
    """

    widths: tuple[int, ...]  # bins of each band

    @property
    def nb_bins(self) -> int:
        return sum(self.widths)

    @property
    def nb_bands(self) -> int:
        return len(self.widths)

    def sums(self, x: Any, concatenate: Callable[..., Any] = np.concatenate) -> Any:
        """Sums over bands (…, nb_bands, nb_channels) of energies (…, nb_bins or more, nb_channels).

        `concatenate` is that of the library that `x` belongs to.
        """
        parts, begin = [], 0
        for width in sorted(set(self.widths)):
            end = begin + width * self.widths.count(width)
            parts.append(sum(x[..., begin + i : end : width, :] for i in range(width)))
            begin = end
        return parts[0] if len(parts) == 1 else concatenate(parts, axis=-2)


def make_pooling(nb_bins: int, spacing: float, corner: float | None) -> Pooling:
    """The complete bands among the first `nb_bins` bins, `spacing` Hz apart. `corner` is in Hz; None: no pooling."""
    widths: list[int] = []
    at, width = 0, 1
    while at + width <= nb_bins:
        widths.append(width)
        at += width
        if corner is not None and at * spacing >= corner * width:
            width *= 2
    return Pooling(tuple(widths))


def to_mel(frequencies: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """ln(1 + f / 700 Hz) of `frequencies` (Hz): the mel scale in units of 1127 mel (O'Shaughnessy, 1987)."""
    return np.log1p(np.asarray(frequencies) / BREAK)


def mel_bank(nb_bins: int, nb_bands: int, top: float) -> NDArray[np.float32]:
    """Triangular filters, float32 (nb_bins, nb_bands), with centres evenly spaced on the mel scale from 0 Hz to `top`.

    Each side of a triangle reaches the next centre, and at least one bin, so that no band is empty and every bin is in
    a band. The peaks are 1.
    """
    centres = BREAK * np.expm1(np.linspace(0, to_mel(top), nb_bands))
    frequencies = np.linspace(0, top, nb_bins)
    spacing = np.diff(centres)
    below, above = np.concatenate([spacing[:1], spacing]), np.concatenate([spacing, spacing[-1:]])
    distance = frequencies[:, None] - centres  # (nb_bins, nb_bands)
    width = np.maximum(np.where(distance < 0, below, above), frequencies[1])
    return np.maximum(1 - np.abs(distance) / width, 0).astype(np.float32)


def to_mel_weights(bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights (nb_bins, nb_bands) of the mean over the bins of each mel band, from the filters of `mel_bank`."""
    return bank / bank.sum(axis=0)


def from_mel_weights(bank: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights (nb_bins, nb_bands) of the mean over the mel bands of each bin, from the filters of `mel_bank`."""
    return bank / bank.sum(axis=1, keepdims=True)
