"""Audio streams: samples that are read in slices, and adaptors between them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from rnnsep.running.errors import UserError
from rnnsep.signal.audio import AudioFile, decode


class Audio(Protocol):
    """Samples (nb_samples, nb_channels) that are read in slices: an array, a file, or an adaptor of another stream."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]: ...


def with_channels(x: NDArray[Any], nb_channels: int) -> NDArray[Any]:
    """
    Samples or spectra (…, channels) with `nb_channels` on the last axis.

    If the number differs, each channel is the mean of the given ones: stereo becomes mono; a song with one channel or
    more than two becomes the same signal left and right.
    """
    given = x.shape[-1]
    if given == nb_channels:
        return x
    mean = sum(x[..., channel] for channel in range(given)) / given
    return np.repeat(np.asarray(mean, x.dtype)[..., None], nb_channels, axis=-1)


class WithChannels:
    """`audio` with another number of channels (see `with_channels`)."""

    def __init__(self, audio: Audio, nb_channels: int):
        self.audio, self.nb_channels = audio, nb_channels

    @property
    def shape(self) -> tuple[int, ...]:
        return self.audio.shape[0], self.nb_channels

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return with_channels(self.audio[key], self.nb_channels)


class Later:
    """`audio` without its first `start` samples (at least one is kept)."""

    def __init__(self, audio: Audio, start: int):
        self.audio, self.start = audio, min(start, audio.shape[0] - 1)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.audio.shape[0] - self.start, self.audio.shape[1]

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return self.audio[key.start + self.start : key.stop + self.start]


class Scaled:
    """`audio` times `gain`."""

    def __init__(self, audio: Audio, gain: float):
        self.audio, self.gain = audio, np.float32(gain)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.audio.shape

    def __getitem__(self, key: slice, /) -> NDArray[np.float32]:
        return np.asarray(self.gain * self.audio[key])


class Decoded:
    """
    The first audio stream of any container, (nb_samples, nb_channels), for slices that move forwards.

    It is decoded once to be measured and once to be read; no more than a slice is held in memory. A slice that begins
    before the previous one restarts the decoder.
    """

    def __init__(self, path: Path, rate: int, shape: tuple[int, int]):
        self.path, self.rate, self.shape = path, rate, shape
        self._blocks: Iterator[NDArray[np.float32]] | None = None
        self._held = np.zeros((0, shape[1]), np.float32)
        self._begin = 0  # of what is held

    @classmethod
    def measured(cls, path: Path) -> "Decoded":
        """Raises `UserError` if the file has no audio, is damaged or empty, or changes its number of channels."""
        rate, blocks = decode(path)
        nb_samples = nb_channels = 0
        for block in blocks:
            if nb_samples and block.shape[1] != nb_channels:
                raise UserError(f"{path}: changes from {nb_channels} to {block.shape[1]} channels; convert it first")
            nb_samples, nb_channels = nb_samples + len(block), block.shape[1]
        if nb_samples == 0:
            raise UserError(f"{path}: empty: holds no samples")
        return cls(path, rate, (nb_samples, nb_channels))

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        start, stop, _ = part.indices(self.shape[0])
        if stop <= start:
            return np.zeros((0, self.shape[1]), np.float32)
        if self._blocks is None or start < self._begin:
            self.close()
            self._blocks = decode(self.path)[1]
        parts, end = [self._held[start - self._begin :]], self._begin + len(self._held)
        while end < stop:
            block = next(self._blocks, None)
            if block is None or block.shape[1] != self.shape[1]:
                raise UserError(f"{self.path}: was changed while it was read; run again")
            parts.append(block[max(0, start - end) :])
            end += len(block)
        self._held, self._begin = np.concatenate(parts), start
        return self._held[: stop - start]

    def close(self) -> None:
        self._blocks, self._held, self._begin = None, self._held[:0], 0

    def __enter__(self) -> "Decoded":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __copy__(self) -> "Decoded":
        return Decoded(self.path, self.rate, self.shape)


def open_audio(path: Path) -> AudioFile | Decoded:
    """The audio of any file as a stream. Raises `UserError` if it has none or is damaged."""
    with open(path, "rb") as file:
        seekable = file.read(4) in (b"RIFF", b"RF64", b"fLaC", b"FORM", b"riff")
    try:
        direct = seekable and bool(soundfile.info(path).frames)
    except (soundfile.SoundFileError, TypeError):
        direct = False  # for example AVI, which is RIFF too
    return AudioFile(path) if direct else Decoded.measured(path)
