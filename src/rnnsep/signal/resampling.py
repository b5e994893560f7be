"""Resampling in blocks: `scipy.signal.resample_poly` without ever holding the whole signal."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rnnsep.signal.streams import Audio

RUN = 32  # resampled samples made by one matrix product per period


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

    `nb_samples` is the length wanted at the new rate, at most as many as the blocks hold by then.
    """
    if rate == new_rate:
        yield from blocks
        return
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
    """First and last (exclusive) given sample that the resampled samples [start, stop) may depend on."""
    first = start * conversion.down // conversion.up - conversion.margin
    return first, stop * conversion.down // conversion.up + 1 + conversion.margin


def _convert(samples: NDArray[np.float32], begin: int, conversion: Ratio, start: int, stop: int) -> NDArray[np.float32]:
    """
    Resampled samples [start, stop) out of given ones, of which the first has the index `begin`.

    The filter's phases repeat after `period` resampled samples, for which the given ones advance by `advance`. So
    each run of outputs within a period is one matrix product: windows of given samples times filter taps.
    """
    if stop <= start:
        return np.zeros((0, samples.shape[1]), np.float32)
    period, advance, runs = _matrices(conversion)
    lowest, highest = min(run.first for run in runs), max(run.first + len(run.taps) for run in runs)
    from_period, to_period = start // period, -(-stop // period)
    origin = from_period * advance + lowest  # index of the first sample in `padded`
    nb_channels, nb_periods = samples.shape[1], to_period - from_period
    padded = np.zeros((nb_channels, (nb_periods - 1) * advance + highest - lowest), np.float32)
    used = slice(max(begin, origin), min(begin + len(samples), origin + padded.shape[1]))
    if used.stop > used.start:
        padded[:, used.start - origin : used.stop - origin] = samples[used.start - begin : used.stop - begin].T

    out = np.empty((nb_channels, nb_periods, period), np.float32)
    for run in runs:
        windows = sliding_window_view(padded[:, run.first - lowest :], len(run.taps), axis=1)
        # (nb_channels, nb_periods, window) @ (window, run) -> (nb_channels, nb_periods, run)
        out[:, :, run.at : run.at + run.taps.shape[1]] = windows[:, ::advance][:, :nb_periods] @ run.taps
    offset = start - from_period * period
    # (nb_channels, nb_periods * period) -> (nb_samples, nb_channels)
    return np.ascontiguousarray(out.reshape(nb_channels, -1)[:, offset : offset + stop - start].T)


@dataclass(frozen=True)
class _Run:
    """Outputs from `at` on, within a period, as taps (window, outputs) for a window of inputs from `first` on."""

    at: int
    first: int
    taps: NDArray[np.float32]


@cache
def _matrices(conversion: Ratio) -> tuple[int, int, tuple[_Run, ...]]:
    from scipy.signal import firwin  # takes a second to import, and many songs need no resampling

    up, down, reach = conversion.up, conversion.down, conversion.reach
    response = firwin(2 * reach + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    widest = (RUN * down + 2 * reach) // up + 2
    repeats = max(-(-RUN // up), -(-widest // down))  # windows must not overlap, or BLAS cannot take them
    period, advance = repeats * up, repeats * down
    runs = []
    for at in range(0, period, RUN):
        outputs = np.arange(at, min(at + RUN, period))
        first, last = -((reach - at * down) // up), (outputs[-1] * down + reach) // up
        inputs = np.arange(first, last + 1)
        lags = outputs * down - inputs[:, None] * up + reach  # (window, outputs)
        taps = np.where((lags >= 0) & (lags <= 2 * reach), response[np.clip(lags, 0, 2 * reach)], 0)
        runs.append(_Run(at, first, taps.astype(np.float32)))
    return period, advance, tuple(runs)
