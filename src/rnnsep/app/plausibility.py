"""Signs that scores do not mean what they seem to: estimates that begin late, references without high frequencies."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from rnnsep.scoring.bsseval.frames import Signal

NB_PARTS = 12  # of a song, evenly spaced, that are looked at
LENGTH = 1 << 15  # samples of a part
REACH = 1 << 13  # samples by which an estimate may be late or early
GAIN = 10**0.1  # by which the error must fall without the delay: 1 dB
SMALL = 1e-3  # of the energy: an error that a delay cannot explain, since sounds that repeat are alike at many lags
TOP = 0.97  # of half the rate: above it lies the band that a codec leaves empty first
ROUNDING = 2.0**-30 / 12  # energy of the error of a sample that is rounded to 16 bits
EMPTY = 0.01  # of the density of that rounding: an empty band
RELATIVE = 1e-8  # of the mean density: where a quiet reference has an empty band


def delay(reference: Signal, estimate: Signal) -> int:
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


def bandwidth(reference: Signal, rate: int) -> float | None:
    """Hz up to which a reference has energy, if nothing is above, not even the noise of rounding to 16 bits."""
    window = np.hanning(LENGTH)
    power, nb = np.zeros(LENGTH // 2 + 1), 0
    for _, part in _parts(reference):
        if len(part) == LENGTH and part.any():
            power += np.square(np.abs(fft.rfft(window * part)))
            nb += 1
    if nb == 0:
        return None
    power /= nb * np.square(window).sum()
    limit = min(EMPTY * ROUNDING, RELATIVE * power.mean())
    if power[int(TOP * len(power)) : -1].mean() > limit:
        return None
    return float(np.flatnonzero(power > limit)[-1] / LENGTH * rate)


def _parts(signal: Signal) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Starts and samples of `NB_PARTS` parts, or of the whole signal if it is shorter."""
    last = max(signal.shape[0] - LENGTH, 0)
    for start in sorted({last * k // (NB_PARTS - 1) for k in range(NB_PARTS)}):
        yield start, _mono(signal, start, min(start + LENGTH, signal.shape[0]))


def _mono(signal: Signal, start: int, stop: int) -> NDArray[np.float64]:
    """Samples (stop - start,): the first channel plus the rest, with zeros where there are none."""
    samples = np.zeros(stop - start)
    first = max(start, 0)
    part = np.asarray(signal[first : max(stop, first)], np.float64)
    samples[first - start : first - start + len(part)] = part.reshape(len(part), -1).sum(axis=1)
    return samples
