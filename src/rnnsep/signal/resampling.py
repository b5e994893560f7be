"""Resampling in blocks: `scipy.signal.resample_poly` without ever holding the whole signal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn

from rnnsep.signal.stft import Audio


@dataclass(frozen=True)
class Ratio:
    """Conversion of the rate by up / down, coprime, with the filter of `scipy.signal.resample_poly`."""

    up: int
    down: int

    @property
    def reach(self) -> int:
        """Half the filter's length, in samples at `up` times the given rate."""
        return 10 * max(self.up, self.down)

    @property
    def margin(self) -> int:
        """Given samples that one resampled sample needs on either side, at most."""
        return self.reach // self.up + 1

    def nb_samples(self, given: int) -> int:
        return -(-given * self.up // self.down)


def ratio(rate: int, new_rate: int) -> Ratio:
    """The conversion from `rate` to `new_rate`, both in Hz."""
    common = gcd(rate, new_rate)
    return Ratio(new_rate // common, rate // common)


class Resampled:
    """`audio` (nb_samples, nb_channels) at another rate, as an `Audio` that reads only what a slice needs."""

    def __init__(self, audio: Audio, conversion: Ratio):
        self.audio, self.ratio = audio, conversion

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ratio.nb_samples(self.audio.shape[0]), *self.audio.shape[1:]

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        start, stop, _ = key.indices(self.shape[0])
        first, last = _needed(self.ratio, start, stop)
        begin, end = max(first, 0), min(last, self.audio.shape[0])
        return _convert(self.audio[begin:end], begin, self.ratio, start, stop)


def resampled(audio: Audio, rate: int, new_rate: int) -> Audio:
    """
    `audio`, given at `rate`, at `new_rate` (Hz): ceil(nb_samples * new_rate / rate) samples.

    The samples are those of `scipy.signal.resample_poly` on the whole signal, within the rounding of float32.
    """
    return audio if rate == new_rate else Resampled(audio, ratio(rate, new_rate))


def resampled_blocks(
    blocks: Iterable[NDArray[np.float32]], rate: int, new_rate: int, nb_samples: int
) -> Iterator[NDArray[np.float32]]:
    """
    Consecutive blocks (nb_samples, nb_channels) of a signal at `rate` as blocks at `new_rate` (Hz).

    `nb_samples` is the length wanted at the new rate: what is beyond is cut, and what is lacking is zero.
    """
    conversion = ratio(rate, new_rate)
    held, begin, sent = np.zeros((0, 0), np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        ready = (begin + len(held) - conversion.margin) * conversion.up // conversion.down
        ready = min(ready, nb_samples)
        if ready > sent:
            yield _convert(held, begin, conversion, sent, ready)
            sent = ready
            drop = min(max(_needed(conversion, sent, sent)[0] - begin, 0), len(held))
            held, begin = held[drop:], begin + drop
    if nb_samples > sent:
        yield _convert(held, begin, conversion, sent, nb_samples)


def _needed(conversion: Ratio, start: int, stop: int) -> tuple[int, int]:
    """First and last (exclusive) given sample that the resampled samples [start, stop) depend on, roughly."""
    first = start * conversion.down // conversion.up - conversion.margin
    return first, stop * conversion.down // conversion.up + 1 + conversion.margin


def _convert(
    samples: NDArray[np.float32], begin: int, conversion: Ratio, start: int, stop: int
) -> NDArray[np.float32]:
    """Resampled samples [start, stop) out of given ones, of which the first has the index `begin`."""
    up, down = conversion.up, conversion.down
    lead = begin % down  # zeros before, so that the block begins on the grid that both rates share
    samples = np.concatenate([np.zeros((lead, samples.shape[1]), np.float32), samples])
    filtered = upfirdn(_filter(up, down), samples, up, down, axis=0)
    delay = -(-conversion.reach // down)  # of the filter, in resampled samples
    offset = (begin - lead) // down * up - delay  # the resampled index of the first filtered sample
    out = np.zeros((stop - start, samples.shape[1]), np.float32)
    found = filtered[start - offset : stop - offset]
    out[: len(found)] = found
    return out


@cache
def _filter(up: int, down: int) -> NDArray[np.float32]:
    """Low-pass filter of gain `up`, delayed to a whole number of resampled samples."""
    reach = 10 * max(up, down)
    taps = firwin(2 * reach + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    return np.concatenate([np.zeros(-reach % down), taps]).astype(np.float32)
