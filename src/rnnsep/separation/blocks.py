"""Separation of a song in overlapping blocks, in bounded memory.

The network sees one block at a time; estimates of adjacent blocks are cross-faded. A song that fits into one block is
separated as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from rnnsep.network.model import Model
from rnnsep.params import Range
from rnnsep.separation.filters import Filter, Name, make_filter, tempered
from rnnsep.signal.resampling import resampled, resampled_blocks
from rnnsep.signal.stft import Inverse, stft
from rnnsep.signal.streams import Audio, with_channels

FADE = 10  # blocks overlap by at least 1 / FADE of their length
CHUNK = 32  # frames inverted at a time


@dataclass(frozen=True, kw_only=True)
class SeparationParams:
    """Section `separation` of params.yaml; `block` in s."""

    filter: Name
    temperature: Annotated[float, Range(0.1, 10)]
    block: Annotated[float, Range(1)]


def separate(mixture: Audio, rate: int, model: Model, params: SeparationParams) -> Iterator[NDArray[np.float32]]:
    """Estimates of the model's sources in `mixture` (nb_samples, nb_channels) at `rate` (Hz).

    Yields consecutive blocks (nb_sources, nb, nb_channels) with the rate, the channels and, in total, the length of
    the mixture. If song and model differ in the number of channels, the model sees the mean of the song's channels in
    all of its own, and the mean of its masks is applied to every channel of the song.
    """
    own_rate = model.stft.sample_rate
    blocks = _blocks(resampled(mixture, rate, own_rate), model, params)
    if rate == own_rate:
        yield from blocks
        return
    # (nb_sources, nb, nb_channels) -> (nb, nb_sources * nb_channels), and back
    flat = (block.transpose(1, 0, 2).reshape(block.shape[1], -1) for block in blocks)
    for block in resampled_blocks(flat, own_rate, rate, mixture.shape[0]):
        yield block.reshape(len(block), len(model.sources), -1).transpose(1, 0, 2)


def _blocks(audio: Audio, model: Model, params: SeparationParams) -> Iterator[NDArray[np.float32]]:
    inverses = [Inverse(model.stft, audio.shape[0]) for _ in model.sources]
    for spectra in _spectra(audio, model, params):
        yield np.stack([inverse(one) for inverse, one in zip(inverses, spectra, strict=True)])


def _spectra(audio: Audio, model: Model, params: SeparationParams) -> Iterator[NDArray[np.complex64]]:
    """Consecutive estimates (nb_sources, nb_frames, nb_bins, nb_channels)."""
    nb_frames = model.stft.nb_frames(audio.shape[0])
    length = max(FADE, round(params.block * model.stft.sample_rate / model.stft.hop))
    fade = length // FADE
    blocks = plan(nb_frames, length, fade)
    ramp = (np.arange(fade, dtype=np.float32)[:, None, None] + 1) / (fade + 1)
    old: NDArray[np.complex64] | None = None
    for block in blocks:
        estimate = _filter(stft(audio, model.stft, block.start, block.stop), model, params)
        at, end = block.begin - block.start, block.end - block.start
        if old is not None:
            yield old + ramp * (estimate(at, at + fade) - old)
            at += fade
        for chunk in range(at, end, CHUNK):
            yield estimate(chunk, min(chunk + CHUNK, end))
        if block.end < nb_frames:
            old = estimate(end, end + fade)
        del estimate  # the filter's arrays, before those of the next block


def _filter(mixture: NDArray[np.complex64], model: Model, params: SeparationParams) -> Filter:
    masks = tempered(model.masks(with_channels(mixture, model.stft.nb_channels)), params.temperature)
    if masks.shape[-1] != mixture.shape[-1]:
        masks = with_channels(masks, 1)
    return make_filter(params.filter, mixture, masks, model.spread)


@dataclass(frozen=True)
class Block:
    """Frames [start, stop) that the network sees, and [begin, end) that are used."""

    start: int
    stop: int
    begin: int
    end: int


def plan(nb_frames: int, length: int, fade: int) -> list[Block]:
    """Blocks of equal length, at most `length`, for a song of `nb_frames`.

    A block takes over from the previous one at `begin`; they are cross-faded up to `begin + fade`, in the middle of
    their overlap. `length` is at least 4 * `fade`, so that fades do not overlap.
    """
    if nb_frames <= length:
        return [Block(0, nb_frames, 0, nb_frames)]
    nb_blocks = -(-(nb_frames - fade) // (length - fade))
    starts = [index * (nb_frames - length) // (nb_blocks - 1) for index in range(nb_blocks)]
    cuts = [start + (last + length - start - fade) // 2 for last, start in pairwise(starts)]
    uses = pairwise([0, *cuts, nb_frames])
    return [Block(start, start + length, begin, end) for start, (begin, end) in zip(starts, uses, strict=True)]
