"""Signs that scores do not mean what they seem to: estimates that begin late, references without high frequencies."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from rnnsep.signal.streams import Audio

NB_PARTS = 12  # of a song, evenly spaced, that are looked at
LENGTH = 1 << 15  # samples of a part
REACH = 1 << 13  # samples by which an estimate may be late or early
GAIN = 10**0.1  # by which the error must fall without the delay: 1 dB
SMALL = 1e-3  # of the energy: an error that a delay cannot explain, since sounds that repeat are alike at many lags
ROUNDING = 2.0**-30 / 12  # energy of a sample's error where samples are rounded to 16 bits
NB_BANDS = 40  # between 0 Hz and half the rate
CLIFF = 10**3.5  # by which the density falls within three bands where a codec or a filter ends


def delay(reference: Audio, estimate: Audio) -> int:
    """Samples by which the estimate is late (negative: early); 0 unless the error is 1 dB lower without the delay.

    The error is that after the best gain, over all channels, at the lag of highest correlation.
    """
    size = fft.next_fast_len(LENGTH + 2 * REACH, real=True)
    crossed, energies = np.zeros(2 * REACH + 1), np.zeros(2)
    for start, source in _parts(reference):
        around = _mono(estimate, start - REACH, start + len(source) + REACH)
        spectrum = fft.rfft(around, size) * fft.rfft(source, size).conj()
        crossed += fft.irfft(spectrum, size)[: 2 * REACH + 1]
        energies += np.square(source).sum(), np.square(around[REACH:-REACH]).sum()
    if not energies.all():
        return 0
    alike = crossed / np.sqrt(energies.prod())
    best = int(alike.argmax())
    error, error_without = 1 - alike[REACH] * abs(alike[REACH]), 1 - alike[best] ** 2
    return best - REACH if error > max(GAIN * error_without, SMALL) else 0


def bandwidth(reference: Audio, rate: int) -> float | None:
    """Hz above which a reference ends, if there is even less than the noise of rounding to 16 bits; else None."""
    window = np.hanning(LENGTH)
    power, nb = np.zeros(LENGTH // 2 + 1), 0
    for _, part in _parts(reference):
        if len(part) == LENGTH and part.any():
            power += np.square(np.abs(fft.rfft(window * part)))
            nb += 1
    bands = np.array_split(power / max(nb, 1) / np.square(window).sum(), NB_BANDS)
    density = np.array([band.mean() for band in bands])
    falls = density[:-3] / np.maximum(density[3:], np.finfo(float).tiny)
    if nb == 0 or density[-1] > 0.7 * ROUNDING or falls.max() < CLIFF:
        return None
    return float((falls.argmax() + 2) / NB_BANDS * rate / 2)


def _parts(signal: Audio) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Starts and samples of `NB_PARTS` parts, or of the whole signal if it is shorter."""
    last = max(signal.shape[0] - LENGTH, 0)
    for start in sorted({last * k // (NB_PARTS - 1) for k in range(NB_PARTS)}):
        yield start, _mono(signal, start, min(start + LENGTH, signal.shape[0]))


def _mono(signal: Audio, start: int, stop: int) -> NDArray[np.float64]:
    """Samples (stop - start,): the first channel plus the rest, with zeros where there are none."""
    samples = np.zeros(stop - start)
    first = max(start, 0)
    part = np.asarray(signal[first : max(stop, first)], np.float64)
    samples[first - start : first - start + len(part)] = part.reshape(len(part), -1).sum(axis=1)
    return samples
