"""The mel scale."""

import numpy as np
from numpy.typing import NDArray

BREAK = 700.0  # Hz; the scale is nearly linear below it and logarithmic above


def to_mel(frequencies: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """ln(1 + f / 700 Hz) of `frequencies` (Hz): the mel scale in units of 1127 mel (O'Shaughnessy, 1987)."""
    return np.log1p(np.asarray(frequencies) / BREAK)


def to_hertz(mel: NDArray[np.floating]) -> NDArray[np.float64]:
    """The inverse of `to_mel`: frequencies in Hz."""
    frequencies: NDArray[np.float64] = BREAK * np.expm1(mel)
    return frequencies
