"""Resampling in blocks: the samples of `scipy.signal.resample_poly` without ever holding the whole signal.

A sample depends on a few neighbours only, so a part of a signal is resampled alone, with some margin, as long as it
begins at a multiple of `down` given samples, where a period of the filter's phases begins. The result is the same to
the last bit, however the signal is divided.
"""

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray

from rnnsep.signal.streams import Audio


class Ratio:
    """Conversion from `rate` to `new_rate` (Hz) with the filter of `scipy.signal.resample_poly`."""

    def __init__(self, rate: int, new_rate: int):
        common = gcd(rate, new_rate)
        self.up, self.down = new_rate // common, rate // common
        # given samples that a resampled one needs on either side, in periods of `down`
        self.margin = -(-(10 * max(self.up, self.down) // self.up + 1) // self.down)

    def nb_samples(self, given: int) -> int:
        return -(-given * self.up // self.down)

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """First and last (exclusive) given sample, in whole periods, for the resampled samples [start, stop)."""
        first, last = start // self.up - self.margin, -(-stop // self.up) + self.margin
        return max(first, 0) * self.down, last * self.down

    def convert(self, samples: NDArray[np.float32], begin: int, start: int, stop: int) -> NDArray[np.float32]:
        """Resampled samples [start, stop) from `samples` (nb, nb_channels), of which the first has index `begin`."""
        from scipy.signal import resample_poly  # takes a second to import, and many songs need no resampling

        first, last = self.needed(start, stop)
        part = samples[first - begin : last - begin]
        # (nb, nb_channels) -> (nb_channels, nb), which is several times as fast
        made = resample_poly(np.ascontiguousarray(part.T), self.up, self.down, axis=1)
        offset = first // self.down * self.up
        return np.ascontiguousarray(made[:, start - offset : stop - offset].T)


class Resampled:
    """`audio` (nb_samples, nb_channels) at another rate, as an `Audio` that reads only what a slice needs."""

    def __init__(self, audio: Audio, ratio: Ratio):
        self.audio, self.ratio = audio, ratio

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ratio.nb_samples(self.audio.shape[0]), *self.audio.shape[1:]

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        start, stop, _ = key.indices(self.shape[0])
        if stop <= start:
            return np.zeros((0, *self.shape[1:]), np.float32)
        first, last = self.ratio.needed(start, stop)
        return self.ratio.convert(self.audio[first : min(last, self.audio.shape[0])], first, start, stop)


def resampled(audio: Audio, rate: int, new_rate: int) -> Audio:
    """`audio`, given at `rate`, at `new_rate` (Hz): ceil(nb_samples * new_rate / rate) samples.

    The samples are those of `scipy.signal.resample_poly` on the whole signal.
    """
    return audio if rate == new_rate else Resampled(audio, Ratio(rate, new_rate))


def resampled_blocks(
    blocks: Iterable[NDArray[np.float32]], rate: int, new_rate: int, nb_samples: int
) -> Iterator[NDArray[np.float32]]:
    """Consecutive blocks (nb_samples, nb_channels) of a signal at `rate` as blocks at `new_rate` (Hz).

    `nb_samples` is the length wanted at the new rate, at most as many as the blocks hold by then.
    """
    if rate == new_rate:
        yield from blocks
        return
    ratio = Ratio(rate, new_rate)
    held, begin, sent = np.zeros((0, 0), np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        ready = min(((begin + len(held)) // ratio.down - ratio.margin) * ratio.up, nb_samples)
        if ready > sent:
            yield ratio.convert(held, begin, sent, ready)
            sent = ready
            drop = ratio.needed(sent, sent)[0] - begin
            held, begin = held[drop:], begin + drop
    if nb_samples > sent:
        yield ratio.convert(held, begin, sent, nb_samples)
